//! `synod score --record`: rows of a file become decisions, as if they had been sent to the server one after the other.

use crate::cli::Score;
use crate::command::dataset::{self, Loaded, Wanted};
use crate::command::installation::Installation;
use crate::command::{CommandError, chain, progress};
use crate::config::Durability;
use crate::deciding::{self, Decided, Judges};
use crate::decision::Decision;
use crate::engine::Engine;
use crate::ledger::{Asked, Ledger};
use crate::past;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use synod_detection::Batch;
use synod_store::{Cell, ColumnSpec, Kind, TableWriter};

/// Rows that are stored with one sync.
const ROWS_AT_A_TIME: usize = 1024;

pub(super) fn run(arguments: &Score, at: &Installation, engine: &Engine) -> Result<(), CommandError> {
    if at.config.decisions.durability == Durability::None {
        return Err(CommandError::Usage("--record: decisions are not stored, because `decisions.durability` is `none`".into()));
    }
    let _lock = at.directory.lock_exclusive()?;
    let configuration = at.archive()?;
    let wanted = Wanted { refused_too: true, ..Wanted::default() };
    let Loaded { dataset, lines, judged, .. } = dataset::load(&at.config, &arguments.data, &arguments.span, wanted)?;
    let within: HashSet<usize> = judged.into_iter().collect();
    let order = past::sequence(&at.config, &dataset.batch, arguments.span.order).into_iter().filter(|row| within.contains(row));
    let opened = Ledger::open(&at.config, &at.directory)?;
    let started = Instant::now();
    let decided = decide(&opened.ledger, engine, &configuration, &dataset.batch, &order.collect::<Vec<_>>())?;
    let seconds = started.elapsed().as_secs_f64();
    opened.close();
    write(arguments, engine, &dataset.batch, &lines, &decided)?;
    let count = |wanted: fn(&Outcome) -> bool| decided.values().filter(|outcome| wanted(outcome)).count();
    eprintln!(
        "{} decisions stored, {} rows were decided before, {} have an id that was used for another row ({:.0} rows a second)",
        count(|outcome| matches!(outcome, Outcome::New(_))),
        count(|outcome| matches!(outcome, Outcome::Before(_))),
        count(|outcome| matches!(outcome, Outcome::Refused(_))),
        decided.len() as f64 / seconds.max(1e-9)
    );
    Ok(())
}

/// What became of a row.
enum Outcome {
    New(Arc<Decision>),
    Before(Arc<Decision>),
    Refused(&'static str),
}

/// Judges the rows in this order.
fn decide(
    ledger: &Arc<Ledger>,
    engine: &Engine,
    configuration: &str,
    batch: &Batch,
    order: &[usize],
) -> Result<HashMap<usize, Outcome>, CommandError> {
    let bar = progress::reading("deciding");
    let mut decided = HashMap::with_capacity(order.len());
    for rows in order.chunks(ROWS_AT_A_TIME) {
        let asked = Asked { now: Timestamp::now().as_microsecond(), ..Asked::default() };
        let deciding = deciding::decide(Judges::alone(engine, configuration), ledger, &batch.select(rows), &asked)
            .map_err(|error| CommandError::Failed(chain(&error)))?;
        let stored = deciding.receipt.blocking_recv().map_err(|_| CommandError::Failed("the log was closed".into()))?;
        stored.map_err(|error| CommandError::Failed(chain(&error)))?;
        let decisions: Vec<Arc<Decision>> = deciding.decisions.into_iter().map(Arc::new).collect();
        for (row, outcome) in rows.iter().zip(deciding.rows) {
            decided.insert(*row, self::outcome(outcome, &decisions)?);
        }
        progress::update(&bar, (decided.len() as u64, order.len() as u64));
    }
    bar.finish_and_clear();
    Ok(decided)
}

fn outcome(decided: Decided, decisions: &[Arc<Decision>]) -> Result<Outcome, CommandError> {
    match decided {
        Decided::New(place) => Ok(Outcome::New(Arc::clone(&decisions[place]))),
        Decided::Before(decision) => Ok(Outcome::Before(decision)),
        Decided::Unreadable(error) => Err(CommandError::Failed(chain(&*error))),
        Decided::Conflict => Ok(Outcome::Refused("its id was used for another row")),
        Decided::InProgress => Ok(Outcome::Refused("its id is in use")),
    }
}

fn write(
    arguments: &Score,
    engine: &Engine,
    batch: &Batch,
    lines: &[dataset::Line],
    decided: &HashMap<usize, Outcome>,
) -> Result<(), CommandError> {
    let column = |name: &str, kind| ColumnSpec { name: name.into(), kind };
    let roles: Vec<usize> = [engine.schema().id(), engine.schema().entity()].into_iter().flatten().collect();
    let mut columns = vec![column("row", Kind::Integer)];
    columns.extend(roles.iter().map(|role| column(&engine.schema().fields()[*role].name, Kind::Text)));
    columns.extend([
        column("decision", Kind::Text),
        column("outcome", Kind::Text),
        column("anomalous", Kind::Boolean),
        column("score", Kind::Number),
        column("decided_before", Kind::Boolean),
        column("error", Kind::Text),
    ]);
    let mut writer = TableWriter::create(&arguments.output, None, &columns)?;
    for (number, place) in lines {
        let label = |role: &usize| place.as_ref().ok().and_then(|row| batch.label(*role, *row)).map_or(Cell::Missing, Cell::Text);
        let mut cells = vec![Cell::Integer(*number as i64)];
        cells.extend(roles.iter().map(label));
        cells.extend(match place {
            Err(why) => refused(why),
            Ok(row) => decided.get(row).map_or_else(|| refused("it was not judged"), told),
        });
        writer.write(&cells)?;
    }
    Ok(writer.finish()?)
}

fn told(outcome: &Outcome) -> [Cell; 6] {
    let (decision, before) = match outcome {
        Outcome::New(decision) => (decision, false),
        Outcome::Before(decision) => (decision, true),
        Outcome::Refused(why) => return refused(why),
    };
    let verdict = &decision.verdict;
    [
        Cell::Text(decision.id.to_string()),
        Cell::Text(verdict.outcome.name().into()),
        Cell::Boolean(verdict.anomalous),
        Cell::Number(verdict.score),
        Cell::Boolean(before),
        Cell::Missing,
    ]
}

fn refused(why: &str) -> [Cell; 6] {
    [Cell::Missing, Cell::Missing, Cell::Missing, Cell::Missing, Cell::Missing, Cell::Text(why.into())]
}
