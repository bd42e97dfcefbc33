//! A graph that is one chain of dense layers, as most autoencoders are, without the interpreter: its rows go through our own products. That is
//! several times faster for one row, and the same bits natively and in the sandbox, in any batch. Any other graph is left to tract.

use crate::plan::single;
use ndarray::ArrayView2;
use synod_dense::{Four, Lane, Numbers, Quad, ROWS, Tiles, logistic, padded, quads, tanh};
use tract_onnx::{
    prelude::*,
    tract_core::ops::{binary::TypedBinOp, change_axes::InOut, einsum::EinSum, element_wise::ElementWiseOp, nn::LeakyRelu},
};

/// Blocks that go through the chain together: their numbers stay in the fastest memory.
const BLOCKS: usize = 4;

/// Up to so many rows that make no block are cheaper one by one.
const FEW: usize = 2;

/// Steps of which each one's answers are the next one's rows.
#[derive(Debug)]
pub(crate) struct Chain {
    steps: Vec<Step>,
    inputs: usize,
    outputs: usize,
    /// The most numbers that a row has between two steps, padded.
    widest: usize,
}

#[derive(Debug)]
enum Step {
    /// The row times a matrix, and a bias.
    Dense { weights: Tiles, bias: Vec<Quad>, inputs: usize, outputs: usize },
    /// Each number by itself, with a constant of its place.
    Each { function: Function, constants: Vec<Quad> },
}

/// What becomes of a number and the constant of its place.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Function {
    Add,
    Subtract,
    SubtractFrom,
    Multiply,
    Divide,
    Greatest,
    Least,
    LeakyRelu,
    Logistic,
    Tanh,
}

impl Function {
    fn answer(self, numbers: &mut (impl Numbers + ?Sized), constants: &[Quad]) {
        // Decided out here: the loop over the numbers has one function.
        match self {
            Self::Add => numbers.each(constants, |number, constant| number + constant),
            Self::Subtract => numbers.each(constants, |number, constant| number - constant),
            Self::SubtractFrom => numbers.each(constants, |number, constant| constant - number),
            Self::Multiply => numbers.each(constants, |number, constant| number * constant),
            Self::Divide => numbers.each(constants, |number, constant| number / constant),
            Self::Greatest => numbers.each(constants, Four::greatest),
            Self::Least => numbers.each(constants, Four::least),
            Self::LeakyRelu => numbers.each(constants, |number, slope| number.positive().plus(number.least(Four::all(0.0)), slope)),
            Self::Logistic => numbers.each(constants, |number, _| logistic(number)),
            Self::Tanh => numbers.each(constants, |number, _| tanh(number)),
        }
    }
}

impl Chain {
    /// The graph as a chain; none if there is anything in it that is none of the steps.
    pub(crate) fn of(graph: &TypedModel, width: usize) -> Option<Self> {
        let (mut steps, mut place, mut now) = (Vec::new(), *graph.inputs.first()?, width);
        let mut widest = width;
        if graph.outlet_fact(place).ok()?.datum_type != f32::datum_type() {
            return None;
        }
        while place != *graph.outputs.first()? {
            let [next] = graph.outlet_successors(place) else { return None };
            let step = Step::of(graph, next.node, next.slot, now)?;
            if let Step::Dense { outputs, .. } = &step {
                now = *outputs;
                widest = widest.max(now);
            }
            push(&mut steps, step);
            place = OutletId::new(next.node, 0);
        }
        Some(Self { steps, inputs: width, outputs: now, widest: padded(widest) })
    }

    /// The answers for each row, row-major.
    pub(crate) fn run(&self, rows: ArrayView2<'_, f64>) -> Vec<f64> {
        let rows = rows.as_standard_layout();
        let values = rows.as_slice().unwrap_or_default();
        let mut found = Vec::with_capacity(rows.nrows() * self.outputs);
        let beyond = rows.nrows() % ROWS;
        let (together, alone) = values.split_at(values.len() - if beyond <= FEW { beyond * self.inputs } else { 0 });
        self.run_blocks(together, &mut found);
        self.run_rows(alone, &mut found);
        found
    }

    fn run_blocks(&self, values: &[f64], found: &mut Vec<f64>) {
        let size = ROWS * self.inputs;
        let blocks = BLOCKS.min(values.len().div_ceil(size));
        let mut room = vec![Lane::default(); blocks * self.widest];
        let mut work = room.clone();
        for rows in values.chunks(size * BLOCKS) {
            let blocks = rows.len().div_ceil(size);
            for (rows, lanes) in rows.chunks(size).zip(room.chunks_exact_mut(padded(self.inputs))) {
                take_in(rows, self.inputs, lanes);
            }
            let mut width = padded(self.inputs);
            for step in &self.steps {
                width = step.run_blocks(&mut room, &mut work, blocks, width);
            }
            for (rows, lanes) in rows.chunks(size).zip(room.chunks_exact(width)) {
                let numbers = |row| lanes[..self.outputs].iter().map(move |lane: &Lane| f64::from(lane[row]));
                (0..rows.len() / self.inputs).for_each(|row| found.extend(numbers(row)));
            }
        }
    }

    fn run_rows(&self, values: &[f64], found: &mut Vec<f64>) {
        let mut room = vec![Quad::default(); quads(self.widest)];
        let mut work = room.clone();
        for row in values.chunks_exact(self.inputs) {
            room.as_flattened_mut().iter_mut().zip(row).for_each(|(place, value)| *place = single(*value));
            self.steps.iter().for_each(|step| step.run_row(&mut room, &mut work));
            found.extend(room.as_flattened()[..self.outputs].iter().copied().map(f64::from));
        }
    }
}

/// Writes up to a block of rows, given one after the other, into lanes, feature by feature.
fn take_in(rows: &[f64], width: usize, lanes: &mut [Lane]) {
    for (place, lane) in lanes[..width].iter_mut().enumerate() {
        lane.iter_mut().zip(rows.chunks_exact(width)).for_each(|(number, row)| *number = single(row[place]));
    }
}

/// Adds a step. What is only added to a product becomes its bias.
fn push(steps: &mut Vec<Step>, step: Step) {
    match (steps.last_mut(), &step) {
        (Some(Step::Dense { bias, .. }), Step::Each { function: Function::Add, constants })
            if bias.as_flattened().iter().all(|bias| *bias == 0.0) =>
        {
            bias.clone_from(constants);
        }
        _ => steps.push(step),
    }
}

/// A constant for each place of a row, from a tensor with one for each or one for all.
fn for_each_place(tensor: &Tensor, width: usize) -> Option<Vec<Quad>> {
    let row = matches!(tensor.shape(), [1, numbers] if *numbers == width || *numbers == 1);
    let numbers = if row { tensor.try_as_plain_ram().ok()?.as_slice::<f32>().ok()? } else { return None };
    let mut constants = vec![Quad::default(); quads(width)];
    constants.as_flattened_mut()[..width].iter_mut().zip(numbers.iter().cycle()).for_each(|(place, number)| *place = *number);
    Some(constants)
}

impl Step {
    /// A node that the row, `width` numbers, comes into by this one of its inputs.
    fn of(graph: &TypedModel, node: usize, slot: usize, width: usize) -> Option<Self> {
        let node = graph.node(node);
        let constant = || graph.outlet_fact(*node.inputs.get(1_usize.checked_sub(slot)?)?).ok()?.konst.as_deref();
        if let Some(product) = node.op_as::<EinSum>() {
            Self::dense(product, slot, constant()?, width)
        } else if let Some(TypedBinOp(function, None)) = node.op_as() {
            let function = match (function.name(), slot) {
                ("Add", _) => Function::Add,
                ("Sub", 0) => Function::Subtract,
                ("Sub", _) => Function::SubtractFrom,
                ("Mul", _) => Function::Multiply,
                ("Div", 0) => Function::Divide,
                ("Max", _) => Function::Greatest,
                ("Min", _) => Function::Least,
                _ => return None,
            };
            Some(Self::Each { function, constants: for_each_place(constant()?, width)? })
        } else {
            let ElementWiseOp(function, None) = node.op_as()? else { return None };
            let (function, constant) = match function.name().as_str() {
                "Tanh" => (Function::Tanh, 0.0),
                "Sigmoid" => (Function::Logistic, 0.0),
                _ => (Function::LeakyRelu, function.downcast_ref::<LeakyRelu>()?.alpha),
            };
            Some(Self::Each { function, constants: vec![[constant; 4]; quads(width)] })
        }
    }

    /// A product of the row with a constant matrix, whichever way round the graph has it.
    fn dense(product: &EinSum, slot: usize, matrix: &Tensor, width: usize) -> Option<Self> {
        let (row, constant, answer) = (InOut::In(slot), InOut::In(1 - slot), InOut::Out(0));
        let axes = &product.axes;
        let two_by_two = axes.input_count() == 2 && [row, constant, answer].iter().all(|side| axes.rank(*side) == 2);
        if product.q_params.is_some() || !two_by_two || matrix.datum_type() != f32::datum_type() {
            return None;
        }
        let [rows, inputs] = [0, 1].map(|axis| axes.axis((row, axis)));
        let (rows, inputs, outputs) = (rows.ok()?, inputs.ok()?, axes.axis((answer, 1)).ok()?);
        let input_axis = *inputs.interface(constant).first()?;
        let kept = rows.interface(answer) == [0] && rows.interface(constant).is_empty() && inputs.interface(answer).is_empty();
        if !kept
            || !outputs.interface(row).is_empty()
            || outputs.interface(constant) != [1 - input_axis]
            || matrix.shape()[input_axis] != width
        {
            return None;
        }
        let (shape, outputs) = (matrix.shape(), matrix.shape()[1 - input_axis]);
        if outputs == 0 {
            return None;
        }
        let mut weights = Tiles::zeros(width, outputs);
        for (place, weight) in matrix.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.iter().enumerate() {
            let place = [place / shape[1], place % shape[1]];
            *weights.weight_mut(place[input_axis], place[1 - input_axis]) = *weight;
        }
        Some(Self::Dense { weights, bias: vec![Quad::default(); quads(outputs)], inputs: width, outputs })
    }

    /// Runs blocks of so many lanes. Leaves the answers in the room, and says how many lanes a block has now.
    fn run_blocks(&self, room: &mut Vec<Lane>, work: &mut Vec<Lane>, blocks: usize, width: usize) -> usize {
        match self {
            Self::Dense { weights, bias, outputs, .. } => {
                let width_after = padded(*outputs);
                weights.multiply(&room[..blocks * width], bias, &mut work[..blocks * width_after], |sums| sums);
                std::mem::swap(room, work);
                width_after
            }
            Self::Each { function, constants } => {
                for block in room[..blocks * width].chunks_exact_mut(width) {
                    function.answer(block, constants);
                }
                width
            }
        }
    }

    /// Runs one row. Leaves the answers in the room.
    fn run_row(&self, room: &mut Vec<Quad>, work: &mut Vec<Quad>) {
        match self {
            Self::Dense { weights, bias, inputs, .. } => {
                weights.multiply_row(&room.as_flattened()[..*inputs], bias, &mut work[..bias.len()], |sums| sums);
                std::mem::swap(room, work);
            }
            Self::Each { function, constants } => {
                function.answer(room.as_mut_slice(), constants);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn each_function_is_itself_in_a_block_and_alone() {
        type Expected = fn(f64, f64) -> f64;
        let functions: [(Function, Expected); 10] = [
            (Function::Add, |number, constant| number + constant),
            (Function::Subtract, |number, constant| number - constant),
            (Function::SubtractFrom, |number, constant| constant - number),
            (Function::Multiply, |number, constant| number * constant),
            (Function::Divide, |number, constant| number / constant),
            (Function::Greatest, f64::max),
            (Function::Least, f64::min),
            (Function::LeakyRelu, |number, slope| if number > 0.0 { number } else { number * slope }),
            (Function::Logistic, |number, _| 1.0 / (1.0 + (-number).exp())),
            (Function::Tanh, |number, _| number.tanh()),
        ];
        // Ten rows: a block, and two alone.
        let rows = Array2::from_shape_fn((10, 5), |(row, place)| (row * 5 + place) as f64 / 8.0 - 3.0);
        let constants = vec![[0.5, -0.25, 1.5, 2.0], [-1.25, 0.0, 0.0, 0.0]];
        for (function, expected) in functions {
            let step = Step::Each { function, constants: constants.clone() };
            let chain = Chain { steps: vec![step], inputs: 5, outputs: 5, widest: 8 };
            let constants = constants.as_flattened();
            for (place, (found, number)) in chain.run(rows.view()).into_iter().zip(&rows).enumerate() {
                let expected = expected(*number, f64::from(constants[place % 5]));
                assert!((found - expected).abs() < 1e-6, "{function:?} of {number} is {expected}, found {found}");
            }
        }
    }
}
