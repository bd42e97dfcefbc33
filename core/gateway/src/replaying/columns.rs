//! What the values of features are made of: whether a value that was recorded is the one that another configuration would compute.

use super::versions::{Makers, Versions};
use crate::config::Config;
use serde_json::Value;
use synod_detection::{Definition, Plan, View};

/// What a value is made of. Two that are equal here are the same number for the same row in the light of the same past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Made {
    /// The column's own name.
    pub(super) column: String,
    /// Its source, and what its encoding has learnt, as the manifest writes them.
    from: String,
}

/// What the values of a plan of these views and of these recorded features are made of, in the order of the plan's names.
pub(super) fn made(plan: &Plan, views: &[&View], recorded: &[Definition]) -> Vec<Made> {
    let mut made = vec![Made::default(); plan.names().len()];
    for (index, view) in views.iter().enumerate() {
        for (column, of_column) in columns(view).into_iter().enumerate() {
            let place = &mut made[plan.value_of(index, column)];
            // Views share values; the first one has named them.
            if place.from.is_empty() {
                *place = of_column;
            }
        }
    }
    for definition in recorded {
        let place = plan.names().iter().position(|name| *name == definition.name).filter(|place| made[*place].from.is_empty());
        if let Some(place) = place {
            let source = serde_json::to_value(&definition.source).unwrap_or_default();
            made[place] = Made { column: definition.name.clone(), from: made_of(&source, &Value::Null) };
        }
    }
    made
}

fn made_of(source: &Value, encoder: &Value) -> String {
    format!("{source} {encoder}")
}

fn columns(view: &View) -> Vec<Made> {
    let written = serde_json::to_value(view).unwrap_or_default();
    let features = written["features"].as_array().map_or(&[][..], Vec::as_slice);
    let of_feature = |feature: &Value| {
        let from = made_of(&feature["definition"]["source"], &feature["encoder"]);
        let columns = feature["columns"].as_array().cloned().unwrap_or_default();
        let column = move |column: Value| Made { column: column["name"].as_str().unwrap_or_default().to_owned(), from: from.clone() };
        columns.into_iter().map(column)
    };
    features.iter().flat_map(of_feature).collect()
}

/// The names under which the records of these versions have the values that are wanted, in their order.
///
/// # Errors
/// Why the records do not have them all, in words.
pub(super) fn names(makers: &mut Makers<'_>, versions: &Versions, candidate: &Config, wanted: &[Made]) -> Result<Vec<String>, String> {
    let config = makers.configuration(&versions.configuration)?;
    if candidate.history.width() > 0 && candidate.remembering.bounds != config.remembering.bounds {
        return Err(format!("the bounds of `history` are others than in the configuration {}", versions.configuration));
    }
    let manifests = makers.manifests(versions)?;
    let views: Vec<&View> = manifests.iter().map(|manifest| &manifest.view).collect();
    let named: Vec<(&str, &View)> = config.detectors.iter().map(|detector| detector.name.as_str()).zip(views.iter().copied()).collect();
    let plan = Plan::new(&config.schema, &config.history, &named)
        .and_then(|plan| plan.with_recorded(&config.schema, &config.history, &config.recorded))
        .map_err(|error| error.to_string())?;
    let there = made(&plan, &views, &config.recorded);
    let name = |wanted: &Made| match there.iter().position(|made| made == wanted) {
        Some(place) => Ok(plan.names()[place].clone()),
        None => Err(format!(
            "the feature `{}` is not in the records of the configuration {}, or is made otherwise there",
            wanted.column, versions.configuration
        )),
    };
    wanted.iter().map(name).collect()
}
