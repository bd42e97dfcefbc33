//! The rows that a plugin is tried with: from files, or made up where there are none.

mod made;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use synod_detection::{Scale, Scaling};
use synod_store::{Cell, Table, TableError};
use thiserror::Error;

/// Most rows of a file that are used.
const MOST_ROWS: usize = 20_000;
/// Most values of a file that are used: 80 MB.
const MOST_VALUES: usize = 10_000_000;

/// Rows of both kinds as a plugin sees them: numbers, and codes of categories.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Where they come from, for people.
    pub from: String,
    /// Each column's name, and how many categories it has: 0 for a number.
    pub features: Vec<(String, u32)>,
    /// Rows to learn from, one after the other.
    pub normal: Vec<f64>,
    /// Rows that must rank above them.
    pub anomalous: Vec<f64>,
}

/// Why files give no rows.
#[derive(Debug, Error)]
pub enum RowsError {
    /// A file is no table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A file holds too little.
    #[error("{} has no rows", .0.display())]
    Empty(PathBuf),
    /// The files do not go together.
    #[error("{} has no column `{column}`, which {} has", path.display(), other.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Where it is.
        other: PathBuf,
    },
    /// A cell is no number, and its column is one of numbers.
    #[error("{}, row {row}: `{column}` is `{text}`, and the column has numbers in the normal rows", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The row, from 1.
        row: usize,
        /// The column.
        column: String,
        /// The cell.
        text: String,
    },
}

impl Rows {
    /// Reads files. Columns with text in the normal rows become categories: codes in the order of the texts, with one more for all that are not
    /// among the normal rows.
    ///
    /// # Errors
    /// When a file is no table or empty, or they do not go together.
    pub fn read(normal: &Path, anomalous: &Path) -> Result<Self, RowsError> {
        let (usual, unusual) = (read(normal)?, read(anomalous)?);
        for (path, columns, other, wanted) in [(anomalous, &unusual.0, normal, &usual.0), (normal, &usual.0, anomalous, &unusual.0)] {
            if let Some(column) = wanted.iter().find(|column| !columns.contains(column)) {
                return Err(RowsError::Column { path: path.into(), column: column.clone(), other: other.into() });
            }
        }
        let mut rows = Self {
            from: format!(
                "{} normal rows of {}, {} anomalous ones of {}",
                usual.1.len(),
                normal.display(),
                unusual.1.len(),
                anomalous.display()
            ),
            features: Vec::new(),
            normal: vec![0.0; usual.1.len() * usual.0.len()],
            anomalous: vec![0.0; unusual.1.len() * usual.0.len()],
        };
        let width = usual.0.len();
        for (at, name) in usual.0.iter().enumerate() {
            let codes = codes(usual.1.iter().map(|row| &row[at]));
            rows.features.push((name.clone(), codes.as_ref().map_or(0, |codes| codes.len() as u32 + 1)));
            for (row, cells) in usual.1.iter().enumerate() {
                rows.normal[row * width + at] = number(&cells[at], codes.as_ref()).unwrap_or(f64::NAN);
            }
            let there = unusual.0.iter().position(|known| known == name).unwrap_or(at);
            for (row, cells) in unusual.1.iter().enumerate() {
                let wrong = |text| RowsError::Cell { path: anomalous.into(), row: row + 1, column: name.clone(), text };
                rows.anomalous[row * width + at] = number(&cells[there], codes.as_ref()).map_err(wrong)?;
            }
        }
        Ok(rows)
    }

    /// Rows that are made up, the same each time: numbers and categories, some of which go together.
    pub fn made() -> Self {
        made::rows()
    }

    /// How many features a row has.
    pub fn width(&self) -> usize {
        self.features.len()
    }

    /// How many normal rows there are.
    pub fn count(&self) -> usize {
        self.normal.len() / self.width().max(1)
    }

    /// The same rows with their numbers on one scale, learnt from the normal ones, as `scale: standard` has it.
    #[must_use]
    pub fn scaled(&self) -> Self {
        let (width, mut scaled) = (self.width(), self.clone());
        for (at, (_, categories)) in self.features.iter().enumerate() {
            if *categories == 0 {
                let column: Vec<f64> = self.normal.iter().skip(at).step_by(width).copied().collect();
                let scaling = Scaling::learn(Scale::Standard, &column);
                for values in [&mut scaled.normal, &mut scaled.anomalous] {
                    values.iter_mut().skip(at).step_by(width).for_each(|value| *value = scaling.apply(*value));
                }
            }
        }
        scaled.from += "; numbers scaled (`scale: standard`)";
        scaled
    }
}

/// The columns of a file, and its rows.
fn read(path: &Path) -> Result<(Vec<String>, Vec<Vec<Cell>>), RowsError> {
    let mut table = Table::open(path, None)?;
    let mut rows = Vec::new();
    while let Some(row) = table.next() {
        rows.push(row?.cells);
        if rows.len() >= MOST_ROWS || rows.len() * table.columns().len() >= MOST_VALUES {
            eprintln!("{}: the first {} rows are used", path.display(), rows.len());
            break;
        }
    }
    if rows.is_empty() || table.columns().is_empty() {
        return Err(RowsError::Empty(path.into()));
    }
    // JSON lines may add columns on the way.
    let columns = table.columns().to_vec();
    rows.iter_mut().for_each(|row| row.resize(columns.len(), Cell::Missing));
    Ok((columns, rows))
}

/// The codes of a column's texts, in their order; none if all of its cells are numbers.
fn codes<'a>(cells: impl Iterator<Item = &'a Cell> + Clone) -> Option<BTreeMap<String, u32>> {
    cells.clone().find(|cell| number(cell, None).is_err())?;
    let texts: BTreeMap<String, u32> = cells.filter(|cell| **cell != Cell::Missing).map(|cell| (text(cell), 0)).collect();
    Some(texts.into_keys().zip(0..).collect())
}

/// A cell as a number, or as the code of its category.
///
/// # Errors
/// What it is, if it is text and there are no codes.
fn number(cell: &Cell, codes: Option<&BTreeMap<String, u32>>) -> Result<f64, String> {
    match (cell, codes) {
        (Cell::Missing, _) => Ok(f64::NAN),
        (cell, Some(codes)) => Ok(f64::from(codes.get(&text(cell)).copied().unwrap_or(codes.len() as u32))),
        (Cell::Boolean(truth), None) => Ok(f64::from(u8::from(*truth))),
        (Cell::Integer(integer) | Cell::Time(integer), None) => Ok(*integer as f64),
        (Cell::Number(number), None) => Ok(*number),
        (Cell::Text(text), None) => Err(text.clone()),
        (Cell::Raw(text), None) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| text.clone()),
    }
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Missing => String::new(),
        Cell::Boolean(truth) => truth.to_string(),
        Cell::Integer(integer) | Cell::Time(integer) => integer.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Text(text) | Cell::Raw(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(normal: &str, anomalous: &str) -> Result<Rows, RowsError> {
        let folder = tempfile::tempdir().unwrap();
        let paths = [("normal.csv", normal), ("anomalous.csv", anomalous)].map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        });
        Rows::read(&paths[0], &paths[1])
    }

    #[test]
    fn numbers_are_numbers_and_texts_are_categories() {
        let rows = files("amount,shop\n1.5,b\n,a\n2,b\n", "shop,amount\nc,9\na,\n").unwrap();
        assert_eq!(rows.features, [("amount".to_owned(), 0), ("shop".to_owned(), 3)]);
        assert_eq!(format!("{:?} {:?}", rows.normal, rows.anomalous), "[1.5, 1.0, NaN, 0.0, 2.0, 1.0] [9.0, 2.0, NaN, 0.0]");
        assert_eq!(format!("{:?}", rows.scaled().normal), "[-1.0, 1.0, NaN, 0.0, 1.0, 1.0]");
        assert_eq!((rows.width(), rows.count()), (2, 3));
    }

    #[test]
    fn files_that_do_not_go_together_are_told() {
        let cases = [
            ("a,b\n1,2\n", "a\n1\n", "anomalous.csv has no column `b`"),
            ("a\n1\n", "a,b\n1,2\n", "normal.csv has no column `b`"),
            ("a\n", "a\n1\n", "normal.csv has no rows"),
            ("a\n1\n", "a\n1\nmuch\n", "anomalous.csv, row 2: `a` is `much`"),
        ];
        for (normal, anomalous, said) in cases {
            let error = files(normal, anomalous).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(Rows::read(Path::new("/nowhere.csv"), Path::new("/nowhere.csv")).is_err());
    }

    #[test]
    fn made_rows_are_the_same_each_time_and_of_both_kinds() {
        let rows = Rows::made();
        assert_eq!(rows, Rows::made());
        assert!(rows.normal.iter().chain(&rows.anomalous).all(|value| value.is_finite()));
        assert_eq!((rows.normal.len() % rows.width(), rows.anomalous.len() % rows.width()), (0, 0));
        for (at, (_, categories)) in rows.features.iter().enumerate().filter(|(_, (_, categories))| *categories > 0) {
            let codes = || rows.normal.iter().chain(&rows.anomalous).skip(at).step_by(rows.width());
            assert!(codes().all(|code| code.fract() == 0.0 && *code < f64::from(*categories)), "column {at}");
        }
    }
}
