//! Files read into memory: their rows, the past of each row, their labels, and which of them are to be learnt from or judged.

use super::{CommandError, progress};
use crate::cli::{Learn, Span};
use crate::config::Config;
use crate::fitting::Dataset;
use crate::manifest::DataLineage;
use crate::past::{self, Repeated};
use crate::redaction::redacted;
use crate::rows::{self, RowReader};
use jiff::Timestamp;
use std::path::Path;
use synod_detection::Batch;
use synod_store::Cell;

/// Most refused rows that are shown.
const MOST_SHOWN: usize = 10;

/// What is wanted of a file.
#[derive(Clone, Copy, Default)]
pub(super) struct Wanted<'a> {
    /// Which rows are learnt from; all that are not refused if absent.
    pub(super) learn: Option<&'a Learn>,
    /// A column with the truth.
    pub(super) label: Option<&'a str>,
    /// A column whose texts are wanted.
    pub(super) group: Option<&'a str>,
    /// Whether a row that the schema refuses is kept for the report, instead of ending the command.
    pub(super) refused_too: bool,
}

/// A row of the file, by its number from 1: its place in the batch, or what is wrong with it.
pub(super) type Line = (u64, Result<usize, String>);

/// A file in memory.
pub(super) struct Loaded {
    /// The rows, those of `--past` first; and which of them may be learnt from.
    pub(super) dataset: Dataset,
    /// The truth about each row of the batch; empty if it was not asked for.
    pub(super) labels: Vec<bool>,
    /// The text of the group's column for each row of the batch; empty if it was not asked for.
    pub(super) groups: Vec<String>,
    /// The number in the column of amounts for each row of the batch, NaN where there is none; empty if it was not asked for.
    pub(super) amounts: Vec<f64>,
    /// The rows of the file between `--from` and `--until`, by their places in the batch, in the order of the file.
    pub(super) judged: Vec<usize>,
    /// All rows of the file between `--from` and `--until`, with those that were refused.
    pub(super) lines: Vec<Line>,
    /// Which rows repeat others.
    pub(super) repeated: Vec<Repeated>,
}

/// Reads a file, and before it those of `--past`.
pub(super) fn load(config: &Config, path: &Path, span: &Span, wanted: Wanted<'_>) -> Result<Loaded, CommandError> {
    load_with_amounts(config, path, span, wanted, None)
}

/// Reads a file, and before it those of `--past`, with the numbers of a column that the schema need not know.
pub(super) fn load_with_amounts(
    config: &Config,
    path: &Path,
    span: &Span,
    wanted: Wanted<'_>,
    amount: Option<&str>,
) -> Result<Loaded, CommandError> {
    let mut batch = Batch::new(&config.schema);
    for path in &span.past {
        remember(config, path, &mut batch)?;
    }
    let earlier = batch.rows();
    let mut file = File { labels: vec![false; earlier], groups: vec![String::new(); earlier], ..File::default() };
    file.amounts = vec![f64::NAN; earlier];
    file.read(config, path, wanted, amount, &mut batch)?;
    if !file.refused.is_empty() && !wanted.refused_too && !wanted.learn.is_some_and(|learn| learn.leave_out.skip_invalid) {
        return Err(refusal(&file.refused, file.total));
    }
    let past = past::of_rows(config, &batch, span.order);
    report(config, path, &past);
    let within = within(config, &batch, span)?;
    let usable = |row: &usize| within(*row) && !matches!(past.repeated[*row], Repeated::Same(_) | Repeated::Other(_));
    let rows: Vec<usize> = file.learnt.iter().copied().filter(usable).collect();
    let left_out: Vec<usize> = file.left_out.iter().copied().filter(usable).collect();
    let judged = file.accepted.iter().copied().filter(|row| within(*row)).collect();
    let lines = file.lines.into_iter().filter(|(_, place)| place.as_ref().map_or(true, |row| within(*row))).collect();
    let lineage = DataLineage {
        file: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        // Only a model keeps it, and it means to read the file a second time.
        sha256: match wanted.learn {
            Some(_) => synod_store::digest(path).map_err(|error| CommandError::file(path, error))?.sha256,
            None => String::new(),
        },
        rows: file.total,
        excluded: file.left_out.len(),
        flagged: 0,
        weighted: false,
        invalid: file.refused.len(),
        training: 0,
        incomplete: 0,
        period: None,
    };
    drop(within);
    let dataset = Dataset { past: past.values, rows, left_out, weights: file.weights, lineage, batch };
    Ok(Loaded { dataset, labels: file.labels, groups: file.groups, amounts: file.amounts, judged, lines, repeated: past.repeated })
}

/// What was found in the file itself.
#[derive(Default)]
struct File {
    labels: Vec<bool>,
    groups: Vec<String>,
    amounts: Vec<f64>,
    lines: Vec<Line>,
    accepted: Vec<usize>,
    learnt: Vec<usize>,
    refused: Vec<String>,
    total: usize,
    left_out: Vec<usize>,
    weights: Vec<f64>,
}

impl File {
    fn read(
        &mut self,
        config: &Config,
        path: &Path,
        wanted: Wanted<'_>,
        amount: Option<&str>,
        batch: &mut Batch,
    ) -> Result<(), CommandError> {
        let mut reader = RowReader::open(path, &config.schema)?;
        let exclusions = wanted.learn.map_or(&[][..], |learn| &learn.leave_out.exclude).iter();
        let exclusions = exclusions.map(|(name, value)| Ok((column(&reader, path, name)?, value.as_str())));
        let exclusions = exclusions.collect::<Result<Vec<_>, CommandError>>()?;
        let label = wanted.label.map(|name| column(&reader, path, name)).transpose()?;
        let group = wanted.group.map(|name| column(&reader, path, name)).transpose()?;
        let weight = wanted.learn.and_then(|learn| learn.weight.as_deref());
        let weight = weight.map(|name| Ok::<_, CommandError>((name, column(&reader, path, name)?))).transpose()?;
        if weight.is_some() {
            // Rows of `--past` are only remembered.
            self.weights.resize(batch.rows(), 1.0);
        }
        let known = [wanted.label, wanted.group, amount];
        let amount = amount.map(|name| column(&reader, path, name)).transpose()?;
        let bar = progress::reading("reading");
        while let Some(read) = reader.next(&config.schema, batch)? {
            self.total += 1;
            if self.total.is_multiple_of(1000) {
                progress::update(&bar, reader.progress());
            }
            self.lines.push((read.number, read.place.clone()));
            let place = match read.place {
                Ok(place) => place,
                Err(why) => {
                    self.refused.push(why);
                    continue;
                }
            };
            self.accepted.push(place);
            if let Some(label) = label {
                let cell = read.cells.get(label).unwrap_or(&Cell::Missing);
                self.labels.push(rows::label(cell).map_err(|why| CommandError::Data(format!("row {}: {why}", read.number)))?);
            }
            if let Some(group) = group {
                self.groups.push(text(read.cells.get(group)));
            }
            if let Some(amount) = amount {
                self.amounts.push(number(read.cells.get(amount)));
            }
            if let Some((name, column)) = &weight {
                self.weights.push(positive(read.cells.get(*column), name, read.number)?);
            }
            if exclusions.iter().any(|(column, value)| is(read.cells.get(*column), value)) {
                self.left_out.push(place);
            } else {
                self.learnt.push(place);
            }
        }
        bar.finish_and_clear();
        let unused: Vec<&str> = reader.unused().filter(|name| !known.contains(&Some(*name))).collect();
        if !unused.is_empty() {
            // A file without a head has the values of its first row for names.
            let unused = redacted(&unused.join(", ")).into_owned();
            eprintln!("{}: columns that the schema does not have, and that are not used: {unused}", path.display());
        }
        Ok(())
    }
}

/// Reads rows that are only remembered.
fn remember(config: &Config, path: &Path, batch: &mut Batch) -> Result<(), CommandError> {
    let mut reader = RowReader::open(path, &config.schema)?;
    let (mut refused, mut total) = (Vec::new(), 0);
    while let Some(read) = reader.next(&config.schema, batch)? {
        total += 1;
        refused.extend(read.place.err());
    }
    if refused.is_empty() { Ok(()) } else { Err(refusal(&refused, total)) }
}

fn report(config: &Config, path: &Path, past: &past::FilePast) {
    let ((same, other), late) = (past.repeats(), past.late());
    let mut notes = Vec::new();
    if same > 0 {
        notes.push(format!("{same} rows repeat another and count once"));
    }
    if other > 0 {
        notes.push(format!("{other} rows have the id of another row and other content; they are not learnt from"));
    }
    if late > 0 {
        let lateness = config.remembering.bounds.lateness / 1_000_000;
        notes.push(format!("{late} rows came more than {lateness} s after a newer one of their key (`history.lateness`)"));
    }
    if !notes.is_empty() {
        eprintln!("{}: {}", path.display(), notes.join("; "));
    }
}

/// Whether a row lies between `--from` and `--until`.
fn within<'a>(config: &Config, batch: &'a Batch, span: &Span) -> Result<impl Fn(usize) -> bool + use<'a>, CommandError> {
    let (from, until) = (moment(span.from.as_deref(), "--from")?, moment(span.until.as_deref(), "--until")?);
    let time = config.schema.time();
    if time.is_none() && (from.is_some() || until.is_some()) {
        return Err(CommandError::Usage("--from and --until need `schema.time`".into()));
    }
    Ok(move |row| {
        let at = time.and_then(|time| batch.moment(time, row)).unwrap_or(0);
        from.is_none_or(|from| at >= from) && until.is_none_or(|until| at < until)
    })
}

/// A moment from the command line, in microseconds since 1970.
pub(super) fn moment(text: Option<&str>, option: &str) -> Result<Option<i64>, CommandError> {
    let wrong = |text: &str| CommandError::Usage(format!("{option}: `{text}` is no moment; write for instance 2026-01-31T12:00:00Z"));
    text.map(|text| synod_detection::moment(text).ok_or_else(|| wrong(text))).transpose()
}

/// A moment for people.
pub(super) fn spelled(microseconds: i64) -> String {
    Timestamp::from_microsecond(microseconds).map_or_else(|_| microseconds.to_string(), |moment| moment.to_string())
}

fn column(reader: &RowReader, path: &Path, name: &str) -> Result<usize, CommandError> {
    let found = reader.columns().iter().position(|column| column == name);
    let there = || reader.columns().join(", ");
    found.ok_or_else(|| CommandError::Usage(format!("{} has no column `{name}`; it has {}", path.display(), there())))
}

fn text(cell: Option<&Cell>) -> String {
    match cell {
        None | Some(Cell::Missing) => String::new(),
        Some(Cell::Raw(text) | Cell::Text(text)) => text.clone(),
        Some(Cell::Boolean(truth)) => truth.to_string(),
        Some(Cell::Integer(integer)) => integer.to_string(),
        Some(Cell::Number(number)) => number.to_string(),
        Some(Cell::Time(moment)) => spelled(*moment),
    }
}

/// A row's weight.
fn positive(cell: Option<&Cell>, name: &str, row: u64) -> Result<f64, CommandError> {
    let weight = number(cell);
    if weight.is_finite() && weight > 0.0 {
        return Ok(weight);
    }
    Err(CommandError::Data(format!("row {row}: `{name}` is no weight: write a number above 0")))
}

/// A cell's number; NaN if it is none.
fn number(cell: Option<&Cell>) -> f64 {
    match cell {
        Some(Cell::Integer(integer)) => *integer as f64,
        Some(Cell::Number(number)) => *number,
        Some(Cell::Raw(text) | Cell::Text(text)) => text.trim().parse().unwrap_or(f64::NAN),
        None | Some(Cell::Missing | Cell::Boolean(_) | Cell::Time(_)) => f64::NAN,
    }
}

fn is(cell: Option<&Cell>, value: &str) -> bool {
    match cell {
        Some(Cell::Number(number)) => value.parse() == Ok(*number),
        Some(Cell::Time(_)) => false,
        cell => text(cell) == value,
    }
}

fn refusal(refused: &[String], total: usize) -> CommandError {
    let mut text = format!("the schema refuses {} of {total} rows (--skip-invalid leaves them out):", refused.len());
    for why in refused.iter().take(MOST_SHOWN) {
        text += &format!("\n  {why}");
    }
    if refused.len() > MOST_SHOWN {
        text += &format!("\n  … and {} more", refused.len() - MOST_SHOWN);
    }
    CommandError::Data(text)
}
