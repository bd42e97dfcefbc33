//! `synod evaluate`: how well scores and decisions agree with labels, for each detector and for the consensus.

use super::installation::Installation;
use super::{CommandError, fit, progress};
use crate::cli::{Evaluate, Format};
use crate::engine::{Engine, JudgedRow, live_models};
use crate::fitting::{self, Dataset};
use indexmap::IndexMap;
use serde::Serialize;
use synod_detection::measure::{Decided, aucpr, aucroc, decided};
use synod_detection::{Ballot, Calibration, Policy, Rule, split};

/// How one detector or policy did.
#[derive(Debug, Serialize)]
struct Measured {
    aucroc: f64,
    aucpr: f64,
    #[serde(flatten)]
    decided: Decided,
}

#[derive(Debug, Serialize)]
struct Consensus {
    #[serde(flatten)]
    measured: Measured,
    policy: Rule,
}

#[derive(Debug, Serialize)]
struct Report {
    rows: usize,
    anomalies: usize,
    abstentions: usize,
    detectors: IndexMap<String, Measured>,
    consensus: Consensus,
    policies: IndexMap<&'static str, Measured>,
}

pub(super) fn run(arguments: &Evaluate) -> Result<(), CommandError> {
    let mut at = Installation::open(&arguments.common)?;
    if let Some(seed) = arguments.seed {
        at.config.fit.seed = seed;
    }
    let (data, labels) = fit::read(&at.config, &arguments.data, &arguments.learn, Some(&arguments.label))?;
    let (engine, judged_rows) = match arguments.split {
        Some(share) if share > 0.0 && share < 1.0 => fitted_on_a_part(&at, data, &labels, share)?,
        Some(share) => return Err(CommandError::Usage(format!("--split: {share} is not a share between 0 and 1"))),
        None => {
            let engine = Engine::assemble(&at.config, &at.host, live_models(&at.config, &at.registry)?)?;
            let rows: Vec<usize> = (0..data.batch.rows()).collect();
            (engine, (data.batch, rows))
        }
    };
    let (batch, rows) = judged_rows;
    let labels: Vec<bool> = rows.iter().map(|row| labels[*row]).collect();
    let report = report(&engine, &engine.judge(&batch).rows, &labels);
    if report.anomalies == 0 || report.anomalies == report.rows {
        eprintln!("all {} rows have the same label: the areas under the curves are not defined", report.rows);
    }
    match arguments.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&report).map_err(|error| CommandError::Failed(error.to_string()))?),
        Format::Table => print!("{}", table(&report)),
    }
    Ok(())
}

type JudgedPart = (Engine, (synod_detection::Batch, Vec<usize>));

fn fitted_on_a_part(at: &Installation, data: Dataset, labels: &[bool], share: f64) -> Result<JudgedPart, CommandError> {
    let parts = split::stratified(labels, 1.0 - share, at.config.fit.seed);
    let usable: std::collections::HashSet<usize> = data.rows.iter().copied().collect();
    let rows = parts.training.into_iter().filter(|row| usable.contains(row)).collect();
    let batch = data.batch.select(&parts.held_out);
    let training = Dataset { rows, ..data };
    let lines = progress::Detectors::new();
    let detectors: Vec<_> = at.config.detectors.iter().collect();
    let models = fitting::fit(&at.config, &at.host, &detectors, &training, &|name, message| lines.show(name, message))?;
    let engine = Engine::assemble(&at.config, &at.host, models)?;
    Ok((engine, (batch, parts.held_out)))
}

fn report(engine: &Engine, rows: &[JudgedRow], labels: &[bool]) -> Report {
    let detector = |index: usize| {
        // A detector that abstains from a row says nothing about it: that is a score of 0.
        let vote = |row: &JudgedRow| {
            row.ballots[index].vote().map_or((0.0, f64::NEG_INFINITY, false), |vote| (vote.score, vote.raw_score, vote.anomalous))
        };
        let votes: Vec<_> = rows.iter().map(vote).collect();
        let raw: Vec<f64> = votes.iter().map(|vote| vote.1).collect();
        let flagged: Vec<bool> = votes.iter().map(|vote| vote.2).collect();
        measured(&raw, &flagged, labels)
    };
    let named = |(index, one): (usize, &crate::engine::Detector)| (one.name().to_owned(), detector(index));
    let of_policy = |policy: &Policy| {
        let verdicts: Vec<_> = rows.iter().map(|row| policy.judge(&row.ballots.iter().collect::<Vec<&Ballot>>())).collect();
        let scores: Vec<f64> = verdicts.iter().map(|verdict| verdict.score).collect();
        measured(&scores, &verdicts.iter().map(|verdict| verdict.anomalous).collect::<Vec<_>>(), labels)
    };
    Report {
        rows: rows.len(),
        anomalies: labels.iter().filter(|label| **label).count(),
        abstentions: rows.iter().flat_map(|row| &row.ballots).filter(|ballot| ballot.vote().is_none()).count(),
        detectors: engine.detectors().iter().enumerate().map(named).collect(),
        consensus: Consensus { measured: of_policy(engine.policy()), policy: engine.policy().rule },
        policies: alternatives(engine).into_iter().map(|(name, policy)| (name, of_policy(&policy))).collect(),
    }
}

/// The configured policy with every other rule in place of its own.
fn alternatives(engine: &Engine) -> Vec<(&'static str, Policy)> {
    let calibrations: Vec<&Calibration> = engine.detectors().iter().map(crate::engine::Detector::calibration).collect();
    let rules = [
        ("all", Rule::All),
        ("any", Rule::Any),
        ("majority", Rule::Majority),
        ("weighted_mean", Rule::WeightedMean),
        ("mean", Rule::Mean),
        ("maximum", Rule::Maximum),
        ("median", Rule::Median),
    ];
    rules.map(|(name, rule)| (name, Policy { rule, ..engine.policy().clone() }.with_reference(&calibrations))).into()
}

fn measured(scores: &[f64], flagged: &[bool], labels: &[bool]) -> Measured {
    Measured { aucroc: aucroc(scores, labels), aucpr: aucpr(scores, labels), decided: decided(flagged, labels) }
}

fn table(report: &Report) -> String {
    let mut text = format!("{} rows, {} anomalies, {} abstentions\n\n", report.rows, report.anomalies, report.abstentions);
    text += &format!("{:28} {:>8} {:>8} {:>10} {:>8} {:>8} {:>10}\n", "", "AUCROC", "AUC-PR", "precision", "recall", "F1", "flag rate");
    let line = |name: &str, one: &Measured| {
        let Decided { precision, recall, f1, flag_rate } = one.decided;
        format!("{name:28} {:8.4} {:8.4} {precision:10.4} {recall:8.4} {f1:8.4} {flag_rate:10.4}\n", one.aucroc, one.aucpr)
    };
    report.detectors.iter().for_each(|(name, one)| text += &line(name, one));
    text += &line("consensus", &report.consensus.measured);
    text += "\nThe same votes under each rule:\n";
    report.policies.iter().for_each(|(name, one)| text += &line(name, one));
    text
}
