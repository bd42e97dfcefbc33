//! Environment variables over the file: `SYNOD_LISTEN__DATA=0.0.0.0:80` is the key `listen.data`. Only the sections of an installation
//! can be set so, not what a model depends on.

use serde_json::{Map, Value};

const PREFIX: &str = "SYNOD_";
const SECTIONS: [&str; 10] =
    ["data_directory", "listen", "identity", "plugins", "sinks", "drift", "limits", "logging", "metrics", "tracing"];

/// A key's parts and its value.
pub(super) type Override = (Vec<String>, String);

/// Picks the variables that set a key.
pub(super) fn overrides(variables: impl Iterator<Item = (String, String)>) -> Vec<Override> {
    let key = |name: &str| -> Option<Vec<String>> {
        let key: Vec<String> = name.strip_prefix(PREFIX)?.to_lowercase().split("__").map(str::to_owned).collect();
        SECTIONS.contains(&key[0].as_str()).then_some(key)
    };
    variables.filter_map(|(name, value)| key(&name).map(|key| (key, value))).collect()
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
    fn a_variable_replaces_its_key_only() {
        let mut tree = json!({"listen": {"data": "a", "administration": "b"}});
        let variables = [("SYNOD_LISTEN__DATA", "c"), ("SYNOD_LIMITS__ROWS", "7"), ("SYNOD_PLUGINS_DIST", "x"), ("HOME", "y")];
        apply(&mut tree, overrides(variables.iter().map(|(name, value)| (name.to_string(), value.to_string()))));
        assert_eq!(tree, json!({"listen": {"data": "c", "administration": "b"}, "limits": {"rows": 7}}));
    }
}
