//! `synod backtest`: detectors and policy tried on the past as if it were happening.
//!
//! Time goes one way: a fit sees the rows of its own window and nothing later, a row's features rest on strictly earlier events, and between
//! the two lies the time that labels and models take (`--delay`). Labels judge; they are learnt from only as far as `--exclude` leaves rows
//! out. Each fit and each score is that of `synod fit` and `synod score` on the same rows, to the last bit; nothing is published.

mod drawing;
mod files;
mod periods;
mod report;
mod rows;
mod table;
mod thresholds;

use self::periods::Period;
use self::report::Report;
use self::rows::JudgedRows;
use super::dataset::{self, Loaded, Wanted};
use super::installation::Installation;
use super::{CommandError, progress};
use crate::cli::{Backtest, Format};
use crate::config::Config;
use crate::engine::Engine;
use crate::fitting::{self, FitError};
use std::io::IsTerminal;
use std::ops::Range;
use synod_host::{Failure, Refusal};

/// Rows that are judged at a time.
const ROWS_AT_A_TIME: usize = 2048;

/// A period and what became of it.
struct Tried {
    period: Period,
    /// Rows that the fit was given.
    training_rows: usize,
    /// Which of the judged rows are its own, or why it was skipped.
    judged: Result<Range<usize>, String>,
}

/// The file, with what the periods are cut from.
struct Past {
    loaded: Loaded,
    /// For each row of the batch, in microseconds since 1970.
    times: Vec<i64>,
    /// The rows that may be learnt from.
    usable: Vec<usize>,
    /// Those that `--exclude` leaves out.
    left_out: Vec<usize>,
    /// Whether each fit leaves out what a first fit flags.
    exclude_flagged: bool,
    /// What it costs to miss each row of the batch, if it is an anomaly.
    missed: Vec<f64>,
    /// For each row of the batch its number in the file; 0 for those of `--past`.
    numbers: Vec<u64>,
}

pub(super) fn run(arguments: &Backtest) -> Result<(), CommandError> {
    let mut at = Installation::open(&arguments.common)?;
    at.config.be_patient();
    let mut past = Past::load(&at.config, arguments)?;
    let periods = past.periods(arguments)?;
    if let Some(folder) = &arguments.output {
        std::fs::create_dir_all(folder).map_err(|error| CommandError::file(folder, error))?;
    }
    let (mut rows, mut tried) = (JudgedRows::new(at.config.detectors.len()), Vec::new());
    let count = periods.len();
    for period in periods {
        let name = format!("period {} of {count}", period.number);
        tried.push(try_period(&at, &mut past, period, &name, &mut rows)?);
    }
    if rows.count() == 0 {
        let why = tried.iter().find_map(|one| one.judged.as_ref().err()).map_or("there are no periods", String::as_str);
        return Err(CommandError::Data(format!("no period could be judged: {why}")));
    }
    let report = Report::new(&at.config, arguments, &past, &rows, &tried);
    if report.overall.anomalies == 0 {
        eprintln!("no judged row is labelled as an anomaly: recall and the areas under the curves are not defined");
    }
    match arguments.format {
        Format::Json => println!("{}", report.json()?),
        Format::Table => print!("{}", table::table(&report)),
    }
    match &arguments.output {
        Some(folder) => files::write(folder, &at.config, arguments, &past, &rows, &report),
        None => Ok(()),
    }
}

impl Past {
    fn load(config: &Config, arguments: &Backtest) -> Result<Self, CommandError> {
        let Some(time) = config.schema.time() else {
            return Err(CommandError::Usage("a backtest needs `schema.time`: it goes by the time of the rows".into()));
        };
        let (learn, label, group) = (Some(&arguments.learn), Some(arguments.label.as_str()), arguments.by.as_deref());
        let wanted = Wanted { learn, label, group, refused_too: false };
        let amount = arguments.amount.as_deref();
        let mut loaded = dataset::load_with_amounts(config, &arguments.data, &arguments.span, wanted, amount)?;
        let batch = &loaded.dataset.batch;
        let times = (0..batch.rows()).map(|row| batch.moment(time, row).unwrap_or(i64::MIN)).collect();
        let mut numbers = vec![0; batch.rows()];
        loaded.lines.iter().for_each(|(number, place)| {
            if let Ok(place) = place {
                numbers[*place] = *number;
            }
        });
        let missed = match amount {
            Some(column) => amounts(&loaded, &numbers, column)?,
            None => vec![arguments.cost_missed; batch.rows()],
        };
        let usable = std::mem::take(&mut loaded.dataset.rows);
        let left_out = std::mem::take(&mut loaded.dataset.left_out);
        Ok(Self { loaded, times, usable, left_out, exclude_flagged: arguments.learn.exclude_flagged, missed, numbers })
    }

    fn periods(&self, arguments: &Backtest) -> Result<Vec<Period>, CommandError> {
        let times = || self.loaded.judged.iter().map(|row| self.times[*row]);
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            let text = format!("{}: there are no rows between --from and --until", arguments.data.display());
            return Err(CommandError::Data(text));
        };
        let from = dataset::moment(arguments.span.from.as_deref(), "--from")?.unwrap_or(first);
        periods::plan(arguments, from, last.saturating_add(1))
    }

    /// Those of the rows that happened in this time.
    fn during(&self, rows: &[usize], time: &Range<i64>) -> Vec<usize> {
        rows.iter().copied().filter(|row| time.contains(&self.times[*row])).collect()
    }
}

/// The amounts. Every anomaly that may be judged must have one.
fn amounts(loaded: &Loaded, numbers: &[u64], column: &str) -> Result<Vec<f64>, CommandError> {
    let is_amount = |row: usize| loaded.amounts[row].is_finite() && loaded.amounts[row] >= 0.0;
    match loaded.judged.iter().find(|row| loaded.labels[**row] && !is_amount(**row)) {
        Some(row) => {
            let text = format!("row {}: it is an anomaly, and `{column}` holds no amount that missing it would cost", numbers[*row]);
            Err(CommandError::Data(text))
        }
        None => Ok(loaded.amounts.clone()),
    }
}

/// Fits on a period's window and judges its rows. A period that has too few rows for that is skipped, and says so.
fn try_period(at: &Installation, past: &mut Past, period: Period, name: &str, rows: &mut JudgedRows) -> Result<Tried, CommandError> {
    let training = past.during(&past.usable, &period.training);
    past.loaded.dataset.left_out = past.during(&past.left_out, &period.training);
    let scored = past.during(&past.loaded.judged, &period.scored);
    let training_rows = training.len();
    eprintln!("{name}: {period}: learning from {training_rows} rows, judging {}", scored.len());
    let judged = match scored.is_empty() {
        true => Err("it has no rows to judge".to_owned()),
        false => fit(at, past, training)?.map(|engine| judge(&engine, past, &period, &scored, rows)),
    };
    if let Err(why) = &judged {
        eprintln!("{name} is skipped: {why}");
    }
    Ok(Tried { period, training_rows, judged })
}

/// The engine that these rows make, or why they are too few.
fn fit(at: &Installation, past: &mut Past, training: Vec<usize>) -> Result<Result<Engine, String>, CommandError> {
    past.loaded.dataset.rows = training;
    let detectors: Vec<_> = at.config.detectors.iter().collect();
    let lines = progress::Detectors::new();
    // A fit says a hundred things. Where nobody watches, a line for each period is enough.
    let watched = std::io::stderr().is_terminal();
    let show = |name: &str, message: &str| {
        if watched {
            lines.show(name, message);
        }
    };
    let data = &mut past.loaded.dataset;
    let flagged = if past.exclude_flagged { fitting::leave_out_flagged(&at.config, &at.host, data, None, &show).map(drop) } else { Ok(()) };
    match flagged.and_then(|()| fitting::fit(&at.config, &at.host, &detectors, data, &show)) {
        Ok(models) => Ok(Ok(at.engine(models)?)),
        Err(FitError::Rows(why)) => Ok(Err(why)),
        // A plugin may ask for more rows than the platform does.
        Err(error @ FitError::Plugin { source: Failure::Refused { kind: Refusal::Data, .. }, .. }) => Ok(Err(super::chain(&error))),
        Err(error) => Err(error.into()),
    }
}

fn judge(engine: &Engine, past: &Past, period: &Period, scored: &[usize], rows: &mut JudgedRows) -> Range<usize> {
    let start = rows.count();
    let bar = progress::reading("scoring");
    for places in scored.chunks(ROWS_AT_A_TIME) {
        let judged = engine.judge(&past.loaded.dataset.batch.select(places), &past.loaded.dataset.past.select(places));
        for (place, row) in places.iter().zip(&judged.rows) {
            rows.push(*place, period.number, row, (past.loaded.labels[*place], past.missed[*place]));
        }
        progress::update(&bar, ((rows.count() - start) as u64, scored.len() as u64));
    }
    bar.finish_and_clear();
    start..rows.count()
}
