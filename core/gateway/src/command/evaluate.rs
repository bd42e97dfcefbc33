//! `synod evaluate`: how well scores and decisions agree with labels, for each detector and for the consensus.

mod rows;

use super::dataset::{self, Loaded, Wanted};
use super::installation::Installation;
use super::{CommandError, progress};
use crate::cli::{Evaluate, Format};
use crate::engine::{Engine, JudgedRow};
use crate::fitting;
use indexmap::IndexMap;
use serde::Serialize;
use synod_detection::measure::{Decided, aucpr, aucroc, decided, precision_at, top};
use synod_detection::{Ballot, Policy, Rule, Sample, score_of_share, split};

/// Shares at which false alarms are counted.
const SHARES: [f64; 3] = [0.05, 0.01, 0.001];

/// How one detector or policy did.
#[derive(Debug, Serialize)]
struct Measured {
    aucroc: f64,
    aucpr: f64,
    /// Share of anomalies among the hundred highest scores.
    precision_at_100: f64,
    #[serde(flatten)]
    decided: Decided,
    /// Share of the rows that are no anomalies that are flagged.
    false_alarm_rate: f64,
    /// For each of [`SHARES`], the share of the rows that are no anomalies that score as high as this share of all rows should.
    false_alarms: IndexMap<String, f64>,
}

/// How a policy did.
#[derive(Debug, Serialize)]
struct OfPolicy {
    #[serde(flatten)]
    measured: Measured,
    /// The share of rows that it should flag, by the rows that it was calibrated on.
    expected_flag_rate: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Consensus {
    #[serde(flatten)]
    of_policy: OfPolicy,
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
    /// Every rule on the same votes, if that is asked for.
    policies: IndexMap<String, OfPolicy>,
}

pub(super) fn run(arguments: &Evaluate) -> Result<(), CommandError> {
    let mut at = Installation::open(&arguments.common)?;
    at.config.be_patient();
    if let Some(seed) = arguments.seed {
        at.config.fit.seed = seed;
    }
    let wanted =
        Wanted { learn: Some(&arguments.learn), label: Some(&arguments.label), group: arguments.by.as_deref(), refused_too: false };
    let mut loaded = dataset::load(&at.config, &arguments.data, &arguments.span, wanted)?;
    let engine = match arguments.split {
        Some(share) if share > 0.0 && share < 1.0 => fitted_on_a_part(&at, &mut loaded, share, arguments.learn.exclude_flagged)?,
        Some(share) => return Err(CommandError::Usage(format!("--split: {share} is not a share between 0 and 1"))),
        None => at.live_engine()?,
    };
    let Loaded { dataset, labels, groups, judged: rows, lines, .. } = loaded;
    let labels: Vec<bool> = rows.iter().map(|row| labels[*row]).collect();
    let groups: Vec<&str> = rows.iter().filter_map(|row| groups.get(*row).map(String::as_str)).collect();
    let judged = engine.judge(&dataset.batch.select(&rows), &dataset.past.select(&rows));
    if let Some(path) = &arguments.output {
        let numbers: std::collections::HashMap<usize, u64> =
            lines.iter().filter_map(|(number, place)| Some((*place.as_ref().ok()?, *number))).collect();
        let numbers: Vec<u64> = rows.iter().map(|row| numbers.get(row).copied().unwrap_or_default()).collect();
        rows::write(path, &engine, &numbers, &labels, &judged.rows)?;
    }
    let mut report = report(&engine, &judged.rows, &labels, &groups, arguments.top);
    if arguments.policies || matches!(arguments.format, Format::Json) {
        report.policies =
            alternatives(&engine).into_iter().map(|(name, policy)| (name, of_policy(&policy, &judged.rows, &labels))).collect();
    }
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
fn fitted_on_a_part(at: &Installation, loaded: &mut Loaded, share: f64, exclude_flagged: bool) -> Result<Engine, CommandError> {
    let labels: Vec<bool> = loaded.judged.iter().map(|row| loaded.labels[*row]).collect();
    let parts = split::stratified(&labels, 1.0 - share, at.config.fit.seed);
    let usable: std::collections::HashSet<usize> = loaded.dataset.rows.iter().copied().collect();
    let training: std::collections::HashSet<usize> = parts.training.iter().map(|place| loaded.judged[*place]).collect();
    loaded.dataset.rows = parts.training.into_iter().map(|place| loaded.judged[place]).filter(|row| usable.contains(row)).collect();
    loaded.dataset.left_out.retain(|row| training.contains(row));
    loaded.judged = parts.held_out.into_iter().map(|place| loaded.judged[place]).collect();
    let lines = progress::Detectors::new();
    let show = |name: &str, message: &str| lines.show(name, message);
    if exclude_flagged {
        let flagged = fitting::leave_out_flagged(&at.config, &at.host, &mut loaded.dataset, None, &show)?;
        eprintln!("{flagged} rows that a first fit flagged are left out");
    }
    let detectors: Vec<_> = at.config.detectors.iter().collect();
    let models = fitting::fit(&at.config, &at.host, &detectors, &loaded.dataset, &show)?;
    at.engine(models)
}

fn report(engine: &Engine, rows: &[JudgedRow], labels: &[bool], groups: &[&str], share: f64) -> Report {
    let detector = |index: usize| {
        // A detector that abstains from a row says nothing about it: that is a score of 0.
        let vote = |row: &JudgedRow| {
            row.ballots[index].vote().map_or((0.0, f64::NEG_INFINITY, false), |vote| (vote.score, vote.raw_score, vote.anomalous))
        };
        let votes: Vec<_> = rows.iter().map(vote).collect();
        let raw: Vec<f64> = votes.iter().map(|vote| vote.1).collect();
        let scores: Vec<f64> = votes.iter().map(|vote| vote.0).collect();
        let flagged: Vec<bool> = votes.iter().map(|vote| vote.2).collect();
        measured(&raw, &scores, &flagged, labels)
    };
    let named = |(index, one): (usize, &std::sync::Arc<crate::engine::Detector>)| (one.name().to_owned(), detector(index));
    Report {
        rows: rows.len(),
        anomalies: labels.iter().filter(|label| **label).count(),
        abstentions: rows.iter().flat_map(|row| &row.ballots).filter(|ballot| ballot.vote().is_none()).count(),
        detectors: engine.detectors().iter().enumerate().map(named).collect(),
        consensus: Consensus { of_policy: of_policy(engine.policy(), rows, labels), policy: engine.policy().rule },
        by: of_groups(rows, groups, share),
        policies: IndexMap::new(),
    }
}

/// How the votes would have been judged by this policy.
fn of_policy(policy: &Policy, rows: &[JudgedRow], labels: &[bool]) -> OfPolicy {
    let verdicts: Vec<_> = rows.iter().map(|row| policy.judge(&row.ballots.iter().collect::<Vec<&Ballot>>())).collect();
    let scores: Vec<f64> = verdicts.iter().map(|verdict| verdict.score).collect();
    let flagged: Vec<bool> = verdicts.iter().map(|verdict| verdict.anomalous).collect();
    OfPolicy { measured: measured(&scores, &scores, &flagged, labels), expected_flag_rate: policy.expected_flag_rate() }
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
fn alternatives(engine: &Engine) -> Vec<(String, Policy)> {
    let samples: Vec<Sample<'_>> = engine.detectors().iter().map(|detector| detector.sample()).collect();
    let named = [Rule::All, Rule::Any, Rule::Majority, Rule::WeightedMean, Rule::Mean, Rule::Maximum, Rule::Median];
    // All, any and the majority are among the numbers of votes, too.
    let counted = (2..samples.len()).filter(|votes| *votes != samples.len() / 2 + 1).map(Rule::AtLeast);
    let rules = named.into_iter().chain(counted);
    let name = |rule: Rule| if let Rule::AtLeast(votes) = rule { format!("at_least_{votes}") } else { rule.name().to_owned() };
    rules.map(|rule| (name(rule), Policy { rule, ..engine.policy().clone() }.with_reference(&samples))).collect()
}

/// `ranked` are raw scores, which tell apart what the calibrated `scores` no longer do.
fn measured(ranked: &[f64], scores: &[f64], flagged: &[bool], labels: &[bool]) -> Measured {
    let normal = labels.iter().filter(|label| !**label).count();
    let rate = |flags: &dyn Fn(usize) -> bool| {
        let alarms = (0..labels.len()).filter(|row| !labels[*row] && flags(*row)).count();
        if normal > 0 { alarms as f64 / normal as f64 } else { 0.0 }
    };
    let at = |share: f64| (share.to_string(), rate(&|row| scores[row] >= score_of_share(share)));
    Measured {
        aucroc: aucroc(ranked, labels),
        aucpr: aucpr(ranked, labels),
        precision_at_100: precision_at(ranked, labels, 100),
        decided: decided(flagged, labels),
        false_alarm_rate: rate(&|row| flagged[row]),
        false_alarms: SHARES.map(at).into(),
    }
}

fn table(report: &Report) -> String {
    let mut text = format!("{} rows, {} anomalies, {} abstentions\n\n", report.rows, report.anomalies, report.abstentions);
    text += &format!(
        "{:28} {:>8} {:>8} {:>8} {:>10} {:>8} {:>8} {:>9} {:>9} {:>12}\n",
        "", "AUCROC", "AUC-PR", "P@100", "precision", "recall", "F1", "expected", "flagged", "false alarms"
    );
    report.detectors.iter().for_each(|(name, one)| text += &line(name, one, None));
    text += &line("consensus", &report.consensus.of_policy.measured, report.consensus.of_policy.expected_flag_rate);
    text += &calibrated(report);
    if !report.by.is_empty() {
        text += &format!("\n{:28} {:>8} {:>10} {:>14}\n", "Rows by group", "rows", "flagged", "among highest");
        let line = |name: &str, group: &Group| {
            let share = |count: usize| count as f64 / group.rows as f64;
            format!("{name:28} {:>8} {:10.4} {:14.4}\n", group.rows, share(group.flagged), share(group.among_highest))
        };
        report.by.iter().for_each(|(name, group)| text += &line(name, group));
    }
    if !report.policies.is_empty() {
        text += "\nThe same votes under each rule:\n";
        report.policies.iter().for_each(|(name, one)| text += &line(name, &one.measured, one.expected_flag_rate));
    } else {
        text += "\nWith --policies: the same votes under each rule.\n";
    }
    text
}

/// Columns of detectors and policies: rates are shares of all rows, false alarms of those that are no anomalies.
fn line(name: &str, one: &Measured, expected: Option<f64>) -> String {
    let Decided { precision, recall, f1, flag_rate } = one.decided;
    let expected = expected.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.4}"));
    format!(
        "{name:28} {:8.4} {:8.4} {:8.4} {precision:10.4} {recall:8.4} {f1:8.4} {expected:>9} {flag_rate:9.4} {:12.4}\n",
        one.aucroc, one.aucpr, one.precision_at_100, one.false_alarm_rate
    )
}

/// Whether scores mean what they say, on rows that are no anomalies.
fn calibrated(report: &Report) -> String {
    let mut text = format!("\n{:28}", "False alarms at");
    SHARES.iter().for_each(|share| text += &format!(" {:>8}", format!("{} %", share * 100.0)));
    text.push('\n');
    let all = report.detectors.iter().map(|(name, one)| (name.as_str(), one));
    for (name, one) in all.chain([("consensus", &report.consensus.of_policy.measured)]) {
        text += &format!("{name:28}");
        one.false_alarms.values().for_each(|rate| text += &format!(" {rate:8.4}"));
        text.push('\n');
    }
    text
}
