//! From verdicts and votes to tensors.

use super::{Datatype, Given, Mistake, Model};
use crate::decision::Decision;
use serde::{Serialize, Serializer};
use std::borrow::Borrow;
use synod_detection::{Ballot, Vote};

/// Outputs that one request can name: more than there are.
const MOST_OUTPUTS: usize = 16;

/// Why an output is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotGiven {
    /// What is asked for does not make sense.
    Mistake(Mistake),
    /// It is a score, which the caller may not see.
    Withheld,
}

/// The outputs of a model that are asked for by name, in that order; if none is, all that the caller may see.
///
/// # Errors
/// When there is no such output, or the caller may not see it.
pub fn selected<'a>(model: Model, names: impl Iterator<Item = &'a str>, sees_scores: bool) -> Result<Vec<Given>, NotGiven> {
    let mut selected: Vec<Given> = Vec::new();
    for (index, name) in names.enumerate() {
        let mistake = |what: &str| Err(NotGiven::Mistake(Mistake::of_output(index, name, what)));
        match model.gives().iter().find(|given| given.name() == name) {
            None => {
                let all: Vec<&str> = model.gives().iter().map(|given| given.name()).collect();
                return mistake(&format!("is none of this model, which gives {}", all.join(", ")));
            }
            Some(given) if selected.contains(given) || index == MOST_OUTPUTS => return mistake("is asked for twice"),
            Some(given) if given.is_score() && !sees_scores => return Err(NotGiven::Withheld),
            Some(given) => selected.push(*given),
        }
    }
    if selected.is_empty() {
        selected.extend(model.gives().iter().filter(|given| sees_scores || !given.is_score()));
    }
    Ok(selected)
}

/// An output with its values, one for each row.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Which one.
    pub given: Given,
    /// Its values.
    pub values: Values,
}

/// An output's values.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// BOOL.
    Booleans(Vec<bool>),
    /// FP64.
    Numbers(Vec<f64>),
    /// BYTES.
    Texts(Vec<String>),
}

impl Values {
    /// Their type.
    pub fn datatype(&self) -> Datatype {
        match self {
            Self::Booleans(_) => Datatype::Bool,
            Self::Numbers(_) => Datatype::Fp64,
            Self::Texts(_) => Datatype::Bytes,
        }
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        match self {
            Self::Booleans(values) => values.len(),
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// In binary form: little-endian; of BYTES each with its length before it.
    pub fn packed(&self) -> Vec<u8> {
        match self {
            Self::Booleans(values) => values.iter().map(|truth| u8::from(*truth)).collect(),
            Self::Numbers(values) => values.iter().flat_map(|number| number.to_le_bytes()).collect(),
            Self::Texts(values) => {
                let length = |text: &String| u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes();
                values.iter().flat_map(|text| length(text).into_iter().chain(text.bytes())).collect()
            }
        }
    }
}

/// As a JSON list. A NaN, for which JSON has no word, is null.
impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Booleans(values) => values.serialize(serializer),
            Self::Numbers(values) => values.serialize(serializer),
            Self::Texts(values) => values.serialize(serializer),
        }
    }
}

/// What decisions say.
///
/// # Errors
/// When too few detectors voted on a row, and nothing that is asked for would say so: "not anomalous" would approve what was not looked at.
pub fn of_decisions(selected: &[Given], decisions: &[impl Borrow<Decision>]) -> Result<Vec<Output>, String> {
    let says_so = selected.iter().any(|given| matches!(given, Given::Outcome | Given::TooFewVotes));
    let unlooked = |decision: &Decision| decision.verdict.too_few_votes && !decision.verdict.anomalous;
    if !says_so && selected != [Given::Decision] && decisions.iter().any(|decision| unlooked(decision.borrow())) {
        return Err("too few detectors voted: ask for the output `outcome` or `too_few_votes` as well, which say so".into());
    }
    let of = |given: &Given| Output { given: *given, values: of_each(*given, decisions.iter().map(Borrow::borrow)) };
    Ok(selected.iter().map(of).collect())
}

fn of_each<'a>(given: Given, decisions: impl Iterator<Item = &'a Decision>) -> Values {
    match given {
        Given::Outcome => Values::Texts(decisions.map(|decision| decision.verdict.outcome.name().to_owned()).collect()),
        Given::Decision => Values::Texts(decisions.map(|decision| decision.id.to_string()).collect()),
        Given::Anomalous => Values::Booleans(decisions.map(|decision| decision.verdict.anomalous).collect()),
        Given::TooFewVotes => Values::Booleans(decisions.map(|decision| decision.verdict.too_few_votes).collect()),
        Given::Score => Values::Numbers(decisions.map(|decision| decision.verdict.score).collect()),
        Given::RawScore => Values::Numbers(decisions.map(|decision| decision.verdict.combined).collect()),
        Given::Abstention => Values::Texts(decisions.map(|_| String::new()).collect()),
    }
}

/// What votes say.
///
/// # Errors
/// When the detector abstained from a row, and nothing that is asked for would say so.
pub fn of_votes(selected: &[Given], ballots: &[Ballot]) -> Result<Vec<Output>, String> {
    let abstained = ballots.iter().find_map(|ballot| if let Ballot::Abstention(abstention) = ballot { Some(abstention) } else { None });
    if let Some(abstention) = abstained.filter(|_| selected == [Given::Anomalous]) {
        let (reason, detail) = (abstention.reason, &abstention.detail);
        return Err(format!("the detector abstained ({reason}: {detail}): ask for the output `abstention` as well, which says so"));
    }
    let of = |given: &Given| Output { given: *given, values: of_ballots(*given, ballots) };
    Ok(selected.iter().map(of).collect())
}

fn of_ballots(given: Given, ballots: &[Ballot]) -> Values {
    let votes = || ballots.iter().map(Ballot::vote);
    let number = |of: fn(&Vote) -> f64| Values::Numbers(votes().map(|vote| vote.map_or(f64::NAN, of)).collect());
    match given {
        Given::Score => number(|vote| vote.score),
        Given::RawScore => number(|vote| vote.raw_score),
        Given::Anomalous => Values::Booleans(votes().map(|vote| vote.is_some_and(|vote| vote.anomalous)).collect()),
        Given::TooFewVotes => Values::Booleans(votes().map(|vote| vote.is_none()).collect()),
        Given::Abstention | Given::Outcome | Given::Decision => Values::Texts(ballots.iter().map(reason).collect()),
    }
}

fn reason(ballot: &Ballot) -> String {
    match ballot {
        Ballot::Vote(_) => String::new(),
        Ballot::Abstention(abstention) => abstention.reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_detection::Abstention;

    const DETECTOR: Model = Model::Detector(0);

    fn names<'a>(names: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
        names.iter().copied()
    }

    fn ballots() -> [Ballot; 2] {
        let vote = Vote { raw_score: -1.5, score: 0.25, extrapolated: false, threshold: 0.5, anomalous: false };
        [Ballot::Vote(vote), Ballot::Abstention(Abstention { reason: "timeout", detail: "after 100ms".into() })]
    }

    #[test]
    fn what_is_asked_for_is_given_in_its_order() {
        assert_eq!(selected(DETECTOR, names(&["raw_score", "score"]), true), Ok(vec![Given::RawScore, Given::Score]));
        assert_eq!(selected(Model::Policy, names(&[]), true).unwrap().len(), 5);
        let Err(NotGiven::Mistake(mistake)) = selected(DETECTOR, names(&["score", "predict"]), true) else { panic!() };
        assert_eq!(mistake.pointer, "/outputs/1");
        assert_eq!(mistake.detail, "output `predict` is none of this model, which gives score, anomalous, raw_score, abstention");
        assert!(matches!(selected(DETECTOR, names(&["score", "score"]), true), Err(NotGiven::Mistake(_))));
    }

    #[test]
    fn scores_are_for_those_who_may_see_them() {
        assert_eq!(selected(DETECTOR, names(&[]), false), Ok(vec![Given::Anomalous, Given::Abstention]));
        assert_eq!(selected(DETECTOR, names(&["anomalous", "raw_score"]), false), Err(NotGiven::Withheld));
        assert_eq!(selected(Model::Policy, names(&["outcome"]), false), Ok(vec![Given::Outcome]));
    }

    #[test]
    fn an_abstention_is_never_told_as_a_no() {
        let told = of_votes(&[Given::Anomalous, Given::Abstention, Given::Score], &ballots()).unwrap();
        assert_eq!(told[0].values, Values::Booleans(vec![false, false]));
        assert_eq!(told[1].values, Values::Texts(vec![String::new(), "timeout".into()]));
        assert_eq!(serde_json::to_string(&told[2].values).unwrap(), "[0.25,null]");
        assert!(of_votes(&[Given::Anomalous], &ballots()).unwrap_err().contains("timeout: after 100ms"));
        assert!(of_votes(&[Given::Anomalous], &ballots()[..1]).is_ok());
    }

    #[test]
    fn binary_values_are_those_of_little_endian_machines() {
        assert_eq!(Values::Booleans(vec![true, false]).packed(), [1, 0]);
        assert_eq!(Values::Numbers(vec![1.0]).packed(), [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(Values::Texts(vec!["ab".into(), String::new()]).packed(), [2, 0, 0, 0, b'a', b'b', 0, 0, 0, 0]);
    }
}
