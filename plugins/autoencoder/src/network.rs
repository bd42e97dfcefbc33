//! The network, and the forward pass that training and scoring share.

use crate::{activation::Activation, random::Random};
use synod_dense::{Lane, Quad, ROWS, Tiles, padded, quads};

/// One dense layer: `weights` from inputs to outputs, and one `bias` an output, in quads.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) weights: Tiles,
    pub(crate) bias: Vec<Quad>,
}

impl Layer {
    /// A layer of zeros.
    pub(crate) fn zeros(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, weights: Tiles::zeros(inputs, outputs), bias: vec![Quad::default(); quads(outputs)] }
    }

    /// Every weight without padding, input by input.
    pub(crate) fn weights(&self) -> impl Iterator<Item = f32> + '_ {
        (0..self.inputs).flat_map(move |input| (0..self.outputs).map(move |output| self.weights.weight(input, output)))
    }

    /// Every bias without padding.
    pub(crate) fn biases(&self) -> impl Iterator<Item = f32> + '_ {
        self.bias.as_flattened()[..self.outputs].iter().copied()
    }

    /// Takes weights and biases in the order of [`Layer::weights`] and [`Layer::biases`].
    pub(crate) fn fill(&mut self, mut weights: impl Iterator<Item = f32>, biases: impl Iterator<Item = f32>) {
        for (input, output) in (0..self.inputs).flat_map(|input| (0..self.outputs).map(move |output| (input, output))) {
            *self.weights.weight_mut(input, output) = weights.next().unwrap_or_default();
        }
        self.bias.as_flattened_mut()[..self.outputs].iter_mut().zip(biases).for_each(|(place, bias)| *place = bias);
    }

    /// Answers for blocks of rows; sums as they are where there is no activation.
    fn answer(&self, activation: Option<Activation>, blocks: &[Lane], answers: &mut [Lane]) {
        match activation {
            None => self.weights.multiply(blocks, &self.bias, answers, |sums| sums),
            Some(Activation::Relu) => self.weights.multiply(blocks, &self.bias, answers, |sums| Activation::Relu.answer(sums)),
            Some(Activation::Tanh) => self.weights.multiply(blocks, &self.bias, answers, |sums| Activation::Tanh.answer(sums)),
        }
    }

    /// The same for one row.
    fn answer_row(&self, activation: Option<Activation>, row: &[f32], answers: &mut [Quad]) {
        match activation {
            None => self.weights.multiply_row(row, &self.bias, answers, |sums| sums),
            Some(Activation::Relu) => self.weights.multiply_row(row, &self.bias, answers, |sums| Activation::Relu.answer(sums)),
            Some(Activation::Tanh) => self.weights.multiply_row(row, &self.bias, answers, |sums| Activation::Tanh.answer(sums)),
        }
    }
}

/// Layers of which each one's outputs are the next one's inputs. The last one answers its sums as they are.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) activation: Activation,
    pub(crate) layers: Vec<Layer>,
    /// For one block: where each layer's inputs start among all answers, in lanes; then where the last one's answers start, and the end.
    starts: Vec<usize>,
}

impl Network {
    /// A network of zeros with these widths, from the inputs to the outputs; at least two of them, none zero.
    pub(crate) fn zeros(activation: Activation, widths: &[usize]) -> Self {
        let layers = widths.windows(2).map(|pair| Layer::zeros(pair[0], pair[1])).collect();
        let ends = widths.iter().scan(0, |end, width| {
            *end += padded(*width);
            Some(*end)
        });
        Self { activation, layers, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// Random weights that keep the answers' variance from layer to layer: evenly within √(6 / (inputs + outputs)) for tanh (Glorot and
    /// Bengio 2010, equation 16) and within √(6 / inputs) for relu (He and others 2015, equation 10).
    pub(crate) fn random(activation: Activation, widths: &[usize], random: &mut Random) -> Self {
        let mut network = Self::zeros(activation, widths);
        for layer in &mut network.layers {
            let fan = if activation == Activation::Relu { layer.inputs } else { layer.inputs + layer.outputs };
            let bound = (6.0 / fan as f64).sqrt();
            layer.fill(std::iter::repeat_with(|| ((2.0 * random.unit() - 1.0) * bound) as f32), std::iter::empty());
        }
        network
    }

    /// From the inputs to the outputs.
    pub(crate) fn widths(&self) -> Vec<usize> {
        self.layers.iter().take(1).map(|layer| layer.inputs).chain(self.layers.iter().map(|layer| layer.outputs)).collect()
    }

    /// Room for the inputs and every layer's answers, for so many blocks. Zero: padding must be.
    pub(crate) fn room(&self, blocks: usize) -> Vec<Lane> {
        vec![[0.0; ROWS]; blocks * self.starts[self.layers.len() + 1]]
    }

    /// The inputs of a layer in the room for so many blocks, block by block; for the number of layers the network's answers.
    pub(crate) fn inputs<'a>(&self, room: &'a [Lane], blocks: usize, layer: usize) -> &'a [Lane] {
        &room[blocks * self.starts[layer]..blocks * self.starts[layer + 1]]
    }

    /// The same, to write.
    pub(crate) fn inputs_mut<'a>(&self, room: &'a mut [Lane], blocks: usize, layer: usize) -> &'a mut [Lane] {
        &mut room[blocks * self.starts[layer]..blocks * self.starts[layer + 1]]
    }

    /// A layer's inputs and its answers.
    pub(crate) fn layer_mut<'a>(&self, room: &'a mut [Lane], blocks: usize, layer: usize) -> (&'a mut [Lane], &'a mut [Lane]) {
        let both = &mut room[blocks * self.starts[layer]..blocks * self.starts[layer + 2]];
        both.split_at_mut(blocks * (self.starts[layer + 1] - self.starts[layer]))
    }

    /// What follows a layer's sums: nothing after the last.
    fn after(&self, layer: usize) -> Option<Activation> {
        (layer + 1 < self.layers.len()).then_some(self.activation)
    }

    /// Computes every layer's answers from the inputs in the room. `between` sees the answers of each hidden layer before the next one does.
    pub(crate) fn forward(&self, room: &mut [Lane], blocks: usize, mut between: impl FnMut(usize, &mut [Lane])) {
        for (place, layer) in self.layers.iter().enumerate() {
            let (inputs, answers) = self.layer_mut(room, blocks, place);
            layer.answer(self.after(place), inputs, answers);
            if place + 1 < self.layers.len() {
                between(place, answers);
            }
        }
    }

    /// Room for one row's inputs or a layer's answers.
    pub(crate) fn row_room(&self) -> Vec<Quad> {
        let widest = self.layers.iter().map(|layer| layer.inputs.max(layer.outputs)).max().unwrap_or_default();
        vec![Quad::default(); quads(widest)]
    }

    /// The answers for one row, the same bits as in a block. Leaves them in the first room, which has the row; the second is for the work.
    pub(crate) fn forward_row(&self, row: &mut Vec<Quad>, work: &mut Vec<Quad>) {
        for (place, layer) in self.layers.iter().enumerate() {
            layer.answer_row(self.after(place), row.as_flattened(), &mut work[..layer.bias.len()]);
            std::mem::swap(row, work);
        }
    }
}
