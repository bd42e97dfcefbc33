//! Both detectors of neighbours on whole data sets, against scores that scikit-learn gave there. Data and scores are not part of this
//! repository; the test is ignored, and takes their folders:
//!
//! ```text
//! SYNOD_SETS=FOLDER SYNOD_GOLDEN=FOLDER cargo test --release -p synod-neighbours --test golden -- --ignored --nocapture
//! ```
//!
//! A set is `NAME.csv.gz`, numbers and a column `label`. Its scores are the file of that name in the other folder, in the order of its rows:
//! - `lof20_transductive`: `-LocalOutlierFactor(20).fit(rows).negative_outlier_factor_` of the standardised rows,
//! - `lof20_novelty_rows_mod10_ge7`: with `novelty=True`, learnt from the rows whose number ends in 0 to 6 and standardised by them,
//!   `-score_samples` of the others,
//! - `knn5_dist_transductive`: the distance of the fifth neighbour, itself left out.
//!
//! Where the 20th and the 21st neighbour are equally far it is a matter of chance which one is taken, and of the last bits of standardising:
//! scikit-learn itself gives other factors with another of its algorithms. Such rows, and those whose neighbours are such rows, are left out
//! and counted.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use flate2::read::GzDecoder;
use k_nearest_neighbours::{KNearestNeighbours, Method};
use local_outlier_factor::LocalOutlierFactor;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use std::{fs, fs::File, path::Path};
use synod_neighbours::{Count, Duplicates};
use synod_sdk::{Detector, Training};

/// Relative.
const TOLERANCE: f64 = 1e-6;

struct Table {
    names: Vec<String>,
    /// What is not there is no number.
    values: Array2<f64>,
}

impl Table {
    fn read(path: &Path) -> Self {
        let mut reader = csv::Reader::from_reader(GzDecoder::new(File::open(path).unwrap()));
        let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let number = |text: &str| if text.is_empty() { f64::NAN } else { text.parse().unwrap() };
        let values: Vec<f64> = reader.records().flat_map(|record| record.unwrap().iter().map(number).collect::<Vec<_>>()).collect();
        Self { values: Array2::from_shape_vec((values.len() / names.len(), names.len()), values).unwrap(), names }
    }

    fn column(&self, name: &str) -> Vec<f64> {
        let place = self.names.iter().position(|known| known == name).unwrap();
        self.values.column(place).to_vec()
    }

    fn features(&self) -> Array2<f64> {
        let features: Vec<usize> = (0..self.names.len()).filter(|place| self.names[*place] != "label").collect();
        self.values.select(Axis(1), &features)
    }
}

/// In deviations from the mean of `training`.
fn standardised(rows: &Array2<f64>, training: &Array2<f64>) -> Array2<f64> {
    let mean = training.mean_axis(Axis(0)).unwrap();
    let deviation = training.std_axis(Axis(0), 0.0).mapv(|deviation| if deviation == 0.0 { 1.0 } else { deviation });
    (rows - &mean) / &deviation
}

fn scores<D: Detector>(parameters: &D::Parameters, training: ArrayView2<'_, f64>, rows: ArrayView2<'_, f64>) -> Vec<f64> {
    D::fit(parameters, &Training::new(training, 0)).unwrap().score(rows).unwrap()
}

/// The greatest relative difference among the rows that are not `chance`.
fn difference(found: &[f64], expected: &[f64], chance: &[bool]) -> f64 {
    assert!(found.len() == expected.len() && found.len() == chance.len());
    // Two distances of nothing are equal.
    let relative = |(one, other): (&f64, &f64)| if one == other { 0.0 } else { (one - other).abs() / other.abs() };
    found.iter().zip(expected).zip(chance).filter(|(_, chance)| !**chance).map(|(pair, _)| relative(pair)).fold(0.0, f64::max)
}

/// A row's 21 nearest training rows, by plain sorting, and whether the last two are equally far.
fn nearest(training: &Array2<f64>, row: ArrayView1<'_, f64>, except: Option<usize>) -> (Vec<usize>, bool) {
    let sum = |other: usize| training.row(other).iter().zip(row).map(|(one, other)| (one - other) * (one - other)).sum::<f64>();
    let mut all: Vec<(f64, usize)> =
        (0..training.nrows()).filter(|other| Some(*other) != except).map(|other| (sum(other), other)).collect();
    all.select_nth_unstable_by(20, |one, other| one.0.total_cmp(&other.0));
    all.truncate(21);
    let farthest = all.pop().unwrap();
    let tied = all.iter().any(|(sum, _)| farthest.0 - sum <= 1e-12 * farthest.0);
    (all.iter().map(|(_, row)| *row).chain([farthest.1]).collect(), tied)
}

/// Which of the rows have factors that chance decides; the training rows themselves if none are given.
fn by_chance(training: &Array2<f64>, rows: Option<&Array2<f64>>) -> Vec<bool> {
    let known: Vec<(Vec<usize>, bool)> = (0..training.nrows()).map(|row| nearest(training, training.row(row), Some(row))).collect();
    let affected = |(near, tied): &(Vec<usize>, bool)| *tied || near.iter().any(|row| known[*row].1);
    match rows {
        None => known.iter().map(affected).collect(),
        Some(rows) => rows.rows().into_iter().map(|row| affected(&nearest(training, row, None))).collect(),
    }
}

fn outlier_factor(novelty: bool) -> local_outlier_factor::Parameters {
    local_outlier_factor::Parameters { neighbours: Count::Number(20.0), duplicates: Duplicates::Keep, novelty, ..Default::default() }
}

/// Of the three columns, and how many rows of the first two are left out.
fn differences(rows: &Array2<f64>, golden: &Table) -> ([f64; 3], [usize; 2]) {
    let all = standardised(rows, rows);
    let count = |chance: &[bool]| chance.iter().filter(|chance| **chance).count();
    let own = scores::<LocalOutlierFactor>(&outlier_factor(false), all.view(), all.view());

    let (known, new): (Vec<usize>, Vec<usize>) = (0..rows.nrows()).partition(|row| row % 10 < 7);
    let part = |numbers: &[usize]| standardised(&rows.select(Axis(0), numbers), &rows.select(Axis(0), &known));
    let novel = scores::<LocalOutlierFactor>(&outlier_factor(true), part(&known).view(), part(&new).view());
    let expected = golden.column("lof20_novelty_rows_mod10_ge7");
    let expected: Vec<f64> = new.iter().map(|row| expected[*row]).collect();

    let parameters = k_nearest_neighbours::Parameters {
        neighbours: Count::Number(5.0),
        method: Method::Largest,
        duplicates: Duplicates::Keep,
        novelty: false,
        ..Default::default()
    };
    let distances = scores::<KNearestNeighbours>(&parameters, all.view(), all.view());
    let (own_chance, novel_chance) = (by_chance(&all, None), by_chance(&part(&known), Some(&part(&new))));
    let found = [
        difference(&own, &golden.column("lof20_transductive"), &own_chance),
        difference(&novel, &expected, &novel_chance),
        difference(&distances, &golden.column("knn5_dist_transductive"), &vec![false; rows.nrows()]),
    ];
    (found, [count(&own_chance), count(&novel_chance)])
}

#[test]
#[ignore = "needs data that is not part of the repository"]
fn scores_are_those_of_scikit_learn() {
    let folder = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is to be a folder"));
    let (sets, golden) = (folder("SYNOD_SETS"), folder("SYNOD_GOLDEN"));
    let mut files: Vec<_> = fs::read_dir(&golden).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let rows = Table::read(&Path::new(&sets).join(&file)).features();
        let (found, chance) = differences(&rows, &Table::read(&Path::new(&golden).join(&file)));
        println!("{}: {} rows, greatest relative differences {found:?}, left out {chance:?}", file.display(), rows.nrows());
        assert!(chance[0] * 2 < rows.nrows(), "most rows are compared");
        assert!(found.iter().all(|difference| *difference <= TOLERANCE), "{}: {found:?}", file.display());
    }
}
