//! The configuration: a YAML file, over which environment variables go. It is read in two steps: the text as written
//! ([`text`]), then values that the program uses ([`check`]). All mistakes of a file are reported at once, each with line and full key.

mod check;
mod environment;
mod located;
mod notify;
mod plugin;
mod text;
mod units;

pub use check::{
    CertificateName, Config, Decisions, DetectorConfig, Drift, FitConfig, Guards, Identity, KeyLifetimes, Listen, MappedCertificate,
    ModelsConfig, Remembering, RequestLimits, RolloutConfig, RolloutStep, Route, ShadowPolicy, SignaturesConfig, TokenServer,
    TrustedKeyConfig,
};
pub(crate) use check::{LONGEST_TOKEN, MOST_STEPS, is_name};
pub use located::{Located, Mistake, Place};
pub use notify::load_notify;
pub use plugin::{TrialConfig, load_trial, usual_trial};
pub use text::{Answer, BeginAt, Compression, Durability, EntityLabel, Level, OnFailure, ProxyField, Serves, Split, Storing, WhenFull};
pub(crate) use units::duration;

use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error("{}", listed(path, mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// All of them.
        mistakes: Vec<Mistake>,
    },
}

fn listed(path: &Path, mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(|mistake| format!("{}:{mistake}", path.display())).collect();
    lines.join("\n")
}

/// Reads and checks a configuration. Relative paths in it are taken from the file's own folder.
///
/// # Errors
/// When the file cannot be read, or has mistakes: then all of them.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let source = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    read(&source, folder, environment::overrides(std::env::vars()))
        .map_err(|mistakes| ConfigError::Mistakes { path: path.into(), mistakes })
}

/// Reads and checks a configuration that was kept with the decisions that rest on it. Nothing goes over it: what the environment may set
/// decides nothing about a verdict, and neither do the files that it names, whose paths are not those of today.
///
/// # Errors
/// When this version reads it otherwise than the one that served it: all mistakes. `name` stands for the file.
pub fn archived(source: &str, name: &str) -> Result<Config, ConfigError> {
    read(source, Path::new("."), Vec::new()).map_err(|mistakes| ConfigError::Mistakes { path: name.into(), mistakes })
}

/// What may be changed while the service runs. Everything else is read once.
const CHANGEABLE: [&str; 8] = ["plugins", "features", "detectors", "consensus", "outcomes", "rollout", "fit", "models"];

/// The keys in which two texts of configurations differ and which are read at the start alone, so that a restart is needed.
pub fn needs_restart(now: &str, then: &str) -> Vec<String> {
    let tree = |source: &str| Located::read(source).map(|located| located.tree).unwrap_or_default();
    let (now, then) = (tree(now), tree(then));
    let keys = |tree: &serde_json::Value| tree.as_object().map(|keys| keys.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut differing: Vec<String> = keys(&now).into_iter().chain(keys(&then)).filter(|key| now.get(key) != then.get(key)).collect();
    differing.sort_unstable();
    differing.dedup();
    differing.retain(|key| !CHANGEABLE.contains(&key.as_str()));
    if now.pointer("/outcomes/breaker") != then.pointer("/outcomes/breaker") {
        differing.push("outcomes.breaker".into());
    }
    differing
}

/// Reads and checks the text of a configuration.
///
/// # Errors
/// All mistakes.
fn read(source: &str, folder: &Path, overrides: Vec<environment::Override>) -> Result<Config, Vec<Mistake>> {
    let mut located = Located::read(source).map_err(|mistake| vec![mistake])?;
    let mut mistakes = Vec::new();
    environment::apply(&mut located.tree, environment::settable(overrides, &mut mistakes));
    let text = located.parse::<text::Text>(&mut mistakes);
    let checked = Config { source: source.to_owned(), ..check::check(&text, folder, &located, &mut mistakes) };
    mistakes.sort_by_key(|mistake| mistake.place);
    if mistakes.is_empty() { Ok(checked) } else { Err(mistakes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = include_str!("../../../config/synod.yaml");

    #[test]
    fn the_documented_configuration_has_no_mistakes() {
        read(DOCUMENTED, Path::new("."), Vec::new()).unwrap();
    }

    #[test]
    fn what_needs_a_restart_is_named() {
        let now = "listen: {data: '127.0.0.1:1'}\nconsensus: {rule: mean}\noutcomes: {block: 0.9, breaker: {minimum: 1}}\n";
        let same = "# a remark\noutcomes: {breaker: {minimum: 1}, block: 0.8}\nlisten: {data: '127.0.0.1:1'}\ndetectors: {}\n";
        assert_eq!(needs_restart(now, same), Vec::<String>::new());
        let other = "outcomes: {block: 0.9}\nlisten: {data: '127.0.0.1:2'}\nschema: {}\n";
        assert_eq!(needs_restart(now, other), ["listen", "schema", "outcomes.breaker"]);
    }

    #[test]
    fn every_key_is_documented() {
        let source = include_str!("config/text.rs");
        let tables = source.split("tables! {").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap();
        let keys =
            tables.lines().filter_map(|line| line.strip_prefix("        ")?.split_once(": ")).map(|(key, _)| key.trim_start_matches("r#"));
        let mut count = 0;
        // What is indented further belongs to a default.
        for key in keys.filter(|key| !key.starts_with(' ')) {
            let words = DOCUMENTED.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            assert!(words.into_iter().any(|word| word == key), "config/synod.yaml does not mention `{key}`");
            count += 1;
        }
        assert!(count > 50, "the tables were found: {count} keys");
    }
}
