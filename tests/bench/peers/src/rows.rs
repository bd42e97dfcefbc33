//! Rows of numbers: noise from a seed, and CSV files.

use crate::Failed;
use std::fmt::Write;
use std::path::Path;

/// Rows that lie one behind the other.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) width: usize,
    pub(crate) values: Vec<f64>,
}

/// Noise from a seed, one row behind the other.
pub(crate) fn noise(count: usize, width: usize, seed: u64) -> Vec<f64> {
    synod_sdk::measuring::noise(count, width, seed).into_iter().collect()
}

/// Writes rows as CSV without a header; a number is the shortest that reads back as the same.
pub(crate) fn write(path: &Path, width: usize, values: &[f64]) -> Result<(), Failed> {
    let mut text = String::new();
    for row in values.chunks(width) {
        for (index, value) in row.iter().enumerate() {
            write!(text, "{}{value}", if index == 0 { "" } else { "," })?;
        }
        text.push('\n');
    }
    Ok(std::fs::write(path, text)?)
}

/// Reads what [`write`] writes.
pub(crate) fn read(path: &Path) -> Result<Rows, Failed> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rows = Rows { width: 0, values: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        for cell in line.split(',') {
            let value: f64 = cell.trim().parse().map_err(|_| format!("{}, line {}: {cell:?} is no number", path.display(), number + 1))?;
            rows.values.push(value);
        }
        if number == 0 {
            rows.width = rows.values.len();
        }
        if rows.values.len() != rows.width * (number + 1) {
            return Err(format!("{}, line {}: not as many numbers as in the first line", path.display(), number + 1).into());
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let file = std::env::temp_dir().join(format!("synod-bench-peers-{}.csv", std::process::id()));
        let values = noise(50, 3, 7);
        write(&file, 3, &values).unwrap();
        let read_back = read(&file).unwrap();
        std::fs::write(&file, "1,2\n3\n").unwrap();
        let uneven = read(&file).unwrap_err().to_string();
        std::fs::write(&file, "1,x\n").unwrap();
        let wordy = read(&file).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        assert_eq!((read_back.width, read_back.values), (3, values.clone()));
        assert_eq!(values, noise(50, 3, 7));
        assert_ne!(values, noise(50, 3, 8));
        assert!(uneven.ends_with("line 2: not as many numbers as in the first line"), "{uneven}");
        assert!(wordy.ends_with("line 1: \"x\" is no number"), "{wordy}");
    }
}
