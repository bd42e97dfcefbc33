//! Where the rows go: one file, or a folder with a file for each day or hour. A file is a draft until it is complete.

use super::super::super::CommandError;
use crate::cli::{Every, ExportDecisions, ExportFormat};
use jiff::Timestamp;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use synod_store::{Cell, ColumnSpec, Format, TableWriter};

/// Files that are open at a time. Decisions stand in the log in the order in which they were stored, which around midnight is not quite that
/// in which they were made.
const OPEN: usize = 2;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Where to.
#[derive(Debug)]
pub(super) enum Target {
    /// One file, or the standard output.
    File(PathBuf, Option<Format>),
    /// A folder.
    Folder(PathBuf, ExportFormat, Every),
}

/// The files that are being written.
#[derive(Debug)]
pub(super) struct Files {
    target: Target,
    columns: Vec<ColumnSpec>,
    /// The one that was begun first stands first.
    open: Vec<File>,
    /// How many files each period has.
    parts: HashMap<i64, u32>,
}

#[derive(Debug)]
struct File {
    /// When its period begins, in seconds since 1970.
    period: i64,
    path: PathBuf,
    writer: TableWriter,
    rows: u64,
}

impl Target {
    /// What `--output`, `--every` and `--format` mean together.
    ///
    /// # Errors
    /// When they contradict each other.
    pub(super) fn of(arguments: &ExportDecisions) -> Result<Self, CommandError> {
        let (path, usage) = (&arguments.output, |text: String| Err(CommandError::Usage(text)));
        if path == Path::new("-") {
            return match (arguments.format, arguments.every) {
                (_, Some(Every::Hour | Every::Day)) => usage("--every: the standard output takes one table; name a folder".to_owned()),
                (Some(ExportFormat::Csv), _) => Ok(Self::File(path.clone(), Some(Format::Csv))),
                (Some(ExportFormat::Jsonl), _) => Ok(Self::File(path.clone(), Some(Format::JsonLines))),
                _ => usage("--format: write csv or jsonl for the standard output".to_owned()),
            };
        }
        if path.is_dir() {
            return Ok(Self::folder(arguments));
        }
        match (Format::of_path(path), arguments.format, arguments.every) {
            (Some(_), Some(_), _) => usage(format!("--format: the name of {} says it; leave it out, or name a folder", path.display())),
            (Some(_), _, Some(Every::Hour | Every::Day)) => usage(format!("--every: {} is one file; name a folder", path.display())),
            (Some(_), None, _) => Ok(Self::File(path.clone(), None)),
            (None, ..) if path.extension().is_some() => usage(format!(
                "--output: a file's name ends in .parquet, .csv, .jsonl, .csv.gz or .jsonl.gz; if {} is to be a folder, make it first",
                path.display()
            )),
            (None, ..) => Ok(Self::folder(arguments)),
        }
    }

    fn folder(arguments: &ExportDecisions) -> Self {
        let format = arguments.format.unwrap_or(ExportFormat::Parquet);
        Self::Folder(arguments.output.clone(), format, arguments.every.unwrap_or(Every::Day))
    }

    /// The beginning of the period that a moment belongs to, in seconds since 1970.
    fn period(&self, moment: Timestamp) -> i64 {
        match self {
            Self::File(..) | Self::Folder(_, _, Every::All) => 0,
            Self::Folder(_, _, Every::Day) => moment.as_second().div_euclid(DAY) * DAY,
            Self::Folder(_, _, Every::Hour) => moment.as_second().div_euclid(HOUR) * HOUR,
        }
    }

    /// The file of a period. Where the clock went back by more than a period, what comes after is a part of its own: the second, say.
    fn path(&self, period: i64, part: u32) -> PathBuf {
        let (folder, format, every) = match self {
            Self::File(path, _) => return path.clone(),
            Self::Folder(folder, format, every) => (folder, format, every),
        };
        let moment = Timestamp::from_second(period).unwrap_or_default();
        let period = match every {
            Every::All => String::new(),
            Every::Day => moment.strftime("-%Y-%m-%d").to_string(),
            Every::Hour => moment.strftime("-%Y-%m-%dT%H").to_string(),
        };
        let part = if part > 1 { format!("-part-{part}") } else { String::new() };
        folder.join(format!("decisions{period}{part}.{}", format.ending()))
    }

    /// Whether there is a file even if it has no rows.
    fn is_one_file(&self) -> bool {
        matches!(self, Self::File(..))
    }

    fn format(&self) -> Option<Format> {
        match self {
            Self::File(_, format) => *format,
            Self::Folder(..) => None,
        }
    }
}

impl Files {
    /// Begins.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(super) fn begin(target: Target, columns: Vec<ColumnSpec>) -> Result<Self, CommandError> {
        if let Target::Folder(folder, ..) = &target {
            std::fs::create_dir_all(folder).map_err(|error| CommandError::file(folder, error))?;
        }
        let mut files = Self { target, columns, open: Vec::new(), parts: HashMap::new() };
        if files.target.is_one_file() {
            files.create(0)?;
        }
        Ok(files)
    }

    /// Writes a row into the file of its time.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn write(&mut self, decided: Timestamp, row: &[Cell]) -> Result<(), CommandError> {
        let period = self.target.period(decided);
        let place = match self.open.iter().position(|file| file.period == period) {
            Some(place) => place,
            None => self.create(period)?,
        };
        let file = &mut self.open[place];
        file.rows += 1;
        Ok(file.writer.write(row)?)
    }

    /// Completes all files.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn finish(mut self) -> Result<(), CommandError> {
        std::mem::take(&mut self.open).into_iter().try_for_each(File::finish)
    }

    fn create(&mut self, period: i64) -> Result<usize, CommandError> {
        if self.open.len() >= OPEN {
            self.open.remove(0).finish()?;
        }
        let part = self.parts.entry(period).or_default();
        *part += 1;
        let path = self.target.path(period, *part);
        let writer = TableWriter::create(&path, self.target.format(), &self.columns)?;
        self.open.push(File { period, path, writer, rows: 0 });
        Ok(self.open.len() - 1)
    }
}

impl File {
    fn finish(self) -> Result<(), CommandError> {
        self.writer.finish()?;
        if self.path != Path::new("-") {
            println!("{}: {} decisions", self.path.display(), self.rows);
        }
        Ok(())
    }
}
