//! The glue between a [`Detector`] and the component that wraps it. Authors do not call it: [`export!`](crate::export) does.

// The generated glue talks to the component model's ABI, which is raw memory; its public names come from the contract.
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
mod bindings {
    wit_bindgen::generate!({
        world: "plugin",
        path: "../wit",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "synod_sdk::guest",
    });
}

pub use bindings::exports::synod::detector::detector::{self as contract, Guest};
pub use bindings::synod::detector::logging;
pub use bindings::{export_component, exports};

use crate::{Detector, Error, Feature, Part, Training};
use ndarray::ArrayView2;
use std::cell::RefCell;

impl From<Error> for contract::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Parameters(text) => Self::Parameters(text),
            Error::Data(text) => Self::Data(text),
            Error::Artifact(text) => Self::Artifact(text),
            Error::Model(text) => Self::Model(text),
            Error::Unsupported => Self::Unsupported,
        }
    }
}

/// What `describe` answers.
pub fn describe<D: Detector>() -> contract::Description {
    let own = D::description();
    let schema = schemars::schema_for!(D::Parameters);
    contract::Description {
        name: own.name.into(),
        version: own.version.into(),
        summary: own.summary.into(),
        parameters: serde_json::to_string(&schema).expect("a schema is plain data"),
        minimum_rows: own.minimum_rows,
        missing_values: own.missing_values,
        scaling: own.scaling,
        univariate: own.univariate,
        artifact: own.artifact,
        weights: own.weights,
        parts: own.parts,
        continues: own.continues,
        explains: own.explains,
        exports_onnx: own.exports_onnx,
    }
}

fn parameters<D: Detector>(text: &str) -> Result<D::Parameters, Vec<String>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let parameters = serde_path_to_error::deserialize(&mut json).map_err(|error| vec![plain(&error)])?;
    let mistakes = D::check(&parameters);
    if mistakes.is_empty() { Ok(parameters) } else { Err(mistakes) }
}

/// The names of the parameters that are set.
fn given(parameters: &str) -> Vec<String> {
    let set = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(parameters);
    set.map(|set| set.into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

/// The error with the parameter's name, and without "at line 1 column 17": the text that was parsed is the host's, not the user's.
fn plain(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (name, text) = (error.path().to_string(), error.inner().to_string());
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
    if name == "." || text.contains(&format!("`{name}`")) { text.to_owned() } else { format!("{name}: {text}") }
}

/// What `check` answers.
pub fn check<D: Detector>(text: &str) -> Vec<String> {
    parameters::<D>(text).err().unwrap_or_default()
}

fn view(matrix: &contract::Matrix) -> Result<ArrayView2<'_, f64>, Error> {
    let width = matrix.width as usize;
    if width == 0 || !matrix.values.len().is_multiple_of(width) {
        return Err(Error::Data(format!("{} values do not make rows of {width}", matrix.values.len())));
    }
    ArrayView2::from_shape((matrix.values.len() / width, width), &matrix.values).map_err(|error| Error::Data(error.to_string()))
}

/// What `fit` answers.
pub fn fit<D: Detector>(training: &contract::Training) -> Result<Vec<u8>, contract::Error> {
    let parameters = parameters::<D>(&training.parameters).map_err(|mistakes| Error::Parameters(mistakes.join("; ")))?;
    let rows = view(&training.rows)?;
    let least = if training.previous.is_some() { 1 } else { D::description().minimum_rows as usize };
    if rows.nrows() < least {
        return Err(Error::Data(format!("{} rows are too few, at least {least} are needed", rows.nrows())).into());
    }
    let feature = |feature: &contract::Feature| Feature { name: feature.name.clone(), categories: feature.categories };
    let features: Vec<Feature> = training.features.iter().map(feature).collect();
    let training = Training {
        rows,
        features: &features,
        weights: training.weights.as_deref(),
        part: training.part.map_or_else(Part::default, |part| Part { index: part.index, count: part.count }),
        previous: training.previous.as_deref(),
        seed: training.seed,
        artifact: training.artifact.as_deref(),
        given: &given(&training.parameters),
    };
    Ok(D::fit(&parameters, &training)?.to_bytes())
}

/// What `merge` answers.
pub fn merge<D: Detector>(parts: &[Vec<u8>]) -> Result<Vec<u8>, contract::Error> {
    let parts = parts.iter().map(|part| D::from_bytes(part)).collect::<Result<_, _>>()?;
    Ok(D::merge(parts)?.to_bytes())
}

/// The model of this instance.
pub type Loaded<D> = RefCell<Option<D>>;

/// What `load` answers.
pub fn load<D: Detector>(loaded: &Loaded<D>, model: &[u8]) -> Result<(), contract::Error> {
    *loaded.borrow_mut() = Some(D::from_bytes(model)?);
    Ok(())
}

fn with_model<D: Detector, T>(loaded: &Loaded<D>, act: impl FnOnce(&D) -> Result<T, Error>) -> Result<T, contract::Error> {
    match &*loaded.borrow() {
        Some(model) => Ok(act(model)?),
        None => Err(Error::Model("no model is loaded".into()).into()),
    }
}

fn checked<'a, D: Detector>(model: &D, rows: &'a contract::Matrix) -> Result<ArrayView2<'a, f64>, Error> {
    let rows = view(rows)?;
    if rows.ncols() != model.width() {
        return Err(Error::Data(format!("rows of {} features, but the model was fitted with {}", rows.ncols(), model.width())));
    }
    Ok(rows)
}

/// What `score` answers.
pub fn score<D: Detector>(loaded: &Loaded<D>, rows: &contract::Matrix) -> Result<Vec<f64>, contract::Error> {
    with_model(loaded, |model| model.score(checked(model, rows)?))
}

/// What `explain` answers.
pub fn explain<D: Detector>(loaded: &Loaded<D>, rows: &contract::Matrix) -> Result<contract::Explanation, contract::Error> {
    with_model(loaded, |model| {
        let explanation = model.explain(checked(model, rows)?)?;
        Ok(contract::Explanation { base: explanation.base, contributions: explanation.contributions.into_iter().collect() })
    })
}

/// What `export-onnx` answers.
pub fn export_onnx<D: Detector>(loaded: &Loaded<D>) -> Result<Vec<u8>, contract::Error> {
    with_model(loaded, Detector::export_onnx)
}

/// Makes the crate a plugin: exports the detector to the host. Call it once, at the crate's root.
#[macro_export]
macro_rules! export {
    ($detector:ty) => {
        #[cfg(target_arch = "wasm32")]
        // The exported functions speak the component model's ABI, which is raw memory; wit-bindgen writes them.
        #[allow(unsafe_code, missing_docs)]
        mod exported {
            use super::*;
            use $crate::guest::{self, contract};

            thread_local! {
                static LOADED: guest::Loaded<$detector> = const { ::std::cell::RefCell::new(None) };
            }

            struct Plugin;

            impl guest::Guest for Plugin {
                fn describe() -> contract::Description {
                    guest::describe::<$detector>()
                }
                fn check(parameters: String) -> Vec<String> {
                    guest::check::<$detector>(&parameters)
                }
                fn fit(training: contract::Training) -> Result<Vec<u8>, contract::Error> {
                    guest::fit::<$detector>(&training)
                }
                fn merge(parts: Vec<Vec<u8>>) -> Result<Vec<u8>, contract::Error> {
                    guest::merge::<$detector>(&parts)
                }
                fn load(model: Vec<u8>) -> Result<(), contract::Error> {
                    LOADED.with(|loaded| guest::load(loaded, &model))
                }
                fn score(rows: contract::Matrix) -> Result<Vec<f64>, contract::Error> {
                    LOADED.with(|loaded| guest::score(loaded, &rows))
                }
                fn explain(rows: contract::Matrix) -> Result<contract::Explanation, contract::Error> {
                    LOADED.with(|loaded| guest::explain(loaded, &rows))
                }
                fn export_onnx() -> Result<Vec<u8>, contract::Error> {
                    LOADED.with(guest::export_onnx)
                }
            }

            $crate::guest::export_component!(Plugin with_types_in $crate::guest);
        }
    };
}
