//! Rows through a trained network: in blocks of eight, and the last few one by one. Which way a row goes does not change a bit of it.

use crate::model::Autoencoder;
use synod_dense::{Lane, ROWS, padded};

/// Blocks that go through the network together: their numbers stay in the fastest memory.
const BLOCKS: usize = 4;

/// Up to so many rows that make no block are cheaper one by one.
const FEW: usize = 2;

impl Autoencoder {
    /// One score for each of these rows, given one after the other.
    pub(crate) fn scores(&self, values: &[f64]) -> Vec<f64> {
        let mut scores = Vec::with_capacity(values.len() / self.scale.mean.len());
        let (together, alone) = self.divided(values);
        self.each_block(together, |there, rows, answers| {
            let mut sums = [0.0; ROWS];
            for (judge, (values, answers)) in self.judges.iter().zip(rows.iter().zip(answers)) {
                let numbers = values.iter().zip(answers);
                sums.iter_mut().zip(numbers).for_each(|(sum, (value, answer))| *sum += judge.share(*value, *answer));
            }
            scores.extend_from_slice(&sums[..there]);
        });
        self.each_row(alone, |row, answer| {
            let numbers = self.judges.iter().zip(row.iter().zip(answer));
            scores.push(numbers.fold(0.0, |sum, (judge, (value, answer))| sum + judge.share(*value, *answer)));
        });
        scores
    }

    /// What each feature contributes to these rows' scores, in the order of the rows' own numbers.
    pub(crate) fn shares(&self, values: &[f64]) -> Vec<f64> {
        let mut shares = Vec::with_capacity(values.len());
        let (together, alone) = self.divided(values);
        self.each_block(together, |there, rows, answers| {
            for row in 0..there {
                let numbers = self.judges.iter().zip(rows.iter().zip(answers));
                shares.extend(numbers.map(|(judge, (values, answers))| judge.share(values[row], answers[row])));
            }
        });
        self.each_row(alone, |row, answer| {
            let numbers = self.judges.iter().zip(row.iter().zip(answer));
            shares.extend(numbers.map(|(judge, (value, answer))| judge.share(*value, *answer)));
        });
        shares
    }

    /// Rows for blocks, of which the last one may not be full, and rows to take one by one.
    fn divided<'a>(&self, values: &'a [f64]) -> (&'a [f64], &'a [f64]) {
        let width = self.scale.mean.len();
        let beyond = values.len() / width % ROWS;
        values.split_at(values.len() - if beyond <= FEW { beyond * width } else { 0 })
    }

    /// Calls `each` for every block, with the number of rows that there are in it, its standardised rows and the network's answers.
    fn each_block(&self, values: &[f64], mut each: impl FnMut(usize, &[Lane], &[Lane])) {
        let size = ROWS * self.scale.mean.len();
        let lanes = padded(self.scale.mean.len());
        let mut room = self.network.room(BLOCKS.min(values.len().div_ceil(size)));
        for rows in values.chunks(size * BLOCKS) {
            let blocks = rows.len().div_ceil(size);
            self.take_in(rows, self.network.inputs_mut(&mut room, blocks, 0));
            self.network.forward(&mut room, blocks, |_, _| ());
            let answers = self.network.inputs(&room, blocks, self.network.layers.len()).chunks_exact(lanes);
            let given = rows.chunks(size).zip(self.network.inputs(&room, blocks, 0).chunks_exact(lanes));
            given.zip(answers).for_each(|((rows, given), answers)| each(rows.len() * ROWS / size, given, answers));
        }
    }

    /// Standardises rows into blocks, of which the last one is filled up.
    fn take_in(&self, rows: &[f64], blocks: &mut [Lane]) {
        let size = ROWS * self.scale.mean.len();
        for (rows, lanes) in rows.chunks(size).zip(blocks.chunks_exact_mut(padded(self.scale.mean.len()))) {
            if rows.len() == size {
                self.scale.block(rows, lanes);
            } else {
                let mut filled = rows.to_vec();
                filled.resize(size, 0.0);
                self.scale.block(&filled, lanes);
            }
        }
    }

    /// Calls `each` for every row, with the standardised row and the network's answer, both padded.
    fn each_row(&self, values: &[f64], mut each: impl FnMut(&[f32], &[f32])) {
        if values.is_empty() {
            return;
        }
        let (mut given, mut answers, mut work) = (self.network.row_room(), self.network.row_room(), self.network.row_room());
        for row in values.chunks_exact(self.scale.mean.len()) {
            given.as_flattened_mut().iter_mut().zip(self.scale.row(row)).for_each(|(place, value)| *place = value);
            answers.copy_from_slice(&given);
            self.network.forward_row(&mut answers, &mut work);
            each(given.as_flattened(), answers.as_flattened());
        }
    }
}
