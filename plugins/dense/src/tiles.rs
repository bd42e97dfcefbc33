//! The matrix products. Rows go through a layer eight at a time, feature by feature: a [`Lane`] is one number of each of the eight. Weights
//! lie in the order in which they are read: for every four outputs ([`Quad`]) those of all inputs, one after the other.
//!
//! The inner loop of the product of a block keeps four outputs of eight rows in eight vectors of four. Every turn of a loop looks at the time
//! limit in the sandbox, and may call for help there: so it keeps its sums in memory from turn to turn, and takes four inputs a turn.
//!
//! Each sum is taken in the order of the inputs, whatever the number of rows: a row's sums are the same bits in a block and alone.

use crate::four::Four;

/// Rows of a block.
pub const ROWS: usize = 8;

/// One number of each row of a block.
pub type Lane = [f32; ROWS];

/// Inputs that one turn of a loop takes.
const TURN: usize = 4;

/// Outputs that are computed together.
const OUTPUTS: usize = 4;

/// One number for each of four outputs.
pub type Quad = [f32; OUTPUTS];

/// The number of features that so many take with their padding.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(OUTPUTS)
}

/// How many quads hold so many numbers.
pub fn quads(count: usize) -> usize {
    count.div_ceil(OUTPUTS)
}

/// A matrix of inputs by outputs: for each quad of outputs the weights of all inputs, one after the other. Padding is zero.
#[derive(Debug, Clone)]
pub struct Tiles {
    /// At least one.
    inputs: usize,
    weights: Vec<Quad>,
}

impl Tiles {
    /// Zeros, for so many inputs and outputs; at least one each.
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        Self { inputs, weights: vec![[0.0; OUTPUTS]; inputs * quads(outputs)] }
    }

    /// The weight from an input to an output.
    pub fn weight(&self, input: usize, output: usize) -> f32 {
        self.weights[output / OUTPUTS * self.inputs + input][output % OUTPUTS]
    }

    /// The weight from an input to an output.
    pub fn weight_mut(&mut self, input: usize, output: usize) -> &mut f32 {
        &mut self.weights[output / OUTPUTS * self.inputs + input][output % OUTPUTS]
    }

    /// All weights, padding included, in an order that depends on the shape alone.
    pub fn values(&self) -> &[Quad] {
        &self.weights
    }

    /// All weights, padding included, in the order of [`Tiles::values`].
    pub fn values_mut(&mut self) -> &mut [Quad] {
        &mut self.weights
    }

    /// Quads of outputs.
    fn outputs(&self) -> usize {
        self.weights.len() / self.inputs
    }

    /// `answers = answer(start + rows · self)` for blocks of rows, block by block. A block has as many lanes as there are inputs, and as many
    /// answers as outputs, padded.
    pub fn multiply(&self, blocks: &[Lane], start: &[Quad], answers: &mut [Lane], answer: impl Fn(Four) -> Four) {
        let (answers, _) = answers.as_chunks_mut::<OUTPUTS>();
        for (output, (tile, start)) in self.weights.chunks_exact(self.inputs).zip(start).enumerate() {
            let answers = answers[output..].iter_mut().step_by(self.outputs());
            for (block, answers) in blocks.chunks_exact(padded(self.inputs)).zip(answers) {
                *answers = block_sums(tile, block, *start).map(|sums| whole(sums.map(&answer)));
            }
        }
    }

    /// The same for one row. There are at least as many numbers as inputs.
    pub fn multiply_row(&self, row: &[f32], start: &[Quad], answers: &mut [Quad], answer: impl Fn(Four) -> Four) {
        let row = &row[..self.inputs];
        let (fours, rest) = start.as_chunks::<4>();
        let (four_answers, rest_answers) = answers.as_chunks_mut::<4>();
        let mut tiles = self.weights.chunks_exact(self.inputs * 4);
        for ((tiles, start), answers) in (&mut tiles).zip(fours).zip(four_answers) {
            *answers = row_sums(tiles, row, *start).map(|sums| answer(sums).numbers());
        }
        let rest = tiles.remainder().chunks_exact(self.inputs).zip(rest).zip(rest_answers);
        for ((tile, start), answers) in rest {
            let [sums] = row_sums(tile, row, [*start]);
            *answers = answer(sums).numbers();
        }
    }

    /// `self = rowsᵀ · deltas`, for as many blocks of rows as of deltas.
    pub fn outer(&mut self, rows: &[Lane], deltas: &[Lane]) {
        let (inputs, outputs) = (padded(self.inputs), self.outputs() * OUTPUTS);
        for (output, tile) in self.weights.chunks_exact_mut(self.inputs).enumerate() {
            for (place, weights) in tile.chunks_mut(2).enumerate() {
                let rows = rows.chunks_exact(inputs).map(|block| part(block, place * 2));
                let deltas = deltas.chunks_exact(outputs).map(|block| part(block, output * OUTPUTS));
                weights.copy_from_slice(&products(rows.zip(deltas))[..weights.len()]);
            }
        }
    }

    /// `self = otherᵀ`, for `other` with as many inputs as this has outputs, and the reverse.
    pub fn transpose(&mut self, other: &Self) {
        for (place, weights) in self.weights.iter_mut().enumerate() {
            let (first, input) = (place / self.inputs * OUTPUTS, place % self.inputs);
            let count = OUTPUTS.min(other.inputs - first);
            let column = &other.weights[input / OUTPUTS * other.inputs + first..][..count];
            weights.iter_mut().zip(column).for_each(|(weight, quad)| *weight = quad[input % OUTPUTS]);
        }
    }
}

/// So many lanes of a block, from this place on.
fn part<const COUNT: usize>(block: &[Lane], from: usize) -> &[Lane; COUNT] {
    block[from..].first_chunk().expect("blocks are padded to whole quads")
}

/// A lane in vectors.
#[inline(always)]
pub(crate) fn halves([a, b, c, d, e, f, g, h]: Lane) -> [Four; 2] {
    [Four::of([a, b, c, d]), Four::of([e, f, g, h])]
}

/// The inverse of [`halves`].
#[inline(always)]
pub(crate) fn whole([first, second]: [Four; 2]) -> Lane {
    let ([a, b, c, d], [e, f, g, h]) = (first.numbers(), second.numbers());
    [a, b, c, d, e, f, g, h]
}

/// The sums of one quad of outputs for a block.
#[inline(always)]
fn block_sums(tile: &[Quad], block: &[Lane], start: Quad) -> [[Four; 2]; OUTPUTS] {
    let mut sums = start.map(|start| [Four::all(start); 2]);
    let (turns, rest) = tile.as_chunks::<TURN>();
    let (blocks, rest_block) = block[..tile.len()].as_chunks::<TURN>();
    for (weights, values) in turns.iter().zip(blocks) {
        let [a, b, c, d] = weights;
        let [e, f, g, h] = values;
        add_input(&mut sums, a, e);
        add_input(&mut sums, b, f);
        add_input(&mut sums, c, g);
        add_input(&mut sums, d, h);
    }
    rest.iter().zip(rest_block).for_each(|(weights, values)| add_input(&mut sums, weights, values));
    sums
}

#[inline(always)]
fn add_input(sums: &mut [[Four; 2]; OUTPUTS], weights: &Quad, values: &Lane) {
    let values = halves(*values);
    for (sum, weight) in sums.iter_mut().zip(weights) {
        let weight = Four::all(*weight);
        *sum = [sum[0].plus(weight, values[0]), sum[1].plus(weight, values[1])];
    }
}

/// The sums of so many quads of outputs for one row: together, because each sum has to wait for the one before.
#[inline(always)]
fn row_sums<const COUNT: usize>(tiles: &[Quad], row: &[f32], start: [Quad; COUNT]) -> [Four; COUNT] {
    let mut sums = start.map(Four::of);
    let (turns, rest) = row.as_chunks::<TURN>();
    let tiles: [&[Quad]; COUNT] = std::array::from_fn(|tile| &tiles[tile * row.len()..][..row.len()]);
    for (place, [a, b, c, d]) in turns.iter().enumerate() {
        for (sum, tile) in sums.iter_mut().zip(tiles) {
            let [e, f, g, h] = *tile.as_chunks::<TURN>().0.get(place).unwrap_or(&[Quad::default(); TURN]);
            *sum = sum.plus(Four::of(e), Four::all(*a)).plus(Four::of(f), Four::all(*b));
            *sum = sum.plus(Four::of(g), Four::all(*c)).plus(Four::of(h), Four::all(*d));
        }
    }
    for (place, value) in rest.iter().enumerate() {
        for (sum, tile) in sums.iter_mut().zip(tiles) {
            *sum = sum.plus(Four::of(tile[turns.len() * TURN + place]), Four::all(*value));
        }
    }
    sums
}

/// The sums over all rows of the products of two features with four others.
fn products<'a>(blocks: impl Iterator<Item = (&'a [Lane; 2], &'a [Lane; OUTPUTS])>) -> [Quad; 2] {
    let mut sums = [[Four::all(0.0); OUTPUTS]; 2];
    for (values, deltas) in blocks {
        let (values, deltas) = (values.map(halves), deltas.map(halves));
        for (sums, value) in sums.iter_mut().zip(values) {
            for (sum, delta) in sums.iter_mut().zip(deltas) {
                *sum = sum.plus(value[0], delta[0]).plus(value[1], delta[1]);
            }
        }
    }
    sums.map(|sums| sums.map(|sum| sum.numbers().into_iter().sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(inputs: usize, outputs: usize) -> Tiles {
        let mut tiles = Tiles::zeros(inputs, outputs);
        for (input, output) in (0..inputs).flat_map(|input| (0..outputs).map(move |output| (input, output))) {
            *tiles.weight_mut(input, output) = (input * outputs + output) as f32 * 0.37 - 1.0;
        }
        tiles
    }

    fn value(row: usize, column: usize) -> f32 {
        ((row * 31 + column * 17) % 23) as f32 * 0.21 - 2.0
    }

    /// So many blocks of rows with [`value`], zero where they are padded.
    fn blocks(count: usize, width: usize) -> Vec<Lane> {
        let lanes = padded(width);
        let number = |place: usize, row: usize| {
            if place % lanes < width { value(place / lanes * ROWS + row, place % lanes) } else { 0.0 }
        };
        (0..count * lanes).map(|place| std::array::from_fn(|row| number(place, row))).collect()
    }

    fn at(blocks: &[Lane], width: usize, row: usize, column: usize) -> f32 {
        blocks[row / ROWS * padded(width) + column][row % ROWS]
    }

    #[test]
    fn a_product_is_the_sum_in_the_order_of_the_inputs_alone_and_in_blocks() {
        for (inputs, outputs) in [(11, 19), (1, 1), (4, 8), (30, 32)] {
            let (tiles, start) = (counted(inputs, outputs), vec![[0.5; OUTPUTS]; quads(outputs)]);
            let mut answers = vec![[0.0; ROWS]; 2 * padded(outputs)];
            tiles.multiply(&blocks(2, inputs), &start, &mut answers, |sum| sum.plus(Four::all(1.0), Four::all(1.0)));
            for row in 0..2 * ROWS {
                let mut alone = vec![[0.0; OUTPUTS]; quads(outputs)];
                let values: Vec<f32> = (0..inputs).map(|input| value(row, input)).collect();
                tiles.multiply_row(&values, &start, &mut alone, |sum| sum.plus(Four::all(1.0), Four::all(1.0)));
                for output in 0..outputs {
                    let expected = (0..inputs).fold(0.5_f32, |sum, input| sum + value(row, input) * tiles.weight(input, output)) + 1.0;
                    assert_eq!(at(&answers, outputs, row, output).to_bits(), expected.to_bits(), "row {row}, output {output}");
                    assert_eq!(alone.as_flattened()[output].to_bits(), expected.to_bits(), "row {row} alone, output {output}");
                }
            }
        }
    }

    #[test]
    fn an_outer_product_adds_over_the_rows() {
        let (rows, deltas) = (blocks(2, 11), blocks(2, 3));
        let mut tiles = Tiles::zeros(11, 3);
        tiles.outer(&rows, &deltas);
        for (input, output) in (0..11).flat_map(|input| (0..3).map(move |output| (input, output))) {
            let expected = (0..2 * ROWS).fold(0.0_f32, |sum, row| sum + value(row, input) * value(row, output));
            assert!((tiles.weight(input, output) - expected).abs() < 1e-4, "{expected}");
        }
    }

    #[test]
    fn a_transposed_matrix_has_inputs_and_outputs_exchanged() {
        let tiles = counted(9, 22);
        let mut mirrored = Tiles::zeros(22, 9);
        mirrored.transpose(&tiles);
        for (input, output) in (0..9).flat_map(|input| (0..22).map(move |output| (input, output))) {
            assert_eq!(mirrored.weight(output, input), tiles.weight(input, output));
        }
        assert!((0..22).all(|input| mirrored.weights[2 * 22 + input][1..] == [0.0; 3]), "padding stays zero");
    }
}
