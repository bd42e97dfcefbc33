//! The detector: a network, and the scale of the rows that it was trained on.

use crate::{
    activation::Activation,
    error::Judge,
    export,
    network::Network,
    parameters::Parameters,
    random::Random,
    scale::Scale,
    training::{Rows, train},
};
use ndarray::{Array2, ArrayView2};
use synod_sdk::{Description, Detector, Error, Explanation, Reader, Training, Writer};

/// The version of the model's bytes. Raise it whenever [`Autoencoder::to_bytes`] changes.
const FORMAT: u32 = 2;

/// A trained autoencoder.
#[derive(Debug)]
pub struct Autoencoder {
    pub(crate) scale: Scale,
    pub(crate) network: Network,
    /// One for each feature.
    pub(crate) judges: Vec<Judge>,
}

impl Detector for Autoencoder {
    type Parameters = Parameters;

    fn description() -> Description {
        Description {
            name: "autoencoder",
            version: env!("CARGO_PKG_VERSION"),
            summary: "How badly a network that learnt ordinary rows reproduces this one",
            minimum_rows: 10,
            weights: true,
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
        let values = training.rows.rows().into_iter().flat_map(|row| scale.row(&row.to_vec()).collect::<Vec<_>>()).collect();
        let rows = Rows { width, values, weights: weights(training) };
        let trained = train(parameters, &parameters.widths(width), &rows, &mut Random::new(training.seed))?;
        let judges = Judge::all(parameters.error, &trained.errors);
        Ok(Self { scale, network: trained.network, judges })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        let widths: Vec<u32> = self.network.widths().iter().map(|width| *width as u32).collect();
        writer.number(u64::from(self.network.activation == Activation::Relu)).numbers(&widths);
        writer.reals(&self.scale.mean).reals(&self.scale.spread);
        writer.reals(&self.judges.iter().map(|judge| judge.unit).collect::<Vec<_>>()).real(self.judges[0].damping);
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
        let judges = read_judges(&mut reader, scale.mean.len())?;
        let ends = [widths.first(), widths.last()];
        if widths.len() < 2 || widths.contains(&0) || ends != [Some(&scale.mean.len()); 2] {
            return Err(Error::Model(format!("layers of {widths:?} units make no autoencoder of {} features", scale.mean.len())));
        }
        let network = read_network(&mut reader, activation, &widths)?;
        reader.finish()?;
        Ok(Self { scale, network, judges })
    }

    fn width(&self) -> usize {
        self.scale.mean.len()
    }

    fn score(&self, rows: ArrayView2<'_, f64>) -> Result<Vec<f64>, Error> {
        let rows = rows.as_standard_layout();
        let scores = self.scores(rows.as_slice().unwrap_or_default());
        match scores.iter().position(|score: &f64| !score.is_finite()) {
            Some(row) => Err(Error::Data(format!("row {row} has no finite score: is a value missing?"))),
            None => Ok(scores),
        }
    }

    fn explain(&self, rows: ArrayView2<'_, f64>) -> Result<Explanation, Error> {
        let shares = self.shares(rows.as_standard_layout().as_slice().unwrap_or_default());
        let contributions = Array2::from_shape_vec(rows.dim(), shares).map_err(|error| Error::Data(error.to_string()))?;
        Ok(Explanation { base: 0.0, contributions })
    }

    fn export_onnx(&self) -> Result<Vec<u8>, Error> {
        export::file(self)
    }
}

/// How much each row counts, 1 on average.
fn weights(training: &Training<'_>) -> Vec<f32> {
    let count = training.rows.nrows();
    match training.weights {
        None => vec![1.0; count],
        Some(weights) => {
            // Measured in the largest, so that the sum cannot overflow.
            let largest = weights.iter().fold(f64::MIN_POSITIVE, |largest, weight| largest.max(*weight));
            let mean = weights.iter().map(|weight| weight / largest).sum::<f64>() / count as f64;
            weights.iter().map(|weight| (weight / largest / mean) as f32).collect()
        }
    }
}

fn read_judges(reader: &mut Reader<'_>, features: usize) -> Result<Vec<Judge>, Error> {
    let (units, damping, weight) = (reader.reals()?, reader.real()?, 1.0 / features as f64);
    let judges: Vec<Judge> = units.into_iter().map(|unit| Judge { unit, damping, weight }).collect();
    if judges.len() != features || !judges.iter().all(Judge::is_sound) {
        return Err(Error::Model("the model's usual errors are damaged".into()));
    }
    Ok(judges)
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
