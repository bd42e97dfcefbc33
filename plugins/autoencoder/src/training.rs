//! How a network learns to reproduce rows: batches in random order, backpropagation, and an end when a part of the rows that it does not
//! learn from is no longer reproduced better.

use crate::{
    adam::Adam,
    network::Network,
    parameters::Parameters,
    random::Random,
    tiles::{LANES, Lane, Tiles, lanes},
};
use synod_sdk::{Error, log};

/// How many times worse than no network at all a network may be at most. A wild one is worse by far more; an unlucky validation is not.
const TOLERATED: f64 = 10.0;

/// Rows of one width, in lanes.
struct Rows {
    width: usize,
    /// Lanes of a row.
    lanes: usize,
    values: Vec<Lane>,
}

impl Rows {
    fn row(&self, place: usize) -> &[Lane] {
        &self.values[place * self.lanes..(place + 1) * self.lanes]
    }

    /// The mean square of these rows: the loss of a network that answers the mean, which is zero, to every row.
    fn square(&self, places: &[usize]) -> f64 {
        let squares = places.iter().flat_map(|place| self.row(*place).as_flattened()).map(|value| f64::from(value * value));
        squares.sum::<f64>() / (places.len() * self.width) as f64
    }

    fn copy(&self, places: &[usize], to: &mut [Lane]) {
        places.iter().zip(to.chunks_exact_mut(self.lanes)).for_each(|(place, to)| to.copy_from_slice(self.row(*place)));
    }
}

/// The best network, and what it took.
#[derive(Debug)]
struct Best {
    network: Network,
    loss: f64,
    epoch: usize,
}

/// Trains a network of these widths on standardised rows, given in lanes. The last share of a random order of the rows is for validation.
///
/// # Errors
/// When the training diverges.
pub(crate) fn train(parameters: &Parameters, widths: &[usize], values: Vec<Lane>, random: &mut Random) -> Result<Network, Error> {
    let network = Network::random(parameters.activation, widths, random);
    let rows = Rows { width: widths[0], lanes: network.row_lanes(), values };
    let mut order: Vec<usize> = (0..rows.values.len() / rows.lanes).collect();
    random.shuffle(&mut order);
    let held = held_out(parameters.validation, order.len());
    let (held, learnt) = order.split_at_mut(held);
    let mut trainer = Trainer::new(parameters, network);
    let mut best = Best { loss: f64::INFINITY, epoch: 0, network: trainer.network.clone() };
    for epoch in 1..=parameters.epochs {
        random.shuffle(learnt);
        let training = trainer.epoch(&rows, learnt, random);
        let loss = if held.is_empty() { training } else { trainer.loss(&rows, held) };
        if !loss.is_finite() || !training.is_finite() {
            return Err(diverged(parameters, "is no longer a number"));
        }
        if loss < best.loss {
            best = Best { loss, epoch, network: trainer.network.clone() };
        }
        report(parameters, epoch, loss, held.is_empty());
        if epoch - best.epoch >= parameters.patience {
            log::info(&format!("stopped after epoch {epoch}: no better for {} epochs", parameters.patience));
            break;
        }
    }
    log::info(&format!("kept the weights of epoch {}, loss {:.6}", best.epoch, best.loss));
    let of_mean = rows.square(if held.is_empty() { learnt } else { held });
    if best.loss > TOLERATED * of_mean.max(1.0) {
        return Err(diverged(parameters, &format!("is {:.3e} where every row's mean would give {of_mean:.3}", best.loss)));
    }
    Ok(best.network)
}

/// At least one row, if there is to be a validation at all, and at least one to learn from.
fn held_out(share: f64, rows: usize) -> usize {
    if share > 0.0 { ((rows as f64 * share).round() as usize).clamp(1, rows - 1) } else { 0 }
}

fn report(parameters: &Parameters, epoch: usize, loss: f64, training: bool) {
    if epoch.is_multiple_of(parameters.epochs.div_ceil(20)) {
        let which = if training { "training" } else { "validation" };
        log::info(&format!("epoch {epoch} of {}, {which} loss {loss:.6}", parameters.epochs));
    }
}

fn diverged(parameters: &Parameters, loss: &str) -> Error {
    let advice =
        format!("lower `learning_rate` (now {}), or raise `weight_decay` (now {})", parameters.learning_rate, parameters.weight_decay);
    Error::Parameters(format!("the training diverged, its loss {loss}: {advice}"))
}

/// The network that learns, with everything that a step needs.
struct Trainer<'a> {
    parameters: &'a Parameters,
    network: Network,
    gradient: Network,
    adam: Adam,
    /// Each layer's weights with inputs and outputs exchanged.
    mirrored: Vec<Tiles>,
    /// Answers, and what is to change of them; for a whole batch.
    room: Vec<Lane>,
    deltas: Vec<Lane>,
}

impl<'a> Trainer<'a> {
    fn new(parameters: &'a Parameters, network: Network) -> Self {
        let adam = Adam::new(&network, parameters.learning_rate, parameters.weight_decay);
        let mirrored = network.layers.iter().map(|layer| Tiles::zeros(layer.outputs, layer.inputs)).collect();
        let room = network.room(parameters.batch_size);
        let gradient = Network::zeros(network.activation, &network.widths());
        Self { parameters, gradient, adam, mirrored, deltas: room.clone(), room, network }
    }

    /// Learns from every row once. Returns the mean loss on the way.
    fn epoch(&mut self, rows: &Rows, order: &[usize], random: &mut Random) -> f64 {
        let mut sum = 0.0;
        for batch in order.chunks(self.parameters.batch_size) {
            rows.copy(batch, self.network.inputs_mut(&mut self.room, batch.len(), 0));
            self.add_noise(rows.width, batch.len(), random);
            self.network.forward(&mut self.room, batch.len());
            sum += self.error(rows, batch);
            self.backward(batch.len());
            self.adam.step(&mut self.network, &self.gradient);
        }
        sum / (order.len() * rows.width) as f64
    }

    /// The mean squared error of these rows.
    fn loss(&mut self, rows: &Rows, places: &[usize]) -> f64 {
        let mut sum = 0.0;
        for batch in places.chunks(self.parameters.batch_size) {
            rows.copy(batch, self.network.inputs_mut(&mut self.room, batch.len(), 0));
            self.network.forward(&mut self.room, batch.len());
            sum += self.error(rows, batch);
        }
        sum / (places.len() * rows.width) as f64
    }

    fn add_noise(&mut self, width: usize, count: usize, random: &mut Random) {
        if self.parameters.noise > 0.0 {
            let inputs = self.network.inputs_mut(&mut self.room, count, 0);
            for row in inputs.chunks_exact_mut(lanes(width)) {
                row.as_flattened_mut()[..width].iter_mut().for_each(|value| *value += (random.normal() * self.parameters.noise) as f32);
            }
        }
    }

    /// The sum of the squared errors of a batch that went forward; leaves the loss's slope in the deltas of the answers.
    fn error(&mut self, rows: &Rows, batch: &[usize]) -> f64 {
        let factor = 2.0 / (batch.len() * rows.width) as f32;
        let last = self.network.layers.len();
        let answers = self.network.inputs(&self.room, batch.len(), last).chunks_exact(rows.lanes);
        let deltas = self.network.inputs_mut(&mut self.deltas, batch.len(), last).chunks_exact_mut(rows.lanes);
        let mut sum = 0.0;
        for ((place, answer), delta) in batch.iter().zip(answers).zip(deltas) {
            let values = rows.row(*place).as_flattened().iter().zip(answer.as_flattened()).zip(delta.as_flattened_mut());
            for ((value, answer), delta) in values {
                let error = answer - value;
                sum += f64::from(error * error);
                *delta = factor * error;
            }
        }
        sum
    }

    /// From the slope of the answers to the gradient of every layer, last first (Rumelhart, Hinton and Williams 1986).
    fn backward(&mut self, count: usize) {
        for (place, layer) in self.network.layers.iter().enumerate().rev() {
            let inputs = self.network.inputs(&self.room, count, place);
            let gradient = &mut self.gradient.layers[place];
            let (before, deltas) = self.network.layer_mut(&mut self.deltas, count, place);
            gradient.weights.outer(inputs, deltas);
            add_up(deltas, &mut gradient.bias);
            // Nobody asks how the rows themselves should change.
            if place > 0 {
                self.mirrored[place].transpose(&layer.weights);
                let start = vec![[0.0; LANES]; lanes(layer.inputs)];
                self.mirrored[place].multiply(deltas, &start, before);
                self.network.activation.chain(inputs, before);
            }
        }
    }
}

fn add_up(deltas: &[Lane], sums: &mut [Lane]) {
    sums.fill([0.0; LANES]);
    for row in deltas.chunks_exact(sums.len()) {
        for (sum, delta) in sums.as_flattened_mut().iter_mut().zip(row.as_flattened()) {
            *sum += delta;
        }
    }
}
