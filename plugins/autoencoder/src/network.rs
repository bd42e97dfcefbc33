//! The network, and the forward pass that training and scoring share.

use crate::{
    activation::Activation,
    random::Random,
    tiles::{LANES, Lane, Tiles, lanes},
};

/// One dense layer: `weights` from inputs to outputs, and one `bias` an output, in lanes.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) weights: Tiles,
    pub(crate) bias: Vec<Lane>,
}

impl Layer {
    /// A layer of zeros.
    pub(crate) fn zeros(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, weights: Tiles::zeros(inputs, outputs), bias: vec![[0.0; LANES]; lanes(outputs)] }
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
}

/// Layers of which each one's outputs are the next one's inputs. The last one answers its sums as they are.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) activation: Activation,
    pub(crate) layers: Vec<Layer>,
    /// For one row: where each layer's inputs start among all answers, in lanes; then where the last one's answers start, and the end.
    starts: Vec<usize>,
}

impl Network {
    /// A network of zeros with these widths, from the inputs to the outputs; at least two of them, none zero.
    pub(crate) fn zeros(activation: Activation, widths: &[usize]) -> Self {
        let layers = widths.windows(2).map(|pair| Layer::zeros(pair[0], pair[1])).collect();
        let ends = widths.iter().scan(0, |end, width| {
            *end += lanes(*width);
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

    /// Lanes that a row has among the inputs.
    pub(crate) fn row_lanes(&self) -> usize {
        self.starts[1]
    }

    /// Room for the inputs and every layer's answers, for so many rows. Zero: padding must be.
    pub(crate) fn room(&self, rows: usize) -> Vec<Lane> {
        vec![[0.0; LANES]; rows * self.starts[self.layers.len() + 1]]
    }

    /// The inputs of a layer in the room for so many rows, row by row; for the number of layers the network's answers.
    pub(crate) fn inputs<'a>(&self, room: &'a [Lane], rows: usize, layer: usize) -> &'a [Lane] {
        &room[rows * self.starts[layer]..rows * self.starts[layer + 1]]
    }

    /// The same, to write.
    pub(crate) fn inputs_mut<'a>(&self, room: &'a mut [Lane], rows: usize, layer: usize) -> &'a mut [Lane] {
        &mut room[rows * self.starts[layer]..rows * self.starts[layer + 1]]
    }

    /// A layer's inputs and its answers.
    pub(crate) fn layer_mut<'a>(&self, room: &'a mut [Lane], rows: usize, layer: usize) -> (&'a mut [Lane], &'a mut [Lane]) {
        let both = &mut room[rows * self.starts[layer]..rows * self.starts[layer + 2]];
        both.split_at_mut(rows * (self.starts[layer + 1] - self.starts[layer]))
    }

    /// The network's answers, in a room that [`Network::forward`] has filled.
    pub(crate) fn answers<'a>(&self, room: &'a [Lane], rows: usize) -> &'a [Lane] {
        self.inputs(room, rows, self.layers.len())
    }

    /// Computes every layer's answers from the inputs in the room.
    pub(crate) fn forward(&self, room: &mut [Lane], rows: usize) {
        for (place, layer) in self.layers.iter().enumerate() {
            let (inputs, answers) = self.layer_mut(room, rows, place);
            layer.weights.multiply(inputs, &layer.bias, answers);
            if place + 1 < self.layers.len() {
                self.activation.apply(answers);
            }
        }
    }
}
