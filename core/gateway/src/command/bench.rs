//! `synod bench`: what the detectors of an installation cost on this machine, with their limits on, so that it can be sized.

use super::CommandError;
use super::audit::print_json;
use super::dataset::{self, Wanted};
use super::installation::Installation;
use crate::cli::{Bench, Format};
use crate::cost::{Cost, cost};
use crate::engine::{Detector, Engine};
use indexmap::IndexMap;
use serde::Serialize;
use std::hint::black_box;
use std::time::{Duration, Instant};
use synod_detection::{Matrix, Plan};
use synod_host::{Failure, Pool};

/// Most rows of a file that are measured with.
const MOST_ROWS: usize = 8192;
/// Rows that are made where no file is given.
const MADE_ROWS: usize = 1024;

#[derive(Debug, Serialize)]
struct OfDetector {
    plugin: String,
    version: u64,
    features: usize,
    model_bytes: usize,
    /// To start a sandbox with the model, in milliseconds.
    start_ms: f64,
    /// Of a sandbox after the largest call.
    memory_bytes: usize,
    /// By the number of rows in a call.
    calls: IndexMap<usize, Cost>,
    /// To explain one row, in nanoseconds; absent where the plugin does not explain.
    #[serde(skip_serializing_if = "Option::is_none")]
    explain_ns: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Report {
    rows: usize,
    /// Where the rows come from.
    from: String,
    detectors: IndexMap<String, OfDetector>,
    /// All detectors one after the other with scales, calibration and consensus, from the features on.
    policy: IndexMap<usize, Cost>,
}

pub(super) fn run(arguments: &Bench) -> Result<(), CommandError> {
    if arguments.rows.is_empty() || arguments.rows.contains(&0) || !(arguments.seconds > 0.0 && arguments.seconds <= 3600.0) {
        return Err(CommandError::Usage("--rows takes numbers from 1, --seconds a time above 0 and up to 3600".into()));
    }
    let at = Installation::open(&arguments.common)?;
    let engine = at.live_engine()?;
    let (features, from) = features(&at, &engine, arguments)?;
    let inputs = engine.plan().inputs(&features);
    let round = Duration::from_secs_f64(arguments.seconds);
    let mut detectors = IndexMap::new();
    for (detector, matrix) in engine.detectors().iter().zip(&inputs) {
        eprintln!("measuring {}", detector.name());
        detectors.insert(detector.name().to_owned(), of_detector(detector, matrix, &arguments.rows, round)?);
    }
    eprintln!("measuring all of them together");
    let policy = |rows: &usize| {
        let batches = batches(&features, *rows);
        (*rows, cost(*rows, batches.len(), round, |batch| drop(black_box(engine.judge_features(batches[batch].clone())))))
    };
    let report = Report { rows: features.rows(), from, detectors, policy: arguments.rows.iter().map(policy).collect() };
    match arguments.format {
        Format::Json => print_json(&report)?,
        Format::Table => print!("{}", table(&report)),
    }
    Ok(())
}

/// The features of the file's rows; without a file, rows whose features are quantiles of the training rows.
fn features(at: &Installation, engine: &Engine, arguments: &Bench) -> Result<(Matrix, String), CommandError> {
    let Some(path) = &arguments.data else {
        return Ok((made(engine.plan()), format!("{MADE_ROWS} rows made of quantiles of the training rows")));
    };
    let loaded = dataset::load(&at.config, path, &arguments.span, Wanted::default())?;
    let rows: Vec<usize> = loaded.judged.iter().copied().take(MOST_ROWS).collect();
    if rows.is_empty() {
        return Err(CommandError::Data(format!("{} has no rows", path.display())));
    }
    let features = engine.plan().values(&loaded.dataset.batch.select(&rows), &loaded.dataset.past.select(&rows));
    Ok((features, path.display().to_string()))
}

fn made(plan: &Plan) -> Matrix {
    let width = plan.names().len().max(1);
    let mut quantiles = vec![[0.0; 3]; width];
    for (detector, columns) in plan.widths().enumerate() {
        for column in 0..columns {
            if let Some(typical) = plan.typical(detector, column) {
                quantiles[plan.value_of(detector, column)] = [typical.low, typical.median, typical.high];
            }
        }
    }
    // Between the quantiles, by the fractional parts of multiples of the golden ratio, so that no two rows are equal.
    let share = |row: usize, column: usize| ((row * width + column + 1) as f64 * 0.618_033_988_749_894_9).fract();
    let value = |(row, column): (usize, usize)| {
        let [low, median, high] = quantiles[column];
        let share = share(row, column);
        if share < 0.5 { low + (median - low) * 2.0 * share } else { median + (high - median) * (2.0 * share - 1.0) }
    };
    let values = (0..MADE_ROWS).flat_map(|row| (0..width).map(move |column| (row, column))).map(value).collect();
    Matrix { width, values }
}

/// As many rows in each batch, from the first row on again where there are too few.
fn batches(matrix: &Matrix, rows: usize) -> Vec<Matrix> {
    let count = (matrix.rows() / rows).max(1);
    (0..count).map(|batch| matrix.select((0..rows).map(|row| (batch * rows + row) % matrix.rows()))).collect()
}

fn of_detector(detector: &Detector, matrix: &Matrix, rows: &[usize], round: Duration) -> Result<OfDetector, CommandError> {
    let failed = |failure: Failure| CommandError::Failed(format!("{}: {failure}", detector.name()));
    let takes_missing = detector.description().missing_values;
    let whole = matrix.select((0..matrix.rows()).filter(|row| takes_missing || matrix.missing(*row).is_none()));
    if whole.rows() == 0 {
        return Err(CommandError::Data(format!("{}: no row has all of its features", detector.name())));
    }
    let begun = Instant::now();
    let pool = detector.fresh_pool().map_err(failed)?;
    let start_ms = begun.elapsed().as_secs_f64() * 1e3;
    let (mut calls, mut memory_bytes) = (IndexMap::new(), 0);
    for rows in rows {
        let batches = batches(&whole, *rows);
        memory_bytes = memory_bytes.max(pool.score(whole.width, &batches[0].values).map_err(failed)?.memory);
        let score = |batch: usize| drop(black_box(pool.score(whole.width, &batches[batch].values)));
        calls.insert(*rows, cost(*rows, batches.len(), round, score));
    }
    let explain_ns = detector.description().explains.then(|| explaining(&pool, &whole, round)).transpose().map_err(failed)?;
    Ok(OfDetector {
        plugin: detector.identity().plugin.name.clone(),
        version: detector.identity().version,
        features: whole.width,
        model_bytes: detector.model_bytes(),
        start_ms,
        memory_bytes,
        calls,
        explain_ns,
    })
}

fn explaining(pool: &Pool, matrix: &Matrix, round: Duration) -> Result<f64, Failure> {
    pool.explain(matrix.width, matrix.row(0))?;
    Ok(cost(1, matrix.rows(), round, |row| drop(black_box(pool.explain(matrix.width, matrix.row(row))))).call_ns)
}

fn table(report: &Report) -> String {
    let mut text = format!("{} rows of {}; the best of many rounds, in µs\n\n", report.rows, report.from);
    text += &format!("{:28} {:>9} {:>11} {:>11} {:>11}", "", "features", "model KiB", "memory MiB", "start ms");
    report
        .policy
        .keys()
        .for_each(|rows| text += &format!(" {:>12}", if *rows == 1 { "one row".to_owned() } else { format!("row of {rows}") }));
    text += &format!(" {:>12}\n", "explain");
    let costs = |calls: &IndexMap<usize, Cost>| calls.values().map(|cost| format!(" {:>12.3}", cost.row_ns / 1e3)).collect::<String>();
    for (name, one) in &report.detectors {
        let (model, memory) = (one.model_bytes as f64 / 1024.0, one.memory_bytes as f64 / 1048576.0);
        let explain = one.explain_ns.map_or_else(|| "-".to_owned(), |explain| format!("{:.3}", explain / 1e3));
        text += &format!(
            "{name:28} {:>9} {model:>11.1} {memory:>11.1} {:>11.2}{} {explain:>12}\n",
            one.features,
            one.start_ms,
            costs(&one.calls)
        );
    }
    text += &format!("{:28} {:>45}{}\n", "all, with the consensus", "", costs(&report.policy));
    text + "\nTimes are of this machine while it does what else it does: compare them within one run.\n"
}
