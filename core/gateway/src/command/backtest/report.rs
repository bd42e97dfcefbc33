//! What a backtest came to, in figures: for each period and over all, for the policy and for each detector.

use super::super::CommandError;
use super::super::dataset::spelled;
use super::rows::JudgedRows;
use super::thresholds::Thresholds;
use super::{Past, Tried};
use crate::cli::{Backtest, Window};
use crate::config::Config;
use indexmap::IndexMap;
use serde::Serialize;
use std::ops::Range;
use synod_detection::measure::{Costs, Decided, aucpr, aucroc, cost, decided, precision_at};
use synod_detection::{Outcome, Rule};

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The file's name, without its folder.
    pub(super) file: String,
    /// The column with the truth.
    pub(super) label: String,
    /// The consensus rule.
    pub(super) policy: Rule,
    /// What was asked for.
    pub(super) settings: Settings,
    /// Each period, also those that were skipped.
    pub(super) periods: Vec<PeriodReport>,
    /// All judged rows together. Detectors' rows are ranked by their calibrated scores, as raw scores of several models have several scales.
    pub(super) overall: Part,
    /// Other thresholds of the policy's score, on all judged rows.
    pub(super) thresholds: Thresholds,
}

/// What was asked for; times in days.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub(super) train_days: f64,
    pub(super) delay_days: f64,
    pub(super) every_days: Option<f64>,
    pub(super) window: &'static str,
    /// What a missed anomaly costs; none if its amount is what it costs.
    pub(super) cost_missed: Option<f64>,
    pub(super) amount: Option<String>,
    /// What a false alarm costs.
    pub(super) cost_alarm: f64,
    /// The column of the groups.
    pub(super) by: Option<String>,
}

/// Times from and until, in RFC 3339, and the rows between them.
#[derive(Debug, Serialize)]
pub(super) struct Interval {
    pub(super) from: String,
    pub(super) until: String,
    pub(super) rows: usize,
}

/// A period.
#[derive(Debug, Serialize)]
pub(super) struct PeriodReport {
    pub(super) number: usize,
    /// When it begins to judge, in microseconds since 1970.
    #[serde(skip)]
    pub(super) start: i64,
    /// What the fit learnt from, and was calibrated on.
    pub(super) training: Interval,
    /// What it judged.
    pub(super) judged: Interval,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) skipped: Option<String>,
    /// How it did, unless it was skipped.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<Part>,
}

/// How some of the judged rows did.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub(super) rows: usize,
    pub(super) anomalies: usize,
    /// How long these rows took to happen.
    pub(super) days: f64,
    /// Of all detectors together.
    pub(super) abstentions: usize,
    /// Rows by their outcome.
    pub(super) outcomes: IndexMap<&'static str, usize>,
    pub(super) policy: Measured,
    pub(super) detectors: IndexMap<String, Measured>,
    /// The rows with each value of the column of `--by`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub(super) by: IndexMap<String, Group>,
}

/// How one detector or the policy did.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) flagged: usize,
    pub(super) alarms_a_day: f64,
    #[serde(flatten)]
    pub(super) decided: Decided,
    pub(super) aucroc: f64,
    pub(super) aucpr: f64,
    /// Share of anomalies among the hundred highest scores.
    pub(super) precision_at_100: f64,
    /// Of the mistakes.
    pub(super) cost: f64,
}

/// How the rows with one value of the column of `--by` did, by the policy.
#[derive(Debug, Default, Serialize)]
pub(super) struct Group {
    pub(super) rows: usize,
    pub(super) flagged: usize,
    pub(super) flag_rate: f64,
}

/// What all parts of a report are made of.
struct Source<'a> {
    config: &'a Config,
    past: &'a Past,
    rows: &'a JudgedRows,
    cost_alarm: f64,
}

impl Report {
    pub(super) fn new(config: &Config, arguments: &Backtest, past: &Past, rows: &JudgedRows, tried: &[Tried]) -> Self {
        let source = Source { config, past, rows, cost_alarm: arguments.cost_alarm };
        let judged: Vec<&Tried> = tried.iter().filter(|one| one.judged.is_ok()).collect();
        let days = judged.iter().map(|one| one.period.days()).sum();
        let several_models = judged.len() > 1;
        let overall = source.part(0..rows.count(), days, several_models);
        let costs = Costs { missed: &rows.missed, alarm: arguments.cost_alarm };
        Self {
            file: arguments.data.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            label: arguments.label.clone(),
            policy: config.policy.rule,
            settings: Settings::new(arguments),
            periods: tried.iter().map(|one| source.period(one)).collect(),
            thresholds: Thresholds::new(&config.policy, rows, &overall, costs),
            overall,
        }
    }

    /// As it is written for programs.
    pub(super) fn json(&self) -> Result<String, CommandError> {
        serde_json::to_string_pretty(self).map_err(|error| CommandError::Failed(error.to_string()))
    }
}

impl Settings {
    fn new(arguments: &Backtest) -> Self {
        let days = |span: std::time::Duration| span.as_secs_f64() / 86_400.0;
        Self {
            train_days: days(arguments.train),
            delay_days: days(arguments.delay),
            every_days: arguments.every.map(days),
            window: match arguments.window {
                Window::Sliding => "sliding",
                Window::Growing => "growing",
            },
            cost_missed: arguments.amount.is_none().then_some(arguments.cost_missed),
            amount: arguments.amount.clone(),
            cost_alarm: arguments.cost_alarm,
            by: arguments.by.clone(),
        }
    }
}

impl Source<'_> {
    fn period(&self, tried: &Tried) -> PeriodReport {
        let interval = |time: &Range<i64>, rows| Interval { from: spelled(time.start), until: spelled(time.end), rows };
        let rows = self.past.during(&self.past.loaded.judged, &tried.period.scored).len();
        PeriodReport {
            number: tried.period.number,
            start: tried.period.scored.start,
            training: interval(&tried.period.training, tried.training_rows),
            judged: interval(&tried.period.scored, rows),
            skipped: tried.judged.as_ref().err().cloned(),
            part: tried.judged.as_ref().ok().map(|judged| self.part(judged.clone(), tried.period.days(), false)),
        }
    }

    fn part(&self, judged: Range<usize>, days: f64, several_models: bool) -> Part {
        let verdicts = &self.rows.verdicts[judged.clone()];
        let scores: Vec<f64> = verdicts.iter().map(|verdict| verdict.score).collect();
        let flagged: Vec<bool> = verdicts.iter().map(|verdict| verdict.anomalous).collect();
        let labels = &self.rows.labels[judged.clone()];
        let outcomes = [Outcome::Approve, Outcome::Review, Outcome::Block];
        let with = |outcome: Outcome| verdicts.iter().filter(|verdict| verdict.outcome == outcome).count();
        let detector = |(detector, config): (usize, &crate::config::DetectorConfig)| {
            (config.name.clone(), self.detector(detector, judged.clone(), days, several_models))
        };
        Part {
            rows: judged.len(),
            anomalies: labels.iter().filter(|label| **label).count(),
            days,
            abstentions: self.rows.votes.iter().flat_map(|votes| &votes[judged.clone()]).filter(|vote| vote.is_none()).count(),
            outcomes: outcomes.map(|outcome| (outcome.name(), with(outcome))).into_iter().collect(),
            policy: self.measured(&scores, &flagged, judged.clone(), days),
            detectors: self.config.detectors.iter().enumerate().map(detector).collect(),
            by: self.groups(&flagged, judged.clone()),
        }
    }

    fn detector(&self, detector: usize, judged: Range<usize>, days: f64, several_models: bool) -> Measured {
        let votes = &self.rows.votes[detector][judged.clone()];
        let rank = |vote: &synod_detection::Vote| if several_models { vote.score } else { vote.raw_score };
        // A detector that abstains from a row says nothing about it: no row is less suspicious.
        let ranks: Vec<f64> = votes.iter().map(|vote| vote.as_ref().map_or(f64::NEG_INFINITY, rank)).collect();
        let flagged: Vec<bool> = votes.iter().map(|vote| vote.is_some_and(|vote| vote.anomalous)).collect();
        self.measured(&ranks, &flagged, judged, days)
    }

    fn measured(&self, ranks: &[f64], flagged: &[bool], judged: Range<usize>, days: f64) -> Measured {
        let labels = &self.rows.labels[judged.clone()];
        let count = flagged.iter().filter(|flag| **flag).count();
        Measured {
            flagged: count,
            alarms_a_day: count as f64 / days,
            decided: decided(flagged, labels),
            aucroc: aucroc(ranks, labels),
            aucpr: aucpr(ranks, labels),
            precision_at_100: precision_at(ranks, labels, 100),
            cost: cost(flagged, labels, Costs { missed: &self.rows.missed[judged], alarm: self.cost_alarm }),
        }
    }

    fn groups(&self, flagged: &[bool], judged: Range<usize>) -> IndexMap<String, Group> {
        let mut found: IndexMap<String, Group> = IndexMap::new();
        for (place, flagged) in self.rows.places[judged].iter().zip(flagged) {
            let Some(name) = self.past.loaded.groups.get(*place) else { continue };
            if !found.contains_key(name) {
                found.insert(name.clone(), Group::default());
            }
            let group = &mut found[name];
            group.rows += 1;
            group.flagged += usize::from(*flagged);
        }
        found.values_mut().for_each(|group| group.flag_rate = group.flagged as f64 / group.rows as f64);
        found.sort_keys();
        found
    }
}
