//! `synod score`: a line out for every row in. Without history features it runs in constant memory.

mod record;

use super::dataset::{self, Line, Loaded, Wanted};
use super::installation::Installation;
use super::{CommandError, progress, votes};
use crate::cli::Score;
use crate::engine::{Engine, JudgedRow};
use crate::past::Repeated;
use crate::rows::RowReader;
use std::time::Instant;
use synod_detection::history::PastValues;
use synod_detection::{Ballot, Batch, Outcome};
use synod_store::{Cell, ColumnSpec, Kind, TableWriter};

/// Rows that are judged at a time.
const ROWS_AT_A_TIME: usize = 2048;

pub(super) fn run(arguments: &Score) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let engine = at.live_engine()?;
    if arguments.record {
        return record::run(arguments, &at, &engine);
    }
    let mut output = Output::create(arguments, &engine)?;
    if engine.history().width() == 0 && arguments.span.is_everything() {
        stream(arguments, &engine, &mut output)?;
    } else {
        with_history(arguments, &at, &engine, &mut output)?;
    }
    output.finish()
}

/// Rows without a past need no memory.
fn stream(arguments: &Score, engine: &Engine, output: &mut Output) -> Result<(), CommandError> {
    let mut reader = RowReader::open(&arguments.data, engine.schema())?;
    let bar = progress::reading("scoring");
    let mut batch = Batch::new(engine.schema());
    loop {
        batch.clear();
        let lines = read_some(&mut reader, engine, &mut batch)?;
        if lines.is_empty() {
            break;
        }
        let judged = engine.judge(&batch, &PastValues::none(batch.rows()));
        for (number, place) in lines {
            let row = place.as_ref().ok().map(|place| (&judged.rows[*place], judged.features.row(*place)));
            output.write(engine, &batch, number, &place, row)?;
        }
        progress::update(&bar, reader.progress());
    }
    bar.finish_and_clear();
    Ok(())
}

fn read_some(reader: &mut RowReader, engine: &Engine, batch: &mut Batch) -> Result<Vec<Line>, CommandError> {
    let mut lines = Vec::with_capacity(ROWS_AT_A_TIME);
    while lines.len() < ROWS_AT_A_TIME {
        match reader.next(engine.schema(), batch)? {
            Some(read) => lines.push((read.number, read.place)),
            None => break,
        }
    }
    Ok(lines)
}

/// The past of a row may be anywhere in the file, so that all of it is read first.
fn with_history(arguments: &Score, at: &Installation, engine: &Engine, output: &mut Output) -> Result<(), CommandError> {
    let wanted = Wanted { refused_too: true, ..Wanted::default() };
    let Loaded { dataset, lines, repeated, .. } = dataset::load(&at.config, &arguments.data, &arguments.span, wanted)?;
    let bar = progress::reading("scoring");
    for (done, some) in lines.chunks(ROWS_AT_A_TIME).enumerate() {
        let places: Vec<usize> = some.iter().filter_map(|(_, place)| place.as_ref().ok().copied()).collect();
        let batch = dataset.batch.select(&places);
        let judged = engine.judge(&batch, &dataset.past.select(&places));
        let mut rows = judged.rows.iter().enumerate();
        for (number, place) in some {
            let (place, row) = match place {
                Err(why) => (Err(why.clone()), None),
                Ok(place) => match (rows.next(), repeated[*place]) {
                    (_, Repeated::Other(_)) => (Err("another row has this id, and other content".into()), None),
                    (Some((index, row)), _) => (Ok(index), Some((row, judged.features.row(index)))),
                    (None, _) => (Err("it was not judged".into()), None),
                },
            };
            output.write(engine, &batch, *number, &place, row)?;
        }
        progress::update(&bar, ((done * ROWS_AT_A_TIME) as u64, lines.len() as u64));
    }
    bar.finish_and_clear();
    Ok(())
}

/// The file that is written.
struct Output {
    writer: TableWriter,
    features: bool,
    counts: Counts,
    started: Instant,
}

impl Output {
    fn create(arguments: &Score, engine: &Engine) -> Result<Self, CommandError> {
        let features = if arguments.features { engine.feature_names() } else { &[] };
        let writer = TableWriter::create(&arguments.output, None, &columns(engine, features))?;
        Ok(Self { writer, features: arguments.features, counts: Counts::default(), started: Instant::now() })
    }

    fn write(
        &mut self,
        engine: &Engine,
        batch: &Batch,
        number: u64,
        place: &Result<usize, String>,
        row: Option<(&JudgedRow, &[f64])>,
    ) -> Result<(), CommandError> {
        self.counts.note(row.map(|(row, _)| row));
        let mut cells = line(engine, batch, number, place, row.map(|(row, _)| row));
        if self.features {
            let value = |column: usize| row.map(|(_, values)| values[column]).filter(|value| !value.is_nan());
            let error = cells.pop();
            cells.extend((0..engine.feature_names().len()).map(|column| value(column).map_or(Cell::Missing, Cell::Number)));
            cells.extend(error);
        }
        Ok(self.writer.write(&cells)?)
    }

    fn finish(self) -> Result<(), CommandError> {
        self.writer.finish()?;
        eprintln!("{}", self.counts.summary(self.started.elapsed().as_secs_f64()));
        Ok(())
    }
}

fn columns(engine: &Engine, features: &[String]) -> Vec<ColumnSpec> {
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
        columns.extend(votes::columns(detector.name()));
        columns.push(column(&format!("{}.abstention", detector.name()), Kind::Text));
    }
    columns.extend(features.iter().map(|name| column(&format!("feature.{name}"), Kind::Number)));
    columns.push(column("error", Kind::Text));
    columns
}

fn line(engine: &Engine, batch: &Batch, number: u64, place: &Result<usize, String>, row: Option<&JudgedRow>) -> Vec<Cell> {
    let mut cells = vec![Cell::Integer(number as i64)];
    for role in [engine.schema().id(), engine.schema().entity()].into_iter().flatten() {
        let label = place.as_ref().ok().and_then(|place| batch.label(role, *place));
        cells.push(label.map_or(Cell::Missing, Cell::Text));
    }
    match row {
        Some(row) => {
            let verdict = &row.verdict;
            cells.push(Cell::Text(verdict.outcome.name().into()));
            cells.push(Cell::Boolean(verdict.anomalous));
            cells.push(Cell::Number(verdict.score));
            cells.push(Cell::Integer(verdict.votes as i64));
            row.ballots.iter().for_each(|ballot| ballot_cells(ballot, &mut cells));
        }
        None => cells.extend(vec![Cell::Missing; 4 + 4 * engine.detectors().len()]),
    }
    cells.push(place.as_ref().err().map_or(Cell::Missing, |why| Cell::Text(why.clone())));
    cells
}

fn ballot_cells(ballot: &Ballot, cells: &mut Vec<Cell>) {
    cells.extend(votes::cells(ballot.vote()));
    cells.push(match ballot {
        Ballot::Vote(_) => Cell::Missing,
        Ballot::Abstention(abstention) => Cell::Text(abstention.reason.into()),
    });
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
