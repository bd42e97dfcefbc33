//! One detector at work: a pool of sandboxes with its model, its calibration, its threshold.

use super::breaking::Breaking;
use crate::config::{DetectorConfig, OnFailure};
use crate::fitting::Model;
use crate::manifest::{Golden, HeldOut, PluginIdentity};
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use synod_detection::{Abstention, Ballot, Calibration, Circuit, Matrix, Sample, Vote};
use synod_host::{Explanation, Failure, Plugin, Pool, PoolLimits, Refusal};

/// Most rows in one call, so that one call's deadline fits any batch.
const ROWS_PER_CALL: usize = 256;
/// After a call fails, its rows are tried one by one, to find those that are to blame. This many time-outs end the search.
const MOST_TIMEOUTS: usize = 3;
/// Characters of an abstention's detail.
const LONGEST_DETAIL: usize = 300;
const DID_NOT_START: &str = "the detector did not start; the log says why";
/// The reason of an abstention of a detector that is not there.
pub const NOT_READY: &str = "not_ready";
/// The reason of an abstention of a detector that failed too often to be asked.
pub const PAUSED: &str = "paused";
/// The reason of an abstention for want of a feature that the plugin needs.
pub const MISSING_FEATURE: &str = "missing_feature";

/// Which model, made by which code.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The model's version.
    pub version: u64,
    /// The model's SHA-256.
    pub model: String,
    /// The code.
    pub plugin: PluginIdentity,
    /// When the model was fitted, in RFC 3339.
    pub created: String,
    /// How many rows it has learnt from.
    pub training_rows: usize,
    /// The numbers that it sees of a row.
    pub columns: Vec<String>,
}

/// What the calls of a detector for one batch took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call {
    /// Rows that were given to the plugin.
    pub rows: usize,
    /// Waiting for an instance.
    pub waiting: Duration,
    /// Starting an instance.
    pub instantiating: Duration,
    /// In the plugin.
    pub scoring: Duration,
    /// Bytes of the largest sandbox that was called, after its call; zero if none of the calls went well.
    pub memory: usize,
}

/// The last time that a plugin failed.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// One of a few stable words.
    pub reason: &'static str,
    /// For people: short, and on one line.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

impl Trouble {
    fn new(failure: &Failure) -> Self {
        let Abstention { reason, detail } = abstention(failure.reason(), &failure.to_string());
        Self { reason, detail, at: Timestamp::now() }
    }

    /// How long ago that is.
    pub fn age(&self) -> Duration {
        Duration::try_from(Timestamp::now().duration_since(self.at)).unwrap_or_default()
    }
}

/// A detector with its model.
#[derive(Debug)]
pub struct Detector {
    name: String,
    threshold: f64,
    calibration: Calibration,
    held_out: HeldOut,
    golden: Golden,
    identity: Identity,
    takes_missing: bool,
    plugin: Plugin,
    model: Arc<[u8]>,
    limits: PoolLimits,
    /// Absent while the detector cannot be started.
    pool: ArcSwapOption<Pool>,
    /// The last failure to start, or of a call.
    trouble: ArcSwapOption<Trouble>,
    /// Whether it is asked. It belongs to the sandboxes: another model begins anew.
    circuit: Arc<Breaking>,
    on_failure: OnFailure,
    /// A moving mean of the nanoseconds that a row takes.
    row_cost: AtomicU64,
}

impl Detector {
    /// Starts the sandboxes, or goes on with those of the detector of before if it had the same model, plugin and limits.
    pub(super) fn start(config: &DetectorConfig, plugin: Plugin, model: Model, before: Option<&Arc<Self>>) -> Self {
        let manifest = model.manifest;
        let identity = Identity {
            version: model.version,
            model: model.digest,
            plugin: manifest.plugin,
            created: manifest.created,
            training_rows: manifest.data.training,
            columns: manifest.view.columns().map(str::to_owned).collect(),
        };
        let mut detector = Self {
            name: config.name.clone(),
            threshold: config.threshold.score(&manifest.calibration, &manifest.held_out.left_out),
            calibration: manifest.calibration,
            held_out: manifest.held_out,
            golden: manifest.golden,
            identity,
            takes_missing: plugin.description().missing_values,
            plugin,
            model: model.bytes,
            limits: config.pool,
            pool: ArcSwapOption::empty(),
            trouble: ArcSwapOption::empty(),
            row_cost: AtomicU64::new(0),
            circuit: Arc::new(Breaking::new(config.circuit)),
            on_failure: config.on_failure,
        };
        let same = |before: &&Arc<Self>| {
            before.identity.model == detector.identity.model
                && before.plugin.digest() == detector.plugin.digest()
                && before.limits == detector.limits
                && before.golden == detector.golden
        };
        let same = before.filter(same);
        if let Some(before) = same.filter(|before| before.circuit.rule == config.circuit) {
            detector.circuit = before.circuit.clone();
        }
        if let Some(before) = same {
            detector.pool.store(before.pool());
            detector.trouble.store(before.trouble());
            detector.row_cost.store(before.row_cost.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        detector.start_pool();
        detector
    }

    /// Starts the sandboxes if they are not there, and says whether they are now.
    pub fn start_pool(&self) -> bool {
        if self.is_ready() {
            return true;
        }
        let tested = self.plugin.pool(self.model.clone(), &self.limits).and_then(|pool| self.test(&pool).map(|()| pool));
        match tested {
            Ok(pool) => self.pool.store(Some(Arc::new(pool))),
            Err(failure) => {
                self.trouble.store(Some(Arc::new(Trouble::new(&failure))));
                tracing::error!(detector = %self.name, reason = failure.reason(), detail = %failure, "detector does not start, and abstains");
            }
        }
        self.is_ready()
    }

    /// Whether the golden rows still have their scores.
    fn test(&self, pool: &Pool) -> Result<(), Failure> {
        if self.golden.is_empty() {
            return Ok(());
        }
        let found = pool.score(self.identity.columns.len(), &self.golden.values())?.scores;
        let differs = |(found, fitted): &(&f64, &f64)| found.to_bits() != fitted.to_bits();
        match found.iter().zip(&self.golden.scores).enumerate().find(|(_, pair)| differs(pair)) {
            None => Ok(()),
            Some((row, (found, fitted))) => Err(Failure::Output {
                what: format!("golden row {row} has the raw score {found}, and had {fitted} when the model was fitted"),
            }),
        }
    }

    /// Whether it can vote.
    pub fn is_ready(&self) -> bool {
        self.pool.load().is_some()
    }

    /// The last time that its plugin failed to start or at a call, if it ever did. That it was busy, or was given what it does not take, is no
    /// failure of its own.
    pub fn trouble(&self) -> Option<Arc<Trouble>> {
        self.trouble.load_full()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The code.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Where its score turns into a vote.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// What it says of the rows that the consensus is learnt from.
    pub fn sample(&self) -> Sample<'_> {
        Sample { calibration: &self.calibration, left_out: &self.held_out.left_out, threshold: self.threshold }
    }

    /// Which model it uses.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What its plugin says about itself.
    pub fn description(&self) -> &synod_host::Description {
        self.plugin.description()
    }

    /// Which rows it was calibrated on.
    pub fn held_out(&self) -> &HeldOut {
        &self.held_out
    }

    /// What its raw scores mean.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// Bytes of its model.
    pub fn model_bytes(&self) -> usize {
        self.model.len()
    }

    /// Sandboxes beside those that serve, for measuring.
    ///
    /// # Errors
    /// When the plugin does not take the model.
    pub fn fresh_pool(&self) -> Result<Pool, Failure> {
        self.plugin.pool(self.model.clone(), &self.limits)
    }

    /// The sandboxes, if they are there.
    pub fn pool(&self) -> Option<Arc<Pool>> {
        self.pool.load_full()
    }

    /// About how long it will take for so many rows. A detector that has not been called yet is taken for slow.
    pub fn expected(&self, rows: usize) -> Duration {
        match self.row_cost.load(Ordering::Relaxed) {
            0 => Duration::from_secs(1),
            cost => Duration::from_nanos(cost.saturating_mul(rows as u64)),
        }
    }

    /// A lost update between two threads costs nothing: this is an estimate. One slow call may be the machine's fault, so that it moves the
    /// estimate by a bounded step; a detector that has become slow has moved it far enough after a dozen.
    fn note_cost(&self, rows: usize, took: Duration) {
        let cost = (took.as_nanos() as u64 / rows.max(1) as u64).max(1);
        let now = match self.row_cost.load(Ordering::Relaxed) {
            0 => cost,
            before => (7 * before + cost.min(4 * before)) / 8,
        };
        self.row_cost.store(now.max(1), Ordering::Relaxed);
    }

    /// After a time-out the detector is taken for slow at once.
    fn note_timeout(&self, took: Duration) {
        self.row_cost.store(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Votes on each row, or abstains. Blocks for as long as the plugin takes.
    pub(super) fn vote(&self, matrix: &Matrix) -> (Vec<Ballot>, Call) {
        let mut call = Call::default();
        let Some(pool) = self.pool() else {
            let ballot = || abstain(NOT_READY, DID_NOT_START);
            return ((0..matrix.rows()).map(|_| ballot()).collect(), call);
        };
        if !self.circuit.is_closed() {
            let ballot = || abstain(PAUSED, "it failed again and again, and is not asked until it works on rows that it knows");
            return ((0..matrix.rows()).map(|_| ballot()).collect(), call);
        }
        let missing: Vec<Option<usize>> =
            (0..matrix.rows()).map(|row| if self.takes_missing { None } else { matrix.missing(row) }).collect();
        let results = if missing.iter().all(Option::is_none) {
            self.score(&pool, matrix.width, &matrix.values, &mut call)
        } else {
            let whole = matrix.select((0..matrix.rows()).filter(|row| missing[*row].is_none()));
            self.score(&pool, whole.width, &whole.values, &mut call)
        };
        let results = self.counted(results);
        let mut results = results.into_iter();
        let ballot = |missing: Option<usize>| match missing {
            Some(column) => abstain(MISSING_FEATURE, &format!("`{}` is missing", self.identity.columns[column])),
            None => self.ballot(results.next()),
        };
        (missing.into_iter().map(ballot).collect(), call)
    }

    /// What each number of a row contributed to its raw score, in the plugin's own way: with the base they add up to it. Blocks for as long as the plugin takes.
    ///
    /// # Errors
    /// When the plugin does not explain or fails, or when the row does not have this raw score: then it is not the row that had it.
    pub fn explain(&self, row: &Matrix, raw_score: f64) -> Result<Explanation, Abstention> {
        if !self.description().explains {
            return Err(abstention("cannot_explain", "its plugin does not explain scores"));
        }
        let Some(pool) = self.pool() else { return Err(abstention(NOT_READY, DID_NOT_START)) };
        let failed = |failure: Failure| abstention(failure.reason(), &failure.to_string());
        if row.missing(0).is_some() && !self.takes_missing || pool.score(row.width, &row.values).map_err(failed)?.scores != [raw_score] {
            return Err(abstention("not_reproduced", "the recorded features do not give its score again; `synod replay` says more"));
        }
        let explanation = pool.explain(row.width, &row.values).map_err(failed)?;
        let sum = explanation.base + explanation.contributions.iter().sum::<f64>();
        if (sum - raw_score).abs() > 1e-6 * raw_score.abs().max(1e-6) {
            return Err(abstention("bad_output", &format!("its contributions add up to {sum} and not to the raw score {raw_score}")));
        }
        Ok(explanation)
    }

    /// Counts whether the plugin works: it does if it scored any row.
    fn counted(&self, results: Vec<Result<f64, Failure>>) -> Vec<Result<f64, Failure>> {
        // That it was busy, or was given what it does not take, is no failure of its own.
        let own = |failure: &Failure| !matches!(failure, Failure::Busy { .. } | Failure::Refused { .. });
        if results.iter().any(Result::is_ok) {
            self.circuit.note(true);
        } else if results.iter().any(|result| result.as_ref().is_err_and(own)) && self.circuit.note(false) {
            tracing::error!(detector = %self.name, "the detector failed again and again, and is not asked until it works on its golden rows");
        }
        results
    }

    /// How its circuit stands.
    pub fn circuit(&self) -> Circuit {
        self.circuit.state()
    }

    /// What becomes of a row on which it fails to vote.
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// If it is paused and due, tries the golden rows: it is asked again if they have their scores. Blocks for as long as the plugin takes.
    pub fn probe(&self) {
        if !self.circuit.is_due() {
            return;
        }
        let Some(pool) = self.pool() else { return };
        let tested = self.test(&pool);
        if let Err(failure) = &tested {
            self.trouble.store(Some(Arc::new(Trouble::new(failure))));
        }
        self.circuit.probed(tested.is_ok());
        let works = tested.is_ok();
        tracing::warn!(detector = %self.name, works, quarantined = self.circuit.state() == Circuit::Quarantined, "a paused detector was tried");
    }

    /// Has it asked again, whatever was counted.
    pub fn release(&self) {
        self.circuit.release();
    }

    fn ballot(&self, result: Option<Result<f64, Failure>>) -> Ballot {
        match result {
            Some(Ok(raw)) => Ballot::Vote(Vote::new(raw, &self.calibration, self.threshold)),
            Some(Err(failure)) => abstain(failure.reason(), &failure.to_string()),
            None => abstain("bad_output", "no score for this row"),
        }
    }

    fn score(&self, pool: &Pool, width: usize, values: &[f64], call: &mut Call) -> Vec<Result<f64, Failure>> {
        values.chunks(width * ROWS_PER_CALL).flat_map(|rows| self.score_chunk(pool, width, rows, call)).collect()
    }

    /// Scores some rows in one call. If that fails, a row may be to blame: each is tried alone, so that no row loses its vote for its
    /// neighbour in the batch.
    fn score_chunk(&self, pool: &Pool, width: usize, values: &[f64], call: &mut Call) -> Vec<Result<f64, Failure>> {
        let rows = values.len() / width;
        let failure = match self.score_once(pool, width, values, call) {
            Ok(scores) => return scores.into_iter().map(Ok).collect(),
            Err(failure) => failure,
        };
        if rows == 1 || !may_be_of_one_row(&failure) {
            return vec![Err(failure); rows];
        }
        let mut timeouts = 0;
        let mut alone = |row: &[f64]| {
            if timeouts == MOST_TIMEOUTS {
                return Err(failure.clone());
            }
            let result = self.score_once(pool, width, row, call).map(|scores| scores[0]);
            timeouts += usize::from(matches!(result, Err(Failure::Timeout { .. })));
            result
        };
        values.chunks(width).map(&mut alone).collect()
    }

    fn score_once(&self, pool: &Pool, width: usize, values: &[f64], call: &mut Call) -> Result<Vec<f64>, Failure> {
        let rows = values.len() / width;
        let started = std::time::Instant::now();
        let result = pool.score(width, values);
        call.rows += rows;
        match result {
            Ok(scored) => {
                call.waiting += scored.waiting;
                call.instantiating += scored.instantiating;
                call.scoring += scored.scoring;
                call.memory = call.memory.max(scored.memory);
                self.note_cost(rows, scored.scoring);
                Ok(scored.scores)
            }
            Err(failure) => {
                let took = started.elapsed();
                call.scoring += took;
                if matches!(failure, Failure::Timeout { .. }) {
                    self.note_timeout(took);
                }
                if !matches!(failure, Failure::Busy { .. } | Failure::Refused { .. }) {
                    self.trouble.store(Some(Arc::new(Trouble::new(&failure))));
                }
                Err(failure)
            }
        }
    }
}

fn may_be_of_one_row(failure: &Failure) -> bool {
    match failure {
        Failure::Timeout { .. } | Failure::Trap { .. } | Failure::Memory { .. } | Failure::Output { .. } => true,
        Failure::Refused { kind, .. } => *kind == Refusal::Data,
        Failure::Busy { .. } | Failure::Instantiation { .. } => false,
    }
}

/// What a plugin says of a failure is repeated for every row, so that it has to be short.
fn abstain(reason: &'static str, detail: &str) -> Ballot {
    Ballot::Abstention(abstention(reason, detail))
}

fn abstention(reason: &'static str, detail: &str) -> Abstention {
    Abstention { reason, detail: detail.chars().take(LONGEST_DETAIL).collect() }
}
