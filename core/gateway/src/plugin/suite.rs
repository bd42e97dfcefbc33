//! The conformance suite: what every detector must keep, whatever it is written in, checked in the production host under production limits.
//! `plugins/sdk/src/conformance.rs` checks much of it natively, for an author's unit tests; here it is the component that is judged.
//!
//! Each check gives one finding, as soon as it is known. One that rests on what failed is passed over, so that the first failure is the one to
//! mend.

mod answer;
mod batches;
mod damage;
mod hostile_parameters;
mod learning;
mod loading;
mod promises;
mod resources;
mod scoring;

use answer::Call;
pub use answer::{Answer, Finding, Outcome};
pub use resources::Measured;

use super::rows::Rows;
use crate::config::TrialConfig;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use synod_host::{Description, Failure, Host, Limits, Plugin, Pool, Training};

/// Rows of a call, as in production.
pub(crate) const ROWS_PER_CALL: usize = 256;
/// Most rows of either kind that are ranked.
const MOST_RANKED: usize = 4096;
/// So often a call that was late, or found no place, is made again: the machine may have been busy.
const TRIES: u32 = 3;

/// What was found out about a plugin.
#[derive(Debug)]
pub struct Judged {
    /// One for each check, in their order.
    pub findings: Vec<Finding>,
    /// The plugin, if it could be loaded.
    pub plugin: Option<Plugin>,
    /// What it takes, if it scores.
    pub measured: Option<Measured>,
}

impl Judged {
    /// How many checks failed.
    pub fn failures(&self) -> usize {
        self.findings.iter().filter(|finding| finding.answer.outcome() == Outcome::Failed).count()
    }
}

/// Hears of each finding once it is known.
pub type Tell<'a> = &'a mut dyn FnMut(&Finding);

/// The findings so far.
struct Findings<'a> {
    all: Vec<Finding>,
    tell: Tell<'a>,
}

impl Findings<'_> {
    /// Notes what a check found; whether it held.
    fn note(&mut self, check: &'static str, answer: Answer) -> bool {
        let held = answer.outcome() == Outcome::Passed;
        let finding = Finding { check, answer };
        (self.tell)(&finding);
        self.all.push(finding);
        held
    }

    fn skip(&mut self, checks: impl IntoIterator<Item = &'static str>, why: &str) {
        for check in checks {
            self.note(check, Answer::Skipped(why.to_owned()));
        }
    }
}

/// A plugin with what it is tried with.
struct Subject<'a> {
    plugin: &'a Plugin,
    trial: &'a TrialConfig,
    rows: &'a Rows,
    artifact: Option<&'a [u8]>,
    /// The trial's parameters as the plugin is given them.
    parameters: String,
}

/// A subject with a model that is loaded.
struct Fitted<'a> {
    subject: &'a Subject<'a>,
    model: Arc<[u8]>,
    pool: Pool,
    learnt: learning::Took,
}

/// A check of a subject with its model.
type Check = fn(&Fitted<'_>) -> Answer;

/// Checks that need no scores.
const OF_MODEL: [(&str, Check); 3] =
    [("same training", learning::same_again), ("damaged models", damage::damaged), ("another width", scoring::another_width)];

/// Checks that are worth asking once all rows have scores.
const OF_SCORES: [(&str, Check); 12] = [
    ("same batch", batches::same_again),
    ("order and split", batches::order_and_split),
    ("empty batch", batches::empty),
    ("missing values", scoring::missing),
    ("extreme rows", scoring::extreme),
    ("equal rows", learning::equal_rows),
    ("explain", promises::explains),
    ("parts", promises::parts),
    ("continues", promises::continues),
    ("weights", promises::weights),
    ("onnx", promises::exports),
    ("log", resources::log),
];

/// Looks at a component without fitting it: what it is, speaks, imports and says of itself.
pub fn look(host: &Host, component: &[u8], tell: Tell<'_>) -> Judged {
    let mut findings = Findings { all: Vec::new(), tell };
    let loaded = loading::load(host, component, &mut findings);
    Judged { findings: findings.all, plugin: loaded.map(|(plugin, _)| plugin), measured: None }
}

/// Judges a component.
pub fn run(host: &Host, component: &[u8], trial: &TrialConfig, rows: &Rows, artifact: Option<&[u8]>, tell: Tell<'_>) -> Judged {
    let mut findings = Findings { all: Vec::new(), tell };
    let Some((plugin, compiling)) = loading::load(host, component, &mut findings) else {
        return Judged { findings: findings.all, plugin: None, measured: None };
    };
    let scaled = plugin.description().scaling.then(|| rows.scaled());
    let rows = scaled.as_ref().unwrap_or(rows);
    let subject = Subject { plugin: &plugin, trial, rows, artifact, parameters: trial.parameters.to_string() };
    let measured = judge(&subject, component.len(), compiling, &mut findings);
    let findings = findings.all;
    Judged { findings, plugin: Some(plugin), measured }
}

fn judge(subject: &Subject<'_>, size: usize, compiling: Duration, findings: &mut Findings<'_>) -> Option<Measured> {
    findings.note("defaults", hostile_parameters::defaults(subject));
    let accepted = findings.note("parameters", hostile_parameters::accepted(subject));
    findings.note("bad parameters", hostile_parameters::hostile(subject));
    let of_model = OF_MODEL.map(|(check, _)| check);
    let of_scores = [&["ranking"][..], &OF_SCORES.map(|(check, _)| check), &["memory", "deadline"]].concat();
    let fitted = match accepted {
        true => fitted(subject, findings),
        false => {
            findings.skip(["fit", "load"], "not tried: the parameters have mistakes");
            None
        }
    };
    let Some(fitted) = fitted else {
        findings.skip(of_model.into_iter().chain(["scores"]).chain(of_scores), "not tried: there is no model that is loaded");
        return None;
    };
    for (name, check) in OF_MODEL {
        findings.note(name, check(&fitted));
    }
    let (answer, scores) = scoring::scores(&fitted);
    findings.note("scores", answer);
    let Some(scores) = scores else {
        findings.skip(of_scores, "not tried: not all rows have scores");
        return None;
    };
    findings.note("ranking", scoring::ranking(&fitted, &scores));
    for (name, check) in OF_SCORES {
        findings.note(name, check(&fitted));
    }
    let (memory, memory_bytes) = resources::memory(&fitted);
    findings.note("memory", memory);
    let (deadline, measured) = resources::deadline(&fitted, size, compiling, memory_bytes);
    findings.note("deadline", deadline);
    measured
}

/// Learns a model and loads it.
fn fitted<'a>(subject: &'a Subject<'a>, findings: &mut Findings<'_>) -> Option<Fitted<'a>> {
    let (answer, learnt) = learning::fit(subject);
    findings.note("fit", answer);
    let Some(model) = learnt else {
        findings.skip(["load"], "not tried: there is no model");
        return None;
    };
    let (begun, within) = (Instant::now(), subject.trial.pool.load.timeout);
    match subject.plugin.pool(model.bytes.clone(), &subject.trial.pool) {
        Ok(pool) => {
            findings.note("load", Answer::Held(format!("in {:.1} ms, within {within:?}", begun.elapsed().as_secs_f64() * 1e3)));
            Some(Fitted { subject, model: model.bytes, pool, learnt: model.took })
        }
        Err(failure) => {
            findings.note("load", Answer::of(&failure, "loading the model", Call::Load));
            None
        }
    }
}

impl<'a> Subject<'a> {
    fn description(&self) -> &'a Description {
        self.plugin.description()
    }

    /// The names and categories of the columns, as a training has them.
    fn features(&self) -> Vec<(&'a str, u32)> {
        self.rows.features.iter().map(|(name, categories)| (name.as_str(), *categories)).collect()
    }

    /// A training on these rows.
    fn training<'b>(&'b self, features: &'b [(&'b str, u32)], values: &'b [f64]) -> Training<'b> {
        Training {
            parameters: &self.parameters,
            artifact: self.artifact,
            seed: self.trial.seed,
            features,
            weights: None,
            part: None,
            previous: None,
            width: self.rows.width(),
            values,
        }
    }

    fn fit(&self, training: &Training<'_>) -> Result<Vec<u8>, Failure> {
        self.plugin.fit(training, &self.trial.fit, &mut |_, _| {})
    }

    /// A pool of one instance with another model.
    fn pool(&self, model: &[u8]) -> Result<Pool, Failure> {
        self.plugin.pool(model.into(), &synod_host::PoolLimits { instances: 1, ..self.trial.pool })
    }

    /// The first rows of both kinds, one call's worth: most of them normal.
    fn sample(&self) -> Vec<f64> {
        let width = self.rows.width();
        let anomalous = (self.rows.anomalous.len() / width).min(ROWS_PER_CALL / 8);
        let normal = self.rows.count().min(ROWS_PER_CALL - anomalous);
        [&self.rows.normal[..normal * width], &self.rows.anomalous[..anomalous * width]].concat()
    }
}

impl Fitted<'_> {
    fn width(&self) -> usize {
        self.subject.rows.width()
    }

    fn score(&self, values: &[f64]) -> Result<Vec<f64>, Failure> {
        score(&self.pool, self.width(), values)
    }

    /// The scores of each row in a call of its own.
    fn score_alone(&self, values: &[f64]) -> Result<Vec<f64>, Failure> {
        values.chunks(self.width()).map(|row| Ok(self.score(row)?[0])).collect()
    }
}

/// Scores rows, at most a call's worth at a time.
fn score(pool: &Pool, width: usize, values: &[f64]) -> Result<Vec<f64>, Failure> {
    let mut scores = Vec::with_capacity(values.len() / width);
    for batch in values.chunks(width * ROWS_PER_CALL) {
        scores.extend(patiently(|| pool.score(width, batch))?.scores);
    }
    Ok(scores)
}

/// Makes a call again that was late, or found no instance.
fn patiently<T>(mut call: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut left = TRIES;
    loop {
        match call() {
            Err(Failure::Timeout { .. } | Failure::Busy { .. }) if left > 1 => left -= 1,
            answer => return answer,
        }
    }
}

/// Whether numbers are the same, bit for bit; otherwise the first place in which they differ.
fn same(one: &[f64], other: &[f64]) -> Result<(), usize> {
    if one.len() != other.len() {
        return Err(one.len().min(other.len()));
    }
    one.iter().zip(other).position(|(one, other)| one.to_bits() != other.to_bits()).map_or(Ok(()), Err)
}

/// What a plugin may take to look at a few rows.
const BRIEF: Limits = Limits { timeout: Duration::from_millis(500), memory: 256 << 20 };

/// The parameters' schema, property by property.
fn properties(description: &Description) -> Vec<(String, Value)> {
    let properties = description.parameters.get("properties").and_then(Value::as_object);
    properties.map(|all| all.iter().map(|(name, schema)| (name.clone(), schema.clone())).collect()).unwrap_or_default()
}
