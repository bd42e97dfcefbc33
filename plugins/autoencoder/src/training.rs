//! How a network learns to reproduce rows: batches in random order, backpropagation, and an end when a part of the rows that it does not
//! learn from is no longer reproduced better.

use crate::{adam::Adam, network::Network, parameters::Parameters, random::Random};
use synod_dense::{Lane, Quad, ROWS, Tiles, padded, quads};
use synod_sdk::{Error, log};

/// How many times worse than no network at all a network may be at most. A wild one is worse by far more; an unlucky validation is not.
const TOLERATED: f64 = 10.0;

/// Standardised rows, and how much each counts: 1 on average.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) width: usize,
    pub(crate) values: Vec<f32>,
    pub(crate) weights: Vec<f32>,
}

impl Rows {
    fn row(&self, place: usize) -> &[f32] {
        &self.values[place * self.width..(place + 1) * self.width]
    }

    fn weight(&self, places: &[usize]) -> f64 {
        places.iter().map(|place| f64::from(self.weights[*place])).sum()
    }

    /// The mean square of these rows: the loss of a network that answers the mean, which is zero, to every row.
    fn square(&self, places: &[usize]) -> f64 {
        let square = |place: usize| self.row(place).iter().map(|value| f64::from(value * value)).sum::<f64>();
        let squares = places.iter().map(|place| square(*place) * f64::from(self.weights[*place]));
        squares.sum::<f64>() / (self.weight(places) * self.width as f64)
    }
}

/// What a training gives.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) network: Network,
    /// The mean squared error of each feature, of the rows that are for validation, or of all if none is.
    pub(crate) errors: Vec<f64>,
}

/// The best network, and what it took.
#[derive(Debug)]
struct Best {
    network: Network,
    loss: f64,
    epoch: usize,
}

/// Trains a network of these widths. The first share of a random order of the rows is for validation.
///
/// # Errors
/// When the training diverges.
pub(crate) fn train(parameters: &Parameters, widths: &[usize], rows: &Rows, random: &mut Random) -> Result<Trained, Error> {
    let network = Network::random(parameters.activation, widths, random);
    let mut order: Vec<usize> = (0..rows.weights.len()).collect();
    random.shuffle(&mut order);
    let held = held_out(parameters.validation, order.len());
    let (held, learnt) = order.split_at_mut(held);
    let mut trainer = Trainer::new(parameters, network);
    let best = trainer.learn(rows, learnt, held, random)?;
    log::info(&format!("kept the weights of epoch {}, loss {:.6}", best.epoch, best.loss));
    let judged = if held.is_empty() { learnt } else { held };
    let of_mean = rows.square(judged);
    if best.loss > TOLERATED * of_mean.max(1.0) {
        return Err(diverged(parameters, &format!("is {:.3e} where every row's mean would give {of_mean:.3}", best.loss)));
    }
    trainer.network = best.network;
    let errors = trainer.errors(rows, judged);
    Ok(Trained { network: trainer.network, errors })
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
    /// A batch in blocks: its rows, and how much each counts; none where the last block is padded.
    targets: Vec<Lane>,
    weights: Vec<Lane>,
    /// Answers, what is to change of them, and what dropout multiplies them by.
    room: Vec<Lane>,
    deltas: Vec<Lane>,
    masks: Vec<Lane>,
}

impl<'a> Trainer<'a> {
    fn new(parameters: &'a Parameters, network: Network) -> Self {
        let adam = Adam::new(&network, parameters.learning_rate, parameters.weight_decay);
        let mirrored = network.layers.iter().map(|layer| Tiles::zeros(layer.outputs, layer.inputs)).collect();
        let blocks = parameters.batch_size.div_ceil(ROWS);
        let room = network.room(blocks);
        let gradient = Network::zeros(network.activation, &network.widths());
        let targets = network.inputs(&room, blocks, 0).to_vec();
        let (deltas, masks, weights) = (room.clone(), room.clone(), vec![[0.0; ROWS]; blocks]);
        Self { parameters, gradient, adam, mirrored, targets, weights, deltas, masks, room, network }
    }

    /// Learns until there is nothing more to learn. The loss is that of the rows held out, or of the training itself if none is.
    fn learn(&mut self, rows: &Rows, learnt: &mut [usize], held: &[usize], random: &mut Random) -> Result<Best, Error> {
        let parameters = self.parameters;
        let mut best = Best { loss: f64::INFINITY, epoch: 0, network: self.network.clone() };
        for epoch in 1..=parameters.epochs {
            random.shuffle(learnt);
            let training = self.epoch(rows, learnt, random);
            let loss = if held.is_empty() { training } else { mean(&self.errors(rows, held)) };
            if !loss.is_finite() || !training.is_finite() {
                return Err(diverged(parameters, "is no longer a number"));
            }
            if loss < best.loss {
                best = Best { loss, epoch, network: self.network.clone() };
            }
            report(parameters, epoch, loss, held.is_empty());
            if epoch - best.epoch >= parameters.patience {
                log::info(&format!("stopped after epoch {epoch}: no better for {} epochs", parameters.patience));
                break;
            }
        }
        Ok(best)
    }

    /// Learns from every row once. Returns the mean loss on the way.
    fn epoch(&mut self, rows: &Rows, order: &[usize], random: &mut Random) -> f64 {
        let mut sums = vec![0.0; padded(rows.width)];
        for batch in order.chunks(self.parameters.batch_size) {
            let blocks = self.fill(rows, batch);
            self.add_noise(rows.width, blocks, random);
            self.forward(blocks, random);
            self.error(batch.len(), rows.width, &mut sums);
            self.backward(blocks);
            self.adam.step(&mut self.network, &self.gradient);
        }
        sums.iter().sum::<f64>() / (rows.weight(order) * rows.width as f64)
    }

    /// The mean squared error of each feature over these rows.
    fn errors(&mut self, rows: &Rows, places: &[usize]) -> Vec<f64> {
        let mut sums = vec![0.0; padded(rows.width)];
        for batch in places.chunks(self.parameters.batch_size) {
            let blocks = self.fill(rows, batch);
            self.network.forward(&mut self.room, blocks, |_, _| ());
            self.error(batch.len(), rows.width, &mut sums);
        }
        let weight = rows.weight(places);
        sums[..rows.width].iter().map(|sum| sum / weight).collect()
    }

    /// Takes a batch in. Returns its number of blocks.
    fn fill(&mut self, rows: &Rows, batch: &[usize]) -> usize {
        let (lanes, blocks) = (padded(rows.width), batch.len().div_ceil(ROWS));
        self.weights.fill([0.0; ROWS]);
        let targets = self.targets.chunks_exact_mut(lanes).zip(&mut self.weights);
        for (places, (target, weights)) in batch.chunks(ROWS).zip(targets) {
            for (row, place) in places.iter().enumerate() {
                weights[row] = rows.weights[*place];
                target.iter_mut().zip(rows.row(*place)).for_each(|(lane, value)| lane[row] = *value);
            }
        }
        self.network.inputs_mut(&mut self.room, blocks, 0).copy_from_slice(&self.targets[..blocks * lanes]);
        blocks
    }

    fn add_noise(&mut self, width: usize, blocks: usize, random: &mut Random) {
        if self.parameters.noise > 0.0 {
            for block in self.network.inputs_mut(&mut self.room, blocks, 0).chunks_exact_mut(padded(width)) {
                let values = block[..width].as_flattened_mut();
                values.iter_mut().for_each(|value| *value += (random.normal() * self.parameters.noise) as f32);
            }
        }
    }

    /// Forward, with hidden units left out at random, and the others made larger so that sums stay alike (Srivastava and others, "Dropout: A
    /// Simple Way to Prevent Neural Networks from Overfitting", 2014, section 10).
    fn forward(&mut self, blocks: usize, random: &mut Random) {
        let (dropout, scale) = (self.parameters.dropout, self.scale());
        let Self { network, room, masks, .. } = self;
        network.forward(room, blocks, |layer, answers| {
            if dropout > 0.0 {
                let masks = network.inputs_mut(masks, blocks, layer + 1).as_flattened_mut();
                for (answer, mask) in answers.as_flattened_mut().iter_mut().zip(masks) {
                    *mask = if random.unit() < dropout { 0.0 } else { scale };
                    *answer *= *mask;
                }
            }
        });
    }

    /// What dropout multiplies the answers that it keeps by.
    fn scale(&self) -> f32 {
        (1.0 / (1.0 - self.parameters.dropout)) as f32
    }

    /// Adds the squared errors of a batch of so many rows that went forward to the sums of the features and their padding, and leaves the loss's slope in the deltas
    /// of the answers.
    fn error(&mut self, rows: usize, width: usize, sums: &mut [f64]) {
        let (blocks, last) = (rows.div_ceil(ROWS), self.network.layers.len());
        let factor = 2.0 / (rows * width) as f32;
        let lanes = padded(width);
        let answers = self.network.inputs(&self.room, blocks, last).chunks_exact(lanes);
        let deltas = self.network.inputs_mut(&mut self.deltas, blocks, last).chunks_exact_mut(lanes);
        let given = self.targets.chunks_exact(lanes).zip(&self.weights);
        for ((answers, deltas), (targets, weights)) in answers.zip(deltas).zip(given) {
            for ((sum, answer), (target, delta)) in sums.iter_mut().zip(answers).zip(targets.iter().zip(deltas)) {
                let mut squares = 0.0;
                for ((answer, target), (weight, delta)) in answer.iter().zip(target).zip(weights.iter().zip(delta)) {
                    let error = answer - target;
                    squares += weight * error * error;
                    *delta = factor * weight * error;
                }
                *sum += f64::from(squares);
            }
        }
    }

    /// From the slope of the answers to the gradient of every layer, last first (Rumelhart, Hinton and Williams 1986).
    fn backward(&mut self, blocks: usize) {
        let scale = self.scale();
        for (place, layer) in self.network.layers.iter().enumerate().rev() {
            let inputs = self.network.inputs(&self.room, blocks, place);
            let gradient = &mut self.gradient.layers[place];
            let (before, deltas) = self.network.layer_mut(&mut self.deltas, blocks, place);
            gradient.weights.outer(inputs, deltas);
            add_up(deltas, &mut gradient.bias);
            // Nobody asks how the rows themselves should change.
            if place > 0 {
                self.mirrored[place].transpose(&layer.weights);
                let start = vec![Quad::default(); quads(layer.inputs)];
                self.mirrored[place].multiply(deltas, &start, before, |sum| sum);
                if self.parameters.dropout > 0.0 {
                    let masks = self.network.inputs(&self.masks, blocks, place).as_flattened();
                    before.as_flattened_mut().iter_mut().zip(masks).for_each(|(delta, mask)| *delta *= mask);
                }
                self.network.activation.chain(inputs, scale, before);
            }
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sum of each output's deltas over all rows.
fn add_up(deltas: &[Lane], sums: &mut [Quad]) {
    let sums = sums.as_flattened_mut();
    sums.fill(0.0);
    for block in deltas.chunks_exact(sums.len()) {
        sums.iter_mut().zip(block).for_each(|(sum, deltas)| *sum += deltas.iter().sum::<f32>());
    }
}
