//! `synod evaluate`: how well scores and decisions agree with labels, for each detector and for the consensus.

use super::dataset::{self, Loaded, Wanted};
use super::installation::Installation;
use super::{CommandError, progress};
use crate::cli::{Evaluate, Format};
use crate::engine::{Engine, JudgedRow, live_models};
use crate::fitting;
use indexmap::IndexMap;
use serde::Serialize;
use synod_detection::measure::{Decided, aucpr, aucroc, decided, precision_at, top};
use synod_detection::{Ballot, Calibration, Policy, Rule, split};

/// How one detector or policy did.
#[derive(Debug, Serialize)]
struct Measured {
    aucroc: f64,
    aucpr: f64,
    /// Share of anomalies among the hundred highest scores.
    precision_at_100: f64,
    #[serde(flatten)]
    decided: Decided,
}

#[derive(Debug, Serialize)]
struct Consensus {
    #[serde(flatten)]
    measured: Measured,
    policy: Rule,
}

/// How the rows with one value of the column of `--by` did.
#[derive(Debug, Default, Serialize)]
struct Group {
    rows: usize,
    /// By the policy.
    flagged: usize,
    /// Among the highest scores, as many as `--top` says.
    among_highest: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    rows: usize,
    anomalies: usize,
    abstentions: usize,
    detectors: IndexMap<String, Measured>,
    consensus: Consensus,
    /// For each value of the column of `--by`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    by: IndexMap<String, Group>,
    policies: IndexMap<&'static str, Measured>,
}

pub(super) fn run(arguments: &Evaluate) -> Result<(), CommandError> {
    let mut at = Installation::open(&arguments.common)?;
    if let Some(seed) = arguments.seed {
        at.config.fit.seed = seed;
    }
    let wanted =
        Wanted { learn: Some(&arguments.learn), label: Some(&arguments.label), group: arguments.by.as_deref(), refused_too: false };
    let mut loaded = dataset::load(&at.config, &arguments.data, &arguments.span, wanted)?;
    let engine = match arguments.split {
        Some(share) if share > 0.0 && share < 1.0 => fitted_on_a_part(&at, &mut loaded, share)?,
        Some(share) => return Err(CommandError::Usage(format!("--split: {share} is not a share between 0 and 1"))),
        None => Engine::assemble(&at.config, &at.host, live_models(&at.config, &at.registry)?)?,
    };
    let Loaded { dataset, labels, groups, judged: rows, .. } = loaded;
    let labels: Vec<bool> = rows.iter().map(|row| labels[*row]).collect();
    let groups: Vec<&str> = rows.iter().filter_map(|row| groups.get(*row).map(String::as_str)).collect();
    let judged = engine.judge(&dataset.batch.select(&rows), &dataset.past.select(&rows));
    let report = report(&engine, &judged.rows, &labels, &groups, arguments.top);
    if report.anomalies == 0 || report.anomalies == report.rows {
        eprintln!("all {} rows have the same label: the areas under the curves are not defined", report.rows);
    }
    match arguments.format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&report).map_err(|error| CommandError::Failed(error.to_string()))?),
        Format::Table => print!("{}", table(&report)),
    }
    Ok(())
}

/// Fits on a share of the judged rows, drawn by the seed, and leaves the others to be judged.
fn fitted_on_a_part(at: &Installation, loaded: &mut Loaded, share: f64) -> Result<Engine, CommandError> {
    let labels: Vec<bool> = loaded.judged.iter().map(|row| loaded.labels[*row]).collect();
    let parts = split::stratified(&labels, 1.0 - share, at.config.fit.seed);
    let usable: std::collections::HashSet<usize> = loaded.dataset.rows.iter().copied().collect();
    loaded.dataset.rows = parts.training.into_iter().map(|place| loaded.judged[place]).filter(|row| usable.contains(row)).collect();
    loaded.judged = parts.held_out.into_iter().map(|place| loaded.judged[place]).collect();
    let lines = progress::Detectors::new();
    let detectors: Vec<_> = at.config.detectors.iter().collect();
    let models = fitting::fit(&at.config, &at.host, &detectors, &loaded.dataset, &|name, message| lines.show(name, message))?;
    Ok(Engine::assemble(&at.config, &at.host, models)?)
}

fn report(engine: &Engine, rows: &[JudgedRow], labels: &[bool], groups: &[&str], share: f64) -> Report {
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
        by: of_groups(rows, groups, share),
        policies: alternatives(engine).into_iter().map(|(name, policy)| (name, of_policy(&policy))).collect(),
    }
}

/// How many of each group's rows are flagged, by the policy and among the highest scores.
fn of_groups(rows: &[JudgedRow], groups: &[&str], share: f64) -> IndexMap<String, Group> {
    if groups.is_empty() {
        return IndexMap::new();
    }
    let scores: Vec<f64> = rows.iter().map(|row| row.verdict.score).collect();
    let highest = top(&scores, (rows.len() as f64 * share).round() as usize);
    let mut found: IndexMap<String, Group> = IndexMap::new();
    for (index, group) in groups.iter().enumerate() {
        let group = found.entry((*group).to_owned()).or_default();
        group.rows += 1;
        group.flagged += usize::from(rows[index].verdict.anomalous);
        group.among_highest += usize::from(highest[index]);
    }
    found.sort_keys();
    found
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
    Measured {
        aucroc: aucroc(scores, labels),
        aucpr: aucpr(scores, labels),
        precision_at_100: precision_at(scores, labels, 100),
        decided: decided(flagged, labels),
    }
}

fn table(report: &Report) -> String {
    let mut text = format!("{} rows, {} anomalies, {} abstentions\n\n", report.rows, report.anomalies, report.abstentions);
    text += &format!(
        "{:28} {:>8} {:>8} {:>8} {:>10} {:>8} {:>8} {:>10}\n",
        "", "AUCROC", "AUC-PR", "P@100", "precision", "recall", "F1", "flag rate"
    );
    let line = |name: &str, one: &Measured| {
        let Decided { precision, recall, f1, flag_rate } = one.decided;
        format!(
            "{name:28} {:8.4} {:8.4} {:8.4} {precision:10.4} {recall:8.4} {f1:8.4} {flag_rate:10.4}\n",
            one.aucroc, one.aucpr, one.precision_at_100
        )
    };
    report.detectors.iter().for_each(|(name, one)| text += &line(name, one));
    text += &line("consensus", &report.consensus.measured);
    if !report.by.is_empty() {
        text += &format!("\n{:28} {:>8} {:>10} {:>14}\n", "Rows by group", "rows", "flagged", "among highest");
        let line = |name: &str, group: &Group| {
            let share = |count: usize| count as f64 / group.rows as f64;
            format!("{name:28} {:>8} {:10.4} {:14.4}\n", group.rows, share(group.flagged), share(group.among_highest))
        };
        report.by.iter().for_each(|(name, group)| text += &line(name, group));
    }
    text += "\nThe same votes under each rule:\n";
    report.policies.iter().for_each(|(name, one)| text += &line(name, one));
    text
}
