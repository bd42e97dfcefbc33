//! The matrix products. Numbers lie in lanes of eight, rows are padded with zeros to whole lanes, and every loop handles whole lanes: so the
//! compiler makes vectors of them, and the sandbox's check of the time limit, which sits on every turn of a loop, is paid once for 64
//! products. Each sum is taken in the order of the inputs, whatever the number of rows.

/// Numbers in a lane.
pub(crate) const LANES: usize = 8;

/// The unit of all arithmetic.
pub(crate) type Lane = [f32; LANES];

/// Eight inputs' weights to the same eight outputs.
type Square = [Lane; LANES];

/// Rows that share each load of the weights.
const ROWS: usize = 4;

/// How many lanes hold so many numbers.
pub(crate) fn lanes(count: usize) -> usize {
    count.div_ceil(LANES)
}

/// A matrix of inputs by outputs: for each lane of outputs the weights of all inputs, one after the other. Padding is zero.
#[derive(Debug, Clone)]
pub(crate) struct Tiles {
    /// Lanes of inputs; at least one.
    inputs: usize,
    squares: Vec<Square>,
}

impl Tiles {
    /// Zeros, for so many inputs and outputs; at least one each.
    pub(crate) fn zeros(inputs: usize, outputs: usize) -> Self {
        let inputs = lanes(inputs);
        Self { inputs, squares: vec![[[0.0; LANES]; LANES]; inputs * lanes(outputs)] }
    }

    /// The weight from an input to an output.
    pub(crate) fn weight(&self, input: usize, output: usize) -> f32 {
        self.squares[output / LANES * self.inputs + input / LANES][input % LANES][output % LANES]
    }

    /// The weight from an input to an output.
    pub(crate) fn weight_mut(&mut self, input: usize, output: usize) -> &mut f32 {
        &mut self.squares[output / LANES * self.inputs + input / LANES][input % LANES][output % LANES]
    }

    /// All weights, padding included, in an order that depends on the shape alone.
    pub(crate) fn values(&self) -> &[Lane] {
        self.squares.as_flattened()
    }

    /// All weights, padding included, in the order of [`Tiles::values`].
    pub(crate) fn values_mut(&mut self) -> &mut [Lane] {
        self.squares.as_flattened_mut()
    }

    /// `answers = start + rows · self`, for rows of as many lanes as there are lanes of inputs, and answers of as many as `start`.
    pub(crate) fn multiply(&self, rows: &[Lane], start: &[Lane], answers: &mut [Lane]) {
        let outputs = start.len();
        for (output, (tile, start)) in self.squares.chunks_exact(self.inputs).zip(start).enumerate() {
            let mut answers = answers.chunks_exact_mut(outputs);
            let mut blocks = rows.chunks_exact(self.inputs * ROWS);
            for block in &mut blocks {
                let sums = sums::<ROWS>(tile, block, *start);
                sums.into_iter().zip(&mut answers).for_each(|(sum, answer)| answer[output] = sum);
            }
            let rest = blocks.remainder().chunks_exact(self.inputs);
            rest.zip(answers).for_each(|(row, answer)| answer[output] = sums::<1>(tile, row, *start)[0]);
        }
    }

    /// `self = rowsᵀ · deltas`, for as many rows as deltas.
    pub(crate) fn outer(&mut self, rows: &[Lane], deltas: &[Lane]) {
        let (inputs, outputs) = (self.inputs, self.squares.len() / self.inputs);
        for (place, square) in self.squares.iter_mut().enumerate() {
            let (output, input) = (place / inputs, place % inputs);
            let rows = rows.chunks_exact(inputs).map(|row| &row[input]);
            *square = products(rows.zip(deltas.chunks_exact(outputs).map(|delta| &delta[output])));
        }
    }

    /// `self = otherᵀ`, for `other` with as many lanes of inputs as this has of outputs, and the reverse.
    pub(crate) fn transpose(&mut self, other: &Self) {
        for (place, square) in other.squares.iter().enumerate() {
            let (output, input) = (place / other.inputs, place % other.inputs);
            let mirrored = &mut self.squares[input * self.inputs + output];
            *mirrored = std::array::from_fn(|row| std::array::from_fn(|column| square[column][row]));
        }
    }
}

/// The sums of one lane of outputs for `COUNT` rows.
#[inline]
fn sums<const COUNT: usize>(tile: &[Square], rows: &[Lane], start: Lane) -> [Lane; COUNT] {
    let mut sums = [start; COUNT];
    for (place, square) in tile.iter().enumerate() {
        for (row, sum) in sums.iter_mut().enumerate() {
            let values = rows[row * tile.len() + place];
            for (value, weights) in values.iter().zip(square) {
                for (sum, weight) in sum.iter_mut().zip(weights) {
                    *sum += value * weight;
                }
            }
        }
    }
    sums
}

fn products<'a>(pairs: impl Iterator<Item = (&'a Lane, &'a Lane)>) -> Square {
    let mut square = [[0.0; LANES]; LANES];
    for (values, deltas) in pairs {
        for (value, sums) in values.iter().zip(&mut square) {
            for (delta, sum) in deltas.iter().zip(sums) {
                *sum += value * delta;
            }
        }
    }
    square
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

    fn padded(rows: usize, width: usize) -> Vec<Lane> {
        let value = |row: usize, column: usize| if column < width { ((row * 31 + column * 17) % 23) as f32 * 0.21 - 2.0 } else { 0.0 };
        let lane = |place: usize| std::array::from_fn(|at| value(place / lanes(width), place % lanes(width) * LANES + at));
        (0..rows * lanes(width)).map(lane).collect()
    }

    fn at(rows: &[Lane], width: usize, row: usize, column: usize) -> f32 {
        rows.as_flattened()[row * lanes(width) * LANES + column]
    }

    #[test]
    fn a_product_is_the_sum_in_the_order_of_the_inputs() {
        let (inputs, outputs, count) = (11, 19, 7);
        let (tiles, rows) = (counted(inputs, outputs), padded(count, inputs));
        let start = vec![[0.5; LANES]; lanes(outputs)];
        let mut answers = vec![[0.0; LANES]; count * lanes(outputs)];
        tiles.multiply(&rows, &start, &mut answers);
        for (row, output) in (0..count).flat_map(|row| (0..outputs).map(move |output| (row, output))) {
            let expected = (0..inputs).fold(0.5_f32, |sum, input| sum + at(&rows, inputs, row, input) * tiles.weight(input, output));
            assert_eq!(at(&answers, outputs, row, output).to_bits(), expected.to_bits(), "row {row}, output {output}");
        }
    }

    #[test]
    fn an_outer_product_adds_over_the_rows() {
        let (rows, deltas) = (padded(5, 10), padded(5, 3));
        let mut tiles = Tiles::zeros(10, 3);
        tiles.outer(&rows, &deltas);
        for (input, output) in (0..10).flat_map(|input| (0..3).map(move |output| (input, output))) {
            let expected = (0..5).fold(0.0_f32, |sum, row| sum + at(&rows, 10, row, input) * at(&deltas, 3, row, output));
            assert_eq!(tiles.weight(input, output), expected);
        }
    }

    #[test]
    fn a_transposed_matrix_has_inputs_and_outputs_exchanged() {
        let tiles = counted(9, 20);
        let mut mirrored = Tiles::zeros(20, 9);
        mirrored.transpose(&tiles);
        for (input, output) in (0..9).flat_map(|input| (0..20).map(move |output| (input, output))) {
            assert_eq!(mirrored.weight(output, input), tiles.weight(input, output));
        }
    }
}
