//! `synod score`: a line out for every row in, in constant memory.

use super::installation::Installation;
use super::{CommandError, progress};
use crate::cli::Score;
use crate::engine::{Engine, JudgedRow, live_models};
use crate::rows::{Read, RowReader};
use std::time::Instant;
use synod_detection::{Ballot, Batch, Outcome, Vote};
use synod_store::{Cell, ColumnSpec, Kind, TableWriter};

/// Rows that are judged at a time.
const ROWS_AT_A_TIME: usize = 2048;

pub(super) fn run(arguments: &Score) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let engine = Engine::assemble(&at.config, &at.host, live_models(&at.config, &at.registry)?)?;
    let mut reader = RowReader::open(&arguments.data, engine.schema())?;
    let mut writer = TableWriter::create(&arguments.output, None, &columns(&engine))?;
    let (bar, started) = (progress::reading("scoring"), Instant::now());
    let mut counts = Counts::default();
    let mut batch = Batch::new(engine.schema());
    loop {
        batch.clear();
        let reads = read_some(&mut reader, &engine, &mut batch)?;
        if reads.is_empty() {
            break;
        }
        let judged = engine.judge(&batch);
        for read in &reads {
            let row = read.place.as_ref().ok().map(|place| &judged.rows[*place]);
            counts.note(row);
            writer.write(&line(&engine, &batch, read, row))?;
        }
        progress::update(&bar, reader.progress());
    }
    writer.finish()?;
    bar.finish_and_clear();
    eprintln!("{}", counts.summary(started.elapsed().as_secs_f64()));
    Ok(())
}

fn read_some(reader: &mut RowReader, engine: &Engine, batch: &mut Batch) -> Result<Vec<Read>, CommandError> {
    let mut reads = Vec::with_capacity(ROWS_AT_A_TIME);
    while reads.len() < ROWS_AT_A_TIME {
        match reader.next(engine.schema(), batch)? {
            Some(read) => reads.push(read),
            None => break,
        }
    }
    Ok(reads)
}

fn columns(engine: &Engine) -> Vec<ColumnSpec> {
    let column = |name: &str, kind| ColumnSpec { name: name.into(), kind };
    let mut columns = vec![column("row", Kind::Integer)];
    for role in [engine.schema().id(), engine.schema().entity()].into_iter().flatten() {
        columns.push(column(&engine.schema().fields()[role].name, Kind::Text));
    }
    columns.extend([
        column("outcome", Kind::Text),
        column("anomalous", Kind::Boolean),
        column("score", Kind::Number),
        column("votes", Kind::Integer),
    ]);
    for detector in engine.detectors() {
        let own = |what: &str, kind| column(&format!("{}.{what}", detector.name()), kind);
        columns.extend([
            own("anomalous", Kind::Boolean),
            own("score", Kind::Number),
            own("raw_score", Kind::Number),
            own("abstention", Kind::Text),
        ]);
    }
    columns.push(column("error", Kind::Text));
    columns
}

fn line(engine: &Engine, batch: &Batch, read: &Read, row: Option<&JudgedRow>) -> Vec<Cell> {
    let mut cells = vec![Cell::Integer(read.number as i64)];
    for role in [engine.schema().id(), engine.schema().entity()].into_iter().flatten() {
        let label = read.place.as_ref().ok().and_then(|place| batch.label(role, *place));
        cells.push(label.map_or(Cell::Missing, Cell::Text));
    }
    match row {
        Some(row) => {
            let verdict = &row.verdict;
            cells.push(Cell::Text(verdict.outcome.name().into()));
            cells.push(Cell::Boolean(verdict.anomalous));
            cells.push(Cell::Number(verdict.score));
            cells.push(Cell::Integer(verdict.votes as i64));
            row.ballots.iter().for_each(|ballot| cells.extend(ballot_cells(ballot)));
        }
        None => cells.extend(vec![Cell::Missing; 4 + 4 * engine.detectors().len()]),
    }
    cells.push(read.place.as_ref().err().map_or(Cell::Missing, |why| Cell::Text(why.clone())));
    cells
}

fn ballot_cells(ballot: &Ballot) -> [Cell; 4] {
    match ballot {
        Ballot::Vote(Vote { anomalous, score, raw_score, .. }) => {
            [Cell::Boolean(*anomalous), Cell::Number(*score), Cell::Number(*raw_score), Cell::Missing]
        }
        Ballot::Abstention(abstention) => [Cell::Missing, Cell::Missing, Cell::Missing, Cell::Text(abstention.reason.into())],
    }
}

#[derive(Default)]
struct Counts {
    rows: u64,
    outcomes: [u64; 3],
    refused: u64,
    too_few_votes: u64,
}

impl Counts {
    fn note(&mut self, row: Option<&JudgedRow>) {
        self.rows += 1;
        match row {
            None => self.refused += 1,
            Some(row) => {
                self.outcomes[row.verdict.outcome as usize] += 1;
                self.too_few_votes += u64::from(row.verdict.too_few_votes);
            }
        }
    }

    fn summary(&self, seconds: f64) -> String {
        let outcome = |outcome: Outcome| format!("{} {}", self.outcomes[outcome as usize], outcome.name());
        let outcomes = [Outcome::Approve, Outcome::Review, Outcome::Block].map(outcome).join(", ");
        let rate = self.rows as f64 / seconds.max(1e-9);
        format!(
            "{} rows: {outcomes}; {} refused by the schema, {} with too few votes ({rate:.0} rows a second)",
            self.rows, self.refused, self.too_few_votes
        )
    }
}
