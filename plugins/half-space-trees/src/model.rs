//! The model: how the trees divide the space, what they have seen, and the trees that score.

use crate::parameters::{HIGHEST, Mass, Parameters, Splits};
use crate::space::{Drawn, Space};
use crate::stream::Stream;
use crate::tree::{Trees, Window};
use ndarray::{Array2, ArrayView2};
use synod_sdk::{Error, Explanation, Reader, Training, Writer, log};

/// The version of the model's bytes. Raise it whenever what is written changes.
const FORMAT: u32 = 1;

/// Most features of a row.
const WIDTH: usize = 1 << 20;

/// A model whose trees divide the space as `S` says.
#[derive(Debug)]
pub(crate) struct Model<S> {
    parameters: Parameters,
    width: usize,
    pub(crate) space: S,
    pub(crate) stream: Stream,
    trees: Trees,
    /// The greatest sum that there can be.
    greatest: f64,
}

impl<S: Space> Model<S> {
    /// A model that has seen what the stream has.
    pub(crate) fn new(parameters: Parameters, width: usize, space: S, stream: Stream) -> Self {
        let Parameters { trees, height, size_limit, mass, .. } = parameters;
        let leaves = stream.compared(trees);
        let rows = leaves.len() / trees as usize;
        let window = Window { leaves: &leaves, rows, height, limit: size_limit * rows as f64, mass };
        let grown = Trees::grow(&space, window);
        let levels = match mass {
            Mass::Terminal => f64::from(1_u32 << height),
            Mass::Path => f64::from((2_u32 << height) - 1),
        };
        Self { parameters, width, space, stream, trees: grown, greatest: f64::from(trees) * rows as f64 * levels }
    }

    /// The model after these rows as well.
    pub(crate) fn after(self, rows: ArrayView2<'_, f64>) -> Self {
        let Self { parameters, width, space, mut stream, .. } = self;
        let rows = rows.as_standard_layout();
        let rows: Vec<&[f64]> = rows.as_slice().unwrap_or_default().chunks_exact(width).collect();
        stream.pass(&space, parameters.trees, parameters.height, parameters.window as usize, &rows);
        Self::new(parameters, width, space, stream)
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// One score a row: 1 less the share that the sum over the trees has of the greatest that there can be.
    pub(crate) fn score(&self, rows: ArrayView2<'_, f64>) -> Vec<f64> {
        let rows = rows.as_standard_layout();
        let each = rows.as_slice().unwrap_or_default().chunks_exact(self.width);
        each.map(|row| 1.0 - self.trees.sum(row) / self.greatest).collect()
    }

    pub(crate) fn explain(&self, rows: ArrayView2<'_, f64>) -> Explanation {
        let mut contributions = Array2::zeros(rows.dim());
        for (row, parts) in rows.rows().into_iter().zip(contributions.rows_mut()) {
            self.trees.attribute(&row.to_vec(), -1.0 / self.greatest, parts);
        }
        Explanation { base: 1.0 - self.trees.mean() / self.greatest, contributions }
    }
}

impl Model<Drawn> {
    /// Learns the ranges of the features from all rows, and then lets them pass.
    ///
    /// # Errors
    /// When a feature has no range, or none has.
    pub(crate) fn fit(parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let rows = training.rows;
        if rows.ncols() == 0 || rows.ncols() > WIDTH || rows.nrows() == 0 {
            return Err(Error::Data(format!(
                "{} rows of {} features cannot be divided: give 1 to {WIDTH} features",
                rows.nrows(),
                rows.ncols()
            )));
        }
        let features: Vec<u32> = (0..rows.ncols()).filter(|index| !is_categorical(training, *index)).map(|index| index as u32).collect();
        if features.is_empty() {
            return Err(Error::Data("all features are categories, which have no halves: give one that is a number".into()));
        }
        let limits = features.iter().map(|feature| limits(training, *feature as usize)).collect::<Result<Vec<_>, _>>()?;
        let (least, spans) = limits.into_iter().unzip();
        let space = Drawn { seed: training.seed, splits: parameters.splits, features, least, spans };
        let empty = Self {
            parameters: parameters.clone(),
            width: rows.ncols(),
            space,
            stream: Stream::default(),
            trees: Trees::default(),
            greatest: 0.0,
        };
        Ok(empty.after(rows))
    }

    /// Lets the rows pass that come after those of an earlier model.
    ///
    /// # Errors
    /// When it is no model of these parameters and features.
    pub(crate) fn go_on(previous: &[u8], parameters: &Parameters, training: &Training<'_>) -> Result<Self, Error> {
        let model = Self::from_bytes(previous)?;
        if let Some(name) = model.parameters.differs(parameters) {
            let text = format!("{name}: the model to go on from was fitted with another value, give it again or fit without that model");
            return Err(Error::Parameters(text));
        }
        let width = training.rows.ncols();
        if model.width != width {
            return Err(Error::Data(format!("rows of {width} features, but the model to go on from has {}", model.width)));
        }
        Ok(model.after(training.rows))
    }

    /// The model's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Parameters { trees, height, window, size_limit, splits, mass } = self.parameters;
        let mut writer = Writer::new(FORMAT);
        writer.number(u64::from(trees)).number(u64::from(height)).number(u64::from(window)).real(size_limit);
        writer.number(splits as u64).number(mass as u64).number(self.width as u64).number(self.space.seed);
        writer.numbers(&self.space.features).reals(&self.space.least).reals(&self.space.spans);
        self.stream.write(&mut writer);
        writer.finish()
    }

    /// The inverse of [`Model::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are not such a model.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(FORMAT, bytes)?;
        let mut number = || Ok::<_, Error>(u32::try_from(reader.number()?).unwrap_or(u32::MAX));
        let (trees, height, window) = (number()?, number()?, number()?);
        let size_limit = reader.real()?;
        let splits = [Splits::Middle, Splits::Random].get(reader.number()? as usize).copied();
        let mass = [Mass::Terminal, Mass::Path].get(reader.number()? as usize).copied();
        let (Some(splits), Some(mass)) = (splits, mass) else { return Err(damaged("kinds of trees")) };
        let parameters = Parameters { trees, height, window, size_limit, splits, mass };
        if height > HIGHEST || !parameters.mistakes().is_empty() {
            return Err(damaged("numbers"));
        }
        let width = usize::try_from(reader.number()?).unwrap_or(0);
        let seed = reader.number()?;
        let space = Drawn { seed, splits, features: reader.numbers()?, least: reader.reals()?, spans: reader.reals()? };
        check_space(&space, width)?;
        let stream = Stream::read(&mut reader, trees, height, window as usize)?;
        reader.finish()?;
        Ok(Self::new(parameters, width, space, stream))
    }
}

fn check_space(space: &Drawn, width: usize) -> Result<(), Error> {
    let Drawn { features, least, spans, .. } = space;
    let named =
        !features.is_empty() && features.is_sorted_by(|one, next| one < next) && features.iter().all(|feature| (*feature as usize) < width);
    let sized = (1..=WIDTH).contains(&width) && least.len() == features.len() && spans.len() == features.len();
    let ranged = least.iter().zip(spans).all(|(least, span)| *span > 0.0 && reaches(*least, *span));
    if named && sized && ranged { Ok(()) } else { Err(damaged("ranges")) }
}

/// Whether all thresholds are numbers: they lie at most four spans away.
fn reaches(least: f64, span: f64) -> bool {
    (least.abs() + 4.0 * span).is_finite()
}

/// The least value of a feature, and from there to the greatest. A constant is divided around it in its own units.
fn limits(training: &Training<'_>, feature: usize) -> Result<(f64, f64), Error> {
    let column = training.rows.column(feature);
    let least = column.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = if greatest > least { greatest - least } else { 1.0 };
    if reaches(least, span) {
        // Zero has two forms, of which systems may pick either as the lesser.
        return Ok((least + 0.0, span));
    }
    let name = training.features.get(feature).map_or_else(|| feature.to_string(), |feature| feature.name.clone());
    Err(Error::Data(format!("feature {name}: from {least} to {greatest} is too far to be divided, give smaller numbers")))
}

/// Codes of categories have no order, so that nothing is half of them.
fn is_categorical(training: &Training<'_>, column: usize) -> bool {
    let Some(feature) = training.features.get(column).filter(|feature| feature.categories > 0) else { return false };
    log::warn(&format!("feature {}: categories have no halves, the feature counts for nothing", feature.name));
    true
}

fn damaged(what: &str) -> Error {
    Error::Model(format!("the model's {what} cannot be: fit it again"))
}
