//! The detector: a network, and the scale of the rows that it was trained on.

use crate::{
    activation::Activation,
    export,
    network::Network,
    parameters::Parameters,
    random::Random,
    scale::Scale,
    tiles::{LANES, Lane, lanes},
    training::train,
};
use ndarray::{Array2, ArrayView2};
use synod_sdk::{Description, Detector, Error, Explanation, Reader, Training, Writer};

/// The version of the model's bytes. Raise it whenever [`Autoencoder::to_bytes`] changes.
const FORMAT: u32 = 1;

/// Rows that go through the network together: their numbers stay in the fastest memory.
const BLOCK: usize = 32;

/// A trained autoencoder.
#[derive(Debug)]
pub struct Autoencoder {
    pub(crate) scale: Scale,
    pub(crate) network: Network,
}

impl Autoencoder {
    /// Calls `each` with every row's contributions of its features to its raw score.
    fn each_row(&self, rows: ArrayView2<'_, f64>, mut each: impl FnMut(&[f64])) {
        let rows = rows.as_standard_layout();
        let (values, width) = (rows.as_slice().unwrap_or_default(), self.width());
        let mut room = self.network.room(rows.nrows().min(BLOCK));
        let mut shares = vec![0.0; width];
        for block in values.chunks(width * BLOCK) {
            let count = block.len() / width;
            let inputs = self.network.inputs_mut(&mut room, count, 0).chunks_exact_mut(lanes(width));
            block.chunks_exact(width).zip(inputs).for_each(|(row, lanes)| self.scale.write(row, lanes));
            self.network.forward(&mut room, count);
            let answers = self.network.answers(&room, count).chunks_exact(lanes(width));
            for (row, answer) in block.chunks_exact(width).zip(answers) {
                self.scale.shares(row, answer, &mut shares);
                each(&shares);
            }
        }
    }
}

impl Detector for Autoencoder {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "autoencoder",
            version: env!("CARGO_PKG_VERSION"),
            summary: "How badly a network that learnt ordinary rows reproduces this one",
            minimum_rows: 10,
            explains: true,
            exports_onnx: true,
            ..Description::default()
        }
    }

    fn check(parameters: &Parameters) -> Vec<String> {
        parameters.mistakes()
    }

    fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let scale = Scale::of(training.rows);
        let width = training.rows.ncols();
        let mut values: Vec<Lane> = vec![[0.0; LANES]; training.rows.nrows() * lanes(width)];
        for (row, lanes) in training.rows.rows().into_iter().zip(values.chunks_exact_mut(lanes(width))) {
            scale.write(&row.to_vec(), lanes);
        }
        let network = train(parameters, &parameters.widths(width), values, &mut Random::new(training.seed))?;
        Ok(Self { scale, network })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        let widths: Vec<u32> = self.network.widths().iter().map(|width| *width as u32).collect();
        writer.number(u64::from(self.network.activation == Activation::Relu)).numbers(&widths);
        writer.reals(&self.scale.mean).reals(&self.scale.spread);
        for layer in &self.network.layers {
            writer.numbers(&layer.weights().map(f32::to_bits).collect::<Vec<_>>());
            writer.numbers(&layer.biases().map(f32::to_bits).collect::<Vec<_>>());
        }
        writer.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let activation = match reader.number()? {
            0 => Activation::Tanh,
            1 => Activation::Relu,
            other => return Err(Error::Model(format!("the model has an activation {other} that is not known"))),
        };
        let widths: Vec<usize> = reader.numbers()?.into_iter().map(|width| width as usize).collect();
        let scale = Scale::new(reader.reals()?, reader.reals()?).ok_or_else(|| Error::Model("the model's scale is damaged".into()))?;
        let ends = [widths.first(), widths.last()];
        if widths.len() < 2 || widths.contains(&0) || ends != [Some(&scale.mean.len()); 2] {
            return Err(Error::Model(format!("layers of {widths:?} units make no autoencoder of {} features", scale.mean.len())));
        }
        let network = read_network(&mut reader, activation, &widths)?;
        reader.finish()?;
        Ok(Self { scale, network })
    }

    fn width(&self) -> usize {
        self.scale.mean.len()
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        let mut scores = Vec::with_capacity(rows.nrows());
        self.each_row(rows, |shares| scores.push(shares.iter().sum()));
        match scores.iter().position(|score: &f64| !score.is_finite()) {
            Some(row) => Err(Error::Data(format!("row {row} has no finite score: is a value missing?"))),
            None => Ok(scores),
        }
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let mut parts = Vec::with_capacity(rows.len());
        self.each_row(rows, |shares| parts.extend_from_slice(shares));
        let contributions = Array2::from_shape_vec(rows.dim(), parts).map_err(|error| Error::Data(error.to_string()))?;
        Ok(Explanation { base: 0.0, contributions })
    }

    fn export_onnx(&self) -> Result<Vec<u8>, Error> {
        export::file(self)
    }
}

fn read_network(reader: &mut Reader<'_>, activation: Activation, widths: &[usize]) -> Result<Network, Error> {
    let mut parts = Vec::new();
    for pair in widths.windows(2) {
        let (weights, biases) = (reader.numbers()?, reader.numbers()?);
        // Checked before there is a network of these widths, which damaged bytes could make too large for the memory.
        let whole = pair[0].checked_mul(pair[1]) == Some(weights.len()) && biases.len() == pair[1];
        let finite = weights.iter().chain(&biases).all(|bits| f32::from_bits(*bits).is_finite());
        if !whole || !finite {
            return Err(Error::Model(format!("the weights between {} and {} units are damaged", pair[0], pair[1])));
        }
        parts.push((weights, biases));
    }
    let mut network = Network::zeros(activation, widths);
    for (layer, (weights, biases)) in network.layers.iter_mut().zip(parts) {
        layer.fill(weights.into_iter().map(f32::from_bits), biases.into_iter().map(f32::from_bits));
    }
    Ok(network)
}
