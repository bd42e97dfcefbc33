//! Adam (Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1), with weight decay apart from the gradient
//! (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2).

use crate::network::Network;
use synod_dense::Quad;

/// How fast the averages of the gradient and of its square forget, and what keeps the division from zero: the paper's defaults.
const FORGET: f32 = 0.9;
const FORGET_SQUARE: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The averages, and how far they are from their start.
#[derive(Debug)]
pub(crate) struct Adam {
    rate: f32,
    decay: f32,
    mean: Network,
    square: Network,
    /// What is left of the zeros that the averages started from.
    bias: f64,
    square_bias: f64,
}

/// The factors of one step.
#[derive(Debug, Clone, Copy)]
struct Step {
    rate: f32,
    keep: f32,
    /// Corrections of the averages for their start from zero.
    mean: f32,
    square: f32,
}

impl Adam {
    pub(crate) fn new(network: &Network, rate: f64, decay: f64) -> Self {
        let zeros = Network::zeros(network.activation, &network.widths());
        Self { rate: rate as f32, decay: decay as f32, mean: zeros.clone(), square: zeros, bias: 1.0, square_bias: 1.0 }
    }

    /// One step against the gradient.
    pub(crate) fn step(&mut self, network: &mut Network, gradient: &Network) {
        self.bias *= f64::from(FORGET);
        self.square_bias *= f64::from(FORGET_SQUARE);
        let (mean, square) = ((1.0 / (1.0 - self.bias)) as f32, (1.0 / (1.0 - self.square_bias)) as f32);
        let bias = Step { rate: self.rate, keep: 1.0, mean, square };
        // Biases do not decay.
        let weight = Step { keep: 1.0 - self.rate * self.decay, ..bias };
        let averages = self.mean.layers.iter_mut().zip(&mut self.square.layers);
        for ((layer, gradient), (mean, square)) in network.layers.iter_mut().zip(&gradient.layers).zip(averages) {
            let of = (mean.weights.values_mut(), square.weights.values_mut());
            weight.update(layer.weights.values_mut(), gradient.weights.values(), of);
            bias.update(&mut layer.bias, &gradient.bias, (&mut mean.bias, &mut square.bias));
        }
    }
}

impl Step {
    fn update(self, values: &mut [Quad], gradients: &[Quad], (means, squares): (&mut [Quad], &mut [Quad])) {
        let averages = means.as_flattened_mut().iter_mut().zip(squares.as_flattened_mut());
        for ((value, gradient), (mean, square)) in values.as_flattened_mut().iter_mut().zip(gradients.as_flattened()).zip(averages) {
            *mean = FORGET * *mean + (1.0 - FORGET) * gradient;
            *square = FORGET_SQUARE * *square + (1.0 - FORGET_SQUARE) * gradient * gradient;
            *value = *value * self.keep - self.rate * (*mean * self.mean) / ((*square * self.square).sqrt() + EPSILON);
        }
    }
}
