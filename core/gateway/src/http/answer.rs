//! What a client is told about a row.

use super::Problem;
use crate::engine::{Call, Detector, Engine, JudgedRow};
use serde::Serialize;
use synod_detection::{Abstention, Ballot, Batch, Outcome, Rule, Vote};

/// A row's answer: the verdict with everything that it rests on, or what is wrong with the row.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Row<'a> {
    Judged(Judged<'a>),
    Voted(Voted<'a>),
    Refused { error: Problem },
}

#[derive(Serialize)]
pub(super) struct Judged<'a> {
    #[serde(flatten)]
    subject: Subject,
    verdict: Verdict,
    votes: Vec<VoteOf<'a>>,
    abstentions: Vec<AbstentionOf<'a>>,
}

/// One detector's vote, without a verdict.
#[derive(Serialize)]
pub(super) struct Voted<'a> {
    #[serde(flatten)]
    subject: Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    vote: Option<VoteOf<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    abstention: Option<AbstentionOf<'a>>,
}

/// What the row is about.
#[derive(Serialize)]
struct Subject {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity: Option<String>,
}

#[derive(Serialize)]
struct Verdict {
    anomalous: bool,
    outcome: Outcome,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<f64>,
    policy: Rule,
    votes: usize,
    too_few_votes: bool,
}

#[derive(Serialize)]
struct VoteOf<'a> {
    detector: &'a str,
    #[serde(flatten)]
    vote: Vote,
    model_version: u64,
    model_digest: &'a str,
    /// What the detector took for all rows of the request.
    duration_us: f64,
}

#[derive(Serialize)]
struct AbstentionOf<'a> {
    detector: &'a str,
    #[serde(flatten)]
    abstention: Abstention,
}

impl Subject {
    fn new(engine: &Engine, batch: &Batch, row: usize) -> Self {
        let label = |field: Option<usize>| field.and_then(|field| batch.label(field, row));
        Self { id: label(engine.schema().id()), entity: label(engine.schema().entity()) }
    }
}

fn vote_of<'a>(detector: &'a Detector, vote: Vote, call: &Call) -> VoteOf<'a> {
    let identity = detector.identity();
    let took = call.waiting + call.instantiating + call.scoring;
    VoteOf {
        detector: detector.name(),
        vote,
        model_version: identity.version,
        model_digest: &identity.model,
        duration_us: took.as_nanos() as f64 / 1e3,
    }
}

pub(super) fn judged<'a>(engine: &'a Engine, batch: &Batch, place: usize, row: JudgedRow, calls: &[Call]) -> Row<'a> {
    let verdict = Verdict {
        anomalous: row.verdict.anomalous,
        outcome: row.verdict.outcome,
        score: row.verdict.score,
        threshold: row.verdict.threshold,
        policy: engine.policy().rule,
        votes: row.verdict.votes,
        too_few_votes: row.verdict.too_few_votes,
    };
    let (mut votes, mut abstentions) = (Vec::with_capacity(calls.len()), Vec::new());
    for ((detector, ballot), call) in engine.detectors().iter().zip(row.ballots).zip(calls) {
        match ballot {
            Ballot::Vote(vote) => votes.push(vote_of(detector, vote, call)),
            Ballot::Abstention(abstention) => abstentions.push(AbstentionOf { detector: detector.name(), abstention }),
        }
    }
    Row::Judged(Judged { subject: Subject::new(engine, batch, place), verdict, votes, abstentions })
}

pub(super) fn voted<'a>(engine: &'a Engine, detector: usize, batch: &Batch, place: usize, ballot: Ballot, call: &Call) -> Row<'a> {
    let detector = &engine.detectors()[detector];
    let subject = Subject::new(engine, batch, place);
    let (vote, abstention) = match ballot {
        Ballot::Vote(vote) => (Some(vote_of(detector, vote, call)), None),
        Ballot::Abstention(abstention) => (None, Some(AbstentionOf { detector: detector.name(), abstention })),
    };
    Row::Voted(Voted { subject, vote, abstention })
}
