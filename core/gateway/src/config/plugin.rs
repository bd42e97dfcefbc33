//! A plugin's own manifest, `plugin.yaml`: what `synod plugin test` needs to know of it. The template's documents every key.

use super::check;
use super::located::Located;
use super::text::{DetectorLimits, tables};
use super::{ConfigError, Mistake};
use crate::compiling::CompileLimits;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use synod_host::{Limits, PoolLimits};

tables! {
    /// The whole file.
    Text {
        version: Option<u64> = None,
        normal: Option<String> = None,
        anomalous: Option<String> = None,
        ranking: f64 = 0.9,
        parameters: Map<String, Value> = Map::new(),
        artifact: Option<String> = None,
        seed: u64 = 1,
        limits: DetectorLimits = DetectorLimits::default(),
    }
}

/// What a plugin is tried with.
#[derive(Debug, Clone)]
pub struct TrialConfig {
    /// A file of rows to learn from.
    pub normal: Option<PathBuf>,
    /// A file of rows that must rank above them.
    pub anomalous: Option<PathBuf>,
    /// How often, at least, an anomalous row has the higher score of two.
    pub ranking: f64,
    /// For the plugin: a JSON object.
    pub parameters: Value,
    /// A foreign model's file.
    pub artifact: Option<PathBuf>,
    /// The fit's only randomness.
    pub seed: u64,
    /// What it may take while scoring.
    pub pool: PoolLimits,
    /// What it may take while fitting.
    pub fit: Limits,
    /// What compiling it may take: what it may in a server.
    pub compile: CompileLimits,
}

/// Reads and checks a manifest. Relative paths in it are taken from the file's own folder.
///
/// # Errors
/// When the file cannot be read, or has mistakes: then all of them.
pub fn load_trial(path: &Path) -> Result<TrialConfig, ConfigError> {
    let source = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    read(&source, path.parent().unwrap_or(Path::new("."))).map_err(|mistakes| ConfigError::Mistakes { path: path.into(), mistakes })
}

/// What a plugin without a manifest is tried with: every default.
///
/// # Panics
/// Never: the defaults have no mistakes.
pub fn usual_trial() -> TrialConfig {
    read("version: 1", Path::new(".")).expect("the defaults have no mistakes")
}

fn read(source: &str, folder: &Path) -> Result<TrialConfig, Vec<Mistake>> {
    let located = Located::read(source).map_err(|mistake| vec![mistake])?;
    let mut mistakes = Vec::new();
    let text = located.parse::<Text>(&mut mistakes);
    let checked = check::plugin::check(&text, folder, &located, &mut mistakes);
    mistakes.sort_by_key(|mistake| mistake.place);
    if mistakes.is_empty() { Ok(checked) } else { Err(mistakes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DOCUMENTED: &str = include_str!("../../../../plugins/template/plugin.yaml");

    #[test]
    fn the_template_has_no_mistakes() {
        let trial = read(DOCUMENTED, Path::new("here")).unwrap();
        assert_eq!(trial.normal.as_deref(), Some(Path::new("here/fixtures/normal.csv")));
        assert_eq!((trial.fit.timeout, trial.ranking), (Duration::from_secs(60), 0.9));
    }

    #[test]
    fn without_a_word_it_has_what_a_detector_has() {
        let trial = usual_trial();
        assert_eq!((trial.pool.call.timeout, trial.pool.call.memory), (Duration::from_millis(100), 256 << 20));
        assert_eq!((trial.fit.timeout, trial.fit.memory), (Duration::from_secs(3600), 1 << 30));
        assert_eq!((trial.compile.timeout, trial.compile.memory), (Duration::from_secs(120), 2 << 30));
    }

    #[test]
    fn mistakes_name_the_key() {
        let cases = [
            ("normal: a.csv", "version: is missing"),
            ("version: 2", "version: version 2 is not known"),
            ("version: 1\nnormal: a.csv", "anomalous: is missing"),
            ("version: 1\nanomalous: a.csv", "normal: is missing"),
            ("version: 1\nranking: 0.2", "ranking: 0.2 is not"),
            ("version: 1\nlimits: {timeout: fast}", "limits.timeout: `fast` is no time span"),
            ("version: 1\nlimits: {memory: much}", "limits.memory: `much` is no size"),
            ("version: 1\nfixtures: here", "unknown field `fixtures`"),
            ("version: 1\nparameters: [1]", "parameters: "),
        ];
        for (text, said) in cases {
            let mistakes: Vec<String> = read(text, Path::new(".")).unwrap_err().iter().map(ToString::to_string).collect();
            assert!(mistakes.iter().any(|mistake| mistake.contains(said)), "{text}: {mistakes:?}");
        }
    }
}
