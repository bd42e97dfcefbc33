//! Environment variables over the file: `SYNOD_LISTEN__DATA=0.0.0.0:80` is the key `listen.data`. Only the sections of an installation
//! can be set so, not what a verdict depends on.

use super::Mistake;
use serde_json::{Map, Value};

const PREFIX: &str = "SYNOD_";
const SECTIONS: [&str; 11] =
    ["data_directory", "listen", "identity", "plugins", "sinks", "alerts", "drift", "limits", "logging", "metrics", "tracing"];

/// A key's parts and its value.
pub(super) type Override = (Vec<String>, String);

/// Picks the variables that set a key, or seem to be meant to.
pub(super) fn overrides(variables: impl Iterator<Item = (String, String)>) -> Vec<Override> {
    let key = |name: &str| -> Option<Vec<String>> {
        let key: Vec<String> = name.strip_prefix(PREFIX)?.to_lowercase().split("__").map(str::to_owned).collect();
        (key.len() > 1 || is_settable(&key)).then_some(key)
    };
    variables.filter_map(|(name, value)| key(&name).map(|key| (key, value))).collect()
}

/// Takes out those that set what stands in the file alone, or nowhere, and says so: whoever sets them believes that they are in force.
pub(super) fn settable(overrides: Vec<Override>, mistakes: &mut Vec<Mistake>) -> Vec<Override> {
    let (settable, others): (Vec<Override>, Vec<Override>) = overrides.into_iter().partition(|(key, _)| is_settable(key));
    mistakes.extend(others.into_iter().map(|(key, _)| Mistake {
        message: format!(
            "{PREFIX}{} is set in the environment, where only {} can be set: write it into the file",
            key.join("__").to_uppercase(),
            SECTIONS.join(", ")
        ),
        key: key.join("."),
        place: None,
    }));
    settable
}

fn is_settable(key: &[String]) -> bool {
    key.first().is_some_and(|section| SECTIONS.contains(&section.as_str()))
}

pub(super) fn apply(tree: &mut Value, overrides: Vec<Override>) {
    for (key, value) in overrides {
        let mut at = &mut *tree;
        for part in key {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = at.as_object_mut().expect("made an object just now").entry(part).or_insert(Value::Null);
        }
        // Numbers and booleans are written as they are; everything else is text.
        *at = serde_json::from_str(&value).ok().filter(|read: &Value| !read.is_string()).unwrap_or(Value::String(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_variable_that_would_change_nothing_is_a_mistake() {
        let variables =
            [("SYNOD_CONSENSUS__RULE", "mean"), ("SYNOD_LISTEN__DATA", "c"), ("SYNOD_KILLS", "9"), ("SYNOD_LISTENS__DATA", "d")];
        let found = overrides(variables.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let mut mistakes = Vec::new();
        let kept = settable(found, &mut mistakes);
        assert_eq!(kept, [(vec!["listen".to_owned(), "data".to_owned()], "c".to_owned())]);
        assert_eq!(mistakes.iter().map(|mistake| mistake.key.as_str()).collect::<Vec<_>>(), ["consensus.rule", "listens.data"]);
        assert!(mistakes[0].message.starts_with("SYNOD_CONSENSUS__RULE is set in the environment"), "{}", mistakes[0].message);
    }

    #[test]
    fn a_variable_replaces_its_key_only() {
        let mut tree = json!({"listen": {"data": "a", "administration": "b"}});
        let variables = [("SYNOD_LISTEN__DATA", "c"), ("SYNOD_LIMITS__ROWS", "7"), ("SYNOD_PLUGINS_DIST", "x"), ("HOME", "y")];
        apply(&mut tree, overrides(variables.iter().map(|(name, value)| (name.to_string(), value.to_string()))));
        assert_eq!(tree, json!({"listen": {"data": "c", "administration": "b"}, "limits": {"rows": 7}}));
    }
}
