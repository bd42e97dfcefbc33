//! `synod replay`: recorded decisions are judged again.

use super::audit::{data_directory, print_json};
use super::dataset::moment;
use super::installation::{Installation, configuration};
use super::{CommandError, progress};
use crate::cli::{Format, Replay};
use crate::config::{self, Config, Storing};
use crate::decision::Decision;
use crate::engine::{live_models, short};
use crate::ledger::StoredForm;
use crate::replaying::{self, Candidate, CandidateReport, Contributions, Makers, Recorded, Report, Selection, Versions, Way};
use serde::Serialize;
use synod_detection::View;
use synod_store::{Archive, DataDirectory, Registry, Secret};
use uuid::Uuid;

/// A report with what was explained.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    explained: Vec<Explained>,
}

#[derive(Serialize)]
struct Explained {
    decision: Uuid,
    detectors: Vec<Contributions>,
}

pub(super) fn run(arguments: &Replay) -> Result<(), CommandError> {
    let (config, directory) = (configuration(&arguments.common)?, data_directory(&arguments.common)?);
    let secret = Secret::open(&directory).map_err(|error| CommandError::Failed(super::chain(&error)))?;
    let selection = selection(arguments, &config, &secret)?;
    let recorded = Recorded::open(&directory)?;
    let host_of = |config: &Config| Ok(installed(&directory, config).map_err(|error| error.to_string())?.host);
    let mut makers = Makers::new(Archive::open(&directory)?, Registry::open(&directory)?, &host_of);
    match &arguments.candidate {
        None => by_their_own(arguments, &recorded, &selection, &mut makers),
        Some(path) => {
            let at = installed(&directory, &replaying::patient(config::load(path)?))?;
            let report = by_candidate(&at, &recorded, &selection, &mut makers, &secret)?;
            match arguments.format {
                Format::Table => print!("{}", candidate_table(&report, arguments.flips)),
                Format::Json => print_json(&report)?,
            }
            Ok(())
        }
    }
}

/// The installation of a data directory, with another configuration.
fn installed(directory: &DataDirectory, config: &Config) -> Result<Installation, CommandError> {
    Installation::with(Config { data_directory: directory.path().to_owned(), ..config.clone() })
}

fn selection(arguments: &Replay, config: &Config, secret: &Secret) -> Result<Selection, CommandError> {
    Ok(Selection {
        decisions: arguments.decision.iter().copied().collect(),
        from: moment(arguments.from.as_deref(), "--from")?,
        until: moment(arguments.until.as_deref(), "--until")?,
        entity: arguments.entity.as_ref().map_or_else(Vec::new, |entity| forms(entity, config, secret)),
        outcome: arguments.outcome,
        limit: arguments.limit,
        ..Selection::default()
    })
}

/// An entity as it may be stored: as it is, or as a digest.
pub(super) fn forms(entity: &str, config: &Config, secret: &Secret) -> Vec<String> {
    let hashing = StoredForm::new(config.schema.clone(), vec![Storing::Hmac; config.schema.fields().len()], secret.clone());
    let hashed = config.schema.entity().and_then(|field| hashing.text(field, entity));
    [Some(entity.to_owned()), hashed].into_iter().flatten().collect()
}

fn by_their_own(arguments: &Replay, recorded: &Recorded, selection: &Selection, makers: &mut Makers<'_>) -> Result<(), CommandError> {
    let bar = progress::reading("judging");
    let mut named: Vec<Decision> = Vec::new();
    let mut seen = |decision: &Decision| {
        if !selection.decisions.is_empty() {
            named.push(decision.clone());
        }
    };
    let report = replaying::replay(recorded, selection, makers, &mut |done, all| progress::update(&bar, (done, all)), &mut seen)?;
    bar.finish_and_clear();
    if let Some(missing) = arguments.decision.iter().find(|id| !named.iter().any(|decision| decision.id == **id)) {
        return Err(CommandError::Failed(format!("the decision {missing} is not in the log, or not among those that are selected")));
    }
    let explained = if arguments.explain { explain(&named, makers)? } else { Vec::new() };
    match arguments.format {
        Format::Table => print!("{}{}", table(&report), explained.iter().map(explanation).collect::<String>()),
        Format::Json => print_json(&Whole { report: &report, explained })?,
    }
    match report.is_clean() {
        true => Ok(()),
        false => Err(CommandError::Data(format!(
            "of {} decisions {} came out otherwise, and {} could not be judged again",
            report.decisions, report.different, report.not_replayable
        ))),
    }
}

fn explain(decisions: &[Decision], makers: &mut Makers<'_>) -> Result<Vec<Explained>, CommandError> {
    let one = |decision: &Decision| {
        let engine = makers.engine(&Versions::of(decision))?;
        Ok(Explained { decision: decision.id, detectors: replaying::explain(&engine, decision)? })
    };
    decisions.iter().map(one).collect::<Result<_, String>>().map_err(CommandError::Data)
}

fn by_candidate(
    at: &Installation,
    recorded: &Recorded,
    selection: &Selection,
    makers: &mut Makers<'_>,
    secret: &Secret,
) -> Result<CandidateReport, CommandError> {
    let models = live_models(&at.config, &at.registry)?;
    let views: Vec<View> = models.iter().map(|model| model.manifest.view.clone()).collect();
    let engine = at.engine(models)?;
    let candidate = Candidate { config: &at.config, engine: &engine, views: &views };
    let bar = progress::reading("judging");
    let mut told = |done, all| progress::update(&bar, (done, all));
    let report = replaying::judge_by(candidate, recorded, selection, makers, secret, &mut told)?;
    bar.finish_and_clear();
    Ok(report)
}

fn table(report: &Report) -> String {
    let rate = report.decisions as f64 / report.seconds.max(1e-9);
    let mut text = format!(
        "{} decisions: {} equal bit for bit, {} different, {} not replayable ({:.1} s, {rate:.0} a second)\n",
        report.decisions, report.equal, report.different, report.not_replayable, report.seconds
    );
    for made_by in &report.made_by {
        let models: Vec<String> = made_by.versions.models.iter().map(|(name, version)| format!("{name} {version}")).collect();
        text += &format!("  {} by configuration {}, {}\n", made_by.decisions, short(&made_by.versions.configuration), models.join(", "));
    }
    for difference in &report.differences {
        text += &format!(
            "different: {} {}: recorded {}, replayed {}\n",
            difference.decision, difference.what, difference.recorded, difference.replayed
        );
    }
    if report.more_differences > 0 {
        text += &format!("different: … and {} more\n", report.more_differences);
    }
    report.reasons.iter().for_each(|(reason, concerned)| {
        text += &format!("not replayable: {reason}: {} decisions, the first is {}\n", concerned.decisions, concerned.first);
    });
    text
}

fn explanation(explained: &Explained) -> String {
    let mut text = format!("\nDecision {}\n", explained.decision);
    for detector in &explained.detectors {
        match &detector.unavailable {
            Some(why) => text += &format!("{}: {why}\n", detector.detector),
            None => text += &format!("{:32} {:>16} {:>14}\n", detector.detector, "value", "contribution"),
        }
        for one in &detector.features {
            let value = one.value.map_or_else(|| "missing".to_owned(), |value| format!("{value:.6}"));
            text += &format!("  {:30} {value:>16} {:14.6}\n", one.feature, one.contribution);
        }
    }
    text
}

fn candidate_table(report: &CandidateReport, flips: usize) -> String {
    let mut text = match report.way {
        Way::Recorded => "The recorded features were used: they are all that the candidate needs.\n".to_owned(),
        Way::Folded => "Rows and histories were folded anew from the log: not all that the candidate needs was recorded.\n".to_owned(),
    };
    report.notes.iter().for_each(|note| text += &format!("  {note}\n"));
    let models: Vec<String> = report.models.iter().map(|(name, version)| format!("{name} {version}")).collect();
    text += &format!("Models of the candidate: {}\n", models.join(", "));
    text += &format!(
        "{} decisions, {} judged ({:.1} s), {} with another outcome\n",
        report.decisions, report.judged, report.seconds, report.flipped
    );
    report.not_judged.iter().for_each(|(reason, concerned)| {
        text += &format!("not judged: {reason}: {} decisions, the first is {}\n", concerned.decisions, concerned.first);
    });
    report.abstentions.iter().for_each(|(what, count)| text += &format!("abstained: {what}: {count}\n"));
    text += &format!("\n{:20} {:>10} {:>10} {:>10}\n", "recorded \\ candidate", "approve", "review", "block");
    for (recorded, row) in &report.outcomes {
        text += &format!("{recorded:20}");
        row.values().for_each(|count| text += &format!(" {count:>10}"));
        text += "\n";
    }
    text += &format!("\nanomalous: {:.4} recorded, {:.4} by the candidate\n", report.recorded_flag_rate, report.candidate_flag_rate);
    if let Some(labels) = &report.labels {
        text += &format!("{} labelled, {} of them fraud:\n", labels.labelled, labels.fraud);
        for (name, measures) in [("recorded", labels.recorded), ("candidate", labels.candidate)] {
            text += &format!("  {name:10} precision {:.4}, recall {:.4}\n", measures.precision, measures.recall);
        }
    }
    if flips > 0 && !report.flips.is_empty() {
        text += &format!("\n{:36} {:20} {:8} {:>7}    {:9} {:>7}\n", "decision", "entity", "recorded", "score", "candidate", "score");
    }
    for flip in report.flips.iter().take(flips) {
        let entity = flip.entity.as_deref().unwrap_or("-");
        text += &format!(
            "{} {entity:20} {:8} {:7.4} -> {:9} {:7.4}\n",
            flip.decision,
            flip.recorded.name(),
            flip.recorded_score,
            flip.candidate.name(),
            flip.candidate_score
        );
    }
    if report.flipped > flips.min(report.flips.len()) as u64 {
        text += &format!("… and {} more\n", report.flipped - flips.min(report.flips.len()) as u64);
    }
    text
}
