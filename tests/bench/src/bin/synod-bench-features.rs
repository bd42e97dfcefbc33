//! What features with history cost: rows a second on one core, for a file at once and row by row, and the memory of a million entities.
//! `scripts/bench-features.sh` runs it beside the same features in pandas; `tests/bench/README.md` says how to read the answer.

use clap::Parser;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use synod_detection::history::{Histories, PastValues, Realm};
use synod_detection::{Batch, Matrix, Plan, Value};
use synod_gateway::config::{self, Config};
use synod_gateway::past::{self, Order};
use synod_gateway::rows::RowReader;

/// Measures features with history, without detectors.
#[derive(Debug, Parser)]
#[command(name = "synod-bench-features", version, max_term_width = 110)]
struct Cli {
    /// The configuration.
    #[arg(long, default_value = "config/examples/bank.yaml")]
    config: PathBuf,
    /// Rows of its schema.
    #[arg(long)]
    data: PathBuf,
    /// Entities for the measure of memory; each of the file's rows is given to as many accounts as it takes.
    #[arg(long, default_value_t = 1_000_000)]
    entities: usize,
    /// Write the values of the file's rows here, for the comparison.
    #[arg(long)]
    output: Option<PathBuf>,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Report {
    rows: usize,
    features: usize,
    bulk_ns_a_row: f64,
    single_ns_a_row: f64,
    entities: usize,
    events: usize,
    bytes_an_entity: f64,
    events_an_entity: f64,
    rows_a_second_at_all_entities: f64,
    snapshot_ms: f64,
    snapshot_bytes: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cli = Cli::parse();
    let config = config::load(&cli.config)?;
    let batch = read(&cli.data, &config)?;
    let plan = recorded_plan(&config)?;
    let (values, bulk) = bulk(&config, &plan, &batch);
    if let Some(path) = &cli.output {
        write(path, &plan, &values)?;
    }
    let single = single(&config, &plan, &batch);
    let mut report = at_scale(&config, &batch, cli.entities);
    report.features = plan.names().len();
    report.rows = batch.rows();
    (report.bulk_ns_a_row, report.single_ns_a_row) = (bulk, single);
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn read(path: &std::path::Path, config: &Config) -> Result<Batch, Box<dyn std::error::Error>> {
    let mut reader = RowReader::open(path, &config.schema)?;
    let mut batch = Batch::new(&config.schema);
    while let Some(read) = reader.next(&config.schema, &mut batch)? {
        read.place?;
    }
    Ok(batch)
}

/// All features of the configuration that need no fit, whether a detector sees them or not.
fn recorded_plan(config: &Config) -> Result<Plan, Box<dyn std::error::Error>> {
    let mut definitions: Vec<_> = config.recorded.clone();
    for definition in config.detectors.iter().flat_map(|detector| &detector.definitions) {
        if !definitions.iter().any(|known| known.name == definition.name) {
            definitions.push(definition.clone());
        }
    }
    Ok(Plan::new(&config.schema, &config.history, &[])?.with_recorded(&config.schema, &config.history, &definitions)?)
}

/// Nanoseconds a row for the whole file, best of five.
fn bulk(config: &Config, plan: &Plan, batch: &Batch) -> (Matrix, f64) {
    let mut best = f64::INFINITY;
    let mut values = None;
    for _ in 0..5 {
        let started = Instant::now();
        let past = past::of_rows(config, batch, Order::Time);
        values = Some(plan.values(batch, &past.values));
        best = best.min(started.elapsed().as_nanos() as f64 / batch.rows() as f64);
    }
    (values.unwrap_or(Matrix { width: 1, values: Vec::new() }), best)
}

/// Nanoseconds for one row in the light of a full past, as a request has it.
fn single(config: &Config, plan: &Plan, batch: &Batch) -> f64 {
    let mut histories = Histories::new(Arc::clone(&config.history), config.remembering.bounds, [0; 16]);
    histories.observe(batch, 0..batch.rows());
    let rows: Vec<Batch> = (0..batch.rows().min(10_000)).map(|row| batch.select(&[row])).collect();
    let started = Instant::now();
    for row in &rows {
        let mut past = PastValues::new(config.history.width());
        histories.look(Realm::COMMON, row, 0, &mut past);
        histories.remember(Realm::COMMON, row, 0);
        std::hint::black_box(plan.values(row, &past));
    }
    started.elapsed().as_nanos() as f64 / rows.len() as f64
}

/// The file's rows again and again for other accounts, until there are as many entities as asked for, each with a full history.
fn at_scale(config: &Config, batch: &Batch, entities: usize) -> Report {
    let schema = &config.schema;
    let entity = schema.entity().expect("a configuration with histories has an entity");
    let bounds = synod_detection::history::Bounds { entities: entities + 1, ..config.remembering.bounds };
    let mut histories = Histories::new(Arc::clone(&config.history), bounds, [0; 16]);
    // Eight events each: more than the examples' windows of events hold.
    let template = batch.select(&(0..8.min(batch.rows())).collect::<Vec<_>>());
    let mut made = Batch::new(schema);
    let mut values = PastValues::new(config.history.width());
    let (mut rows, mut spent) = (0_usize, std::time::Duration::ZERO);
    for event in 0..template.rows() {
        for chunk in 0..entities.div_ceil(10_000) {
            made.clear();
            for number in chunk * 10_000..((chunk + 1) * 10_000).min(entities) {
                again(schema, &template, event, entity, number, &mut made);
            }
            values = PastValues::new(config.history.width());
            let started = Instant::now();
            for row in 0..made.rows() {
                histories.look(Realm::COMMON, &made, row, &mut values);
                histories.remember(Realm::COMMON, &made, row);
            }
            spent += started.elapsed();
            rows += made.rows();
        }
    }
    std::hint::black_box(values.rows());
    let facts = histories.facts().remove(0);
    let started = Instant::now();
    let mut snapshot = Vec::with_capacity(facts.bytes);
    let _ = histories.write(|piece| {
        snapshot.extend_from_slice(piece);
        Ok::<(), std::convert::Infallible>(())
    });
    Report {
        rows: 0,
        features: 0,
        bulk_ns_a_row: 0.0,
        single_ns_a_row: 0.0,
        entities: facts.entities,
        events: facts.events,
        bytes_an_entity: facts.bytes as f64 / facts.entities as f64,
        events_an_entity: facts.events as f64 / facts.entities as f64,
        rows_a_second_at_all_entities: rows as f64 / spent.as_secs_f64(),
        snapshot_ms: started.elapsed().as_secs_f64() * 1e3,
        snapshot_bytes: snapshot.len(),
    }
}

/// A row of the template for another account, a day after its last.
fn again(schema: &synod_detection::Schema, template: &Batch, event: usize, entity: usize, number: usize, made: &mut Batch) {
    let account = format!("AC{number:08}");
    let mut row = made.row(schema);
    for field in 0..schema.fields().len() {
        let value = match template.value(schema, field, event) {
            _ if field == entity => Value::Text(&account),
            Value::Time(_) if Some(field) == schema.time() => Value::Time(1_700_000_000_000_000 + event as i64 * 86_400_000_000),
            value => value,
        };
        row.set(field, value);
    }
    let _ = row.finish();
}

fn write(path: &std::path::Path, plan: &Plan, values: &Matrix) -> std::io::Result<()> {
    let mut text = plan.names().join(",") + "\n";
    for row in 0..values.rows() {
        let cells: Vec<String> =
            values.row(row).iter().map(|value| if value.is_nan() { String::new() } else { value.to_string() }).collect();
        text += &(cells.join(",") + "\n");
    }
    std::fs::write(path, text)
}
