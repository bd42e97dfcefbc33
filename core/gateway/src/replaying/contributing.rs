//! What each feature contributed to a decision's scores, by the very plugins and models that gave them.

use super::comparing::append_features;
use crate::decision::Decision;
use crate::engine::{Detector, Engine};
use serde::Serialize;
use synod_detection::Matrix;
use synod_host::Explanation;

/// The contributions to one detector's raw score.
#[derive(Debug, Clone, Serialize)]
pub struct Contributions {
    /// The detector.
    pub detector: String,
    /// What the contributions are added to, to be the raw score.
    pub base: f64,
    /// Each number that it sees, the greatest contribution first; empty where there is an `unavailable`.
    pub features: Vec<Contribution>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// What one number contributed.
#[derive(Debug, Clone, Serialize)]
pub struct Contribution {
    /// The feature, by its name in the record.
    pub feature: String,
    /// Its value, as it is recorded.
    pub value: Option<f64>,
    /// What it added to the raw score, by the plugin's word.
    pub contribution: f64,
}

/// Explains a decision by the engine that it was made by.
///
/// # Errors
/// When the record lacks a feature.
pub fn explain(engine: &Engine, decision: &Decision) -> Result<Vec<Contributions>, String> {
    let mut values = Vec::new();
    append_features(engine, decision, &mut values)?;
    let matrices = engine.plan().inputs(&Matrix { width: values.len().max(1), values });
    let of_detector = |(index, matrix): (usize, &Matrix)| {
        let detector = &engine.detectors()[index];
        match contributions(detector, decision, matrix) {
            Err(why) => Contributions { detector: detector.name().to_owned(), base: 0.0, features: Vec::new(), unavailable: Some(why) },
            Ok(explanation) => {
                let contribution = |(column, contribution): (usize, f64)| {
                    let feature = engine.value_name(index, column).to_owned();
                    Contribution { value: decision.features.get(&feature).copied().flatten(), feature, contribution }
                };
                let mut features: Vec<Contribution> = explanation.contributions.into_iter().enumerate().map(contribution).collect();
                features.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
                Contributions { detector: detector.name().to_owned(), base: explanation.base, features, unavailable: None }
            }
        }
    };
    Ok(matrices.iter().enumerate().map(of_detector).collect())
}

fn contributions(detector: &Detector, decision: &Decision, matrix: &Matrix) -> Result<Explanation, String> {
    if let Some(abstention) = decision.abstentions.iter().find(|abstention| abstention.detector == detector.name()) {
        return Err(format!("it abstained: {} {}", abstention.reason, abstention.detail));
    }
    let pool = detector.pool().ok_or("it does not start")?;
    pool.explain(matrix.width, &matrix.values).map_err(|failure| failure.to_string())
}
