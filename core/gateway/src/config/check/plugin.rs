//! A plugin's own manifest.

use super::{Checker, fit_limits, pool};
use crate::compiling::CompileLimits;
use crate::config::located::{Located, Mistake};
use crate::config::plugin::{Text, TrialConfig};
use crate::config::text::Compile;
use crate::config::units;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

pub(in crate::config) fn check(text: &Text, folder: &Path, located: &Located, mistakes: &mut Vec<Mistake>) -> TrialConfig {
    let mut checker = Checker { located, mistakes };
    let at = &mut checker;
    at.version(text.version);
    for (key, there, other) in [("anomalous", text.normal.is_some(), &text.anomalous), ("normal", text.anomalous.is_some(), &text.normal)] {
        if there && other.is_none() {
            at.mistake(key, "is missing: name rows of both kinds, or of none");
        }
    }
    at.within("ranking", text.ranking, 0.5, 1.0, "a share from 0.5 to 1");
    let compile = Compile::default();
    TrialConfig {
        normal: text.normal.as_ref().map(|path| folder.join(path)),
        anomalous: text.anomalous.as_ref().map(|path| folder.join(path)),
        ranking: text.ranking,
        parameters: Value::Object(text.parameters.clone()),
        artifact: text.artifact.as_ref().map(|path| folder.join(path)),
        seed: text.seed,
        pool: pool(at, "limits", &text.limits),
        fit: fit_limits(at, "limits", &text.limits),
        compile: CompileLimits {
            timeout: at.taken("", units::duration(&compile.timeout), Duration::from_secs(1)),
            memory: at.taken("", units::bytes(&compile.memory), 1) as u64,
        },
    }
}
