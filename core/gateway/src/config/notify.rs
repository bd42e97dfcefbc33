//! The configuration of `synod notify`: a file of its own, because it is a process of its own. `config/notify.yaml` documents every key.

use super::check;
use super::located::Located;
use super::text::{Logging, tables};
use super::{ConfigError, Mistake};
use crate::notify::NotifyConfig;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

tables! {
    /// The whole file.
    Text {
        version: Option<u64> = None,
        listen: String = "127.0.0.1:9095".into(),
        token_file: Option<String> = None,
        timeout: String = "5s".into(),
        root: Option<String> = None,
        proxy: Option<String> = None,
        receivers: IndexMap<String, Receiver> = IndexMap::new(),
        logging: Logging = Logging::default(),
    }
    Receiver {
        twilio: Option<Twilio> = None,
        json: Option<Json> = None,
        teams: Option<Teams> = None,
        messages: String = "20/m".into(),
        alerts: usize = 3,
        segments: usize = 2,
    }
    Twilio {
        url: String = "https://api.twilio.com".into(),
        account: String = String::new(),
        key: Option<String> = None,
        token_file: String = String::new(),
        from: Option<String> = None,
        messaging_service: Option<String> = None,
        to: Vec<String> = Vec::new(),
    }
    Json {
        url: String = String::new(),
        method: String = "POST".into(),
        headers: IndexMap<String, String> = IndexMap::new(),
        header_files: IndexMap<String, String> = IndexMap::new(),
        body: Value = Value::Null,
        to: Vec<String> = Vec::new(),
    }
    Teams {
        url_file: String = String::new(),
    }
}

/// Reads and checks the configuration of `synod notify`. Relative paths in it are taken from the file's own folder.
///
/// # Errors
/// When the file cannot be read, or has mistakes: then all of them.
pub fn load_notify(path: &Path) -> Result<NotifyConfig, ConfigError> {
    let source = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    read(&source, path.parent().unwrap_or(Path::new("."))).map_err(|mistakes| ConfigError::Mistakes { path: path.into(), mistakes })
}

pub(super) fn read(source: &str, folder: &Path) -> Result<NotifyConfig, Vec<Mistake>> {
    let located = Located::read(source).map_err(|mistake| vec![mistake])?;
    let mut mistakes = Vec::new();
    let text = located.parse::<Text>(&mut mistakes);
    let checked = check::notify::check(&text, folder, &located, &mut mistakes);
    mistakes.sort_by_key(|mistake| mistake.place);
    if mistakes.is_empty() { Ok(checked) } else { Err(mistakes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = include_str!("../../../../config/notify.yaml");

    #[test]
    fn the_documented_configuration_has_no_mistakes_and_every_key() {
        let config = read(DOCUMENTED, Path::new(".")).unwrap();
        assert!(config.receivers.len() >= 3);
        let tables = include_str!("notify.rs").split("tables! {").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap();
        let keys: Vec<&str> =
            tables.lines().filter_map(|line| line.strip_prefix("        ")?.split_once(": ")).map(|(key, _)| key).collect();
        assert!(keys.len() > 20, "{keys:?}");
        for key in keys {
            let words = DOCUMENTED.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            assert!(words.into_iter().any(|word| word == key), "config/notify.yaml does not mention `{key}`");
        }
    }
}
