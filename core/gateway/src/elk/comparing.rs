//! Whether what is there is what it should be. A server gives an object back in its own spelling: settings nested or with dots, numbers as texts,
//! its own times and defaults beside ours. So both are spread out to paths with texts, and where people add things (fields, settings,
//! components), an addition is a difference as well; elsewhere it is the server's.

use serde_json::Value;
use std::collections::BTreeMap;

/// Where nothing may be beside ours.
const WHOLE: [&str; 7] = [
    "template.mappings",
    "template.settings",
    "composed_of",
    "ignore_missing_component_templates",
    "index_patterns",
    "processors",
    "on_failure",
];

/// Where what is there is first something else, and what; none where it is as it should be.
pub(super) fn difference(wanted: &Value, found: &Value) -> Option<String> {
    let (wanted, found) = (spread(wanted), spread(found));
    for (path, value) in &wanted {
        match found.get(path) {
            Some(there) if there == value => {}
            // An object without anything in it, where the server writes its defaults.
            None if value == EMPTY && found.keys().any(|key| is_within(key, path)) => {}
            Some(there) => return Some(format!("{path} is {}, not {}", shown(there), shown(value))),
            None => return Some(format!("{path} is missing")),
        }
    }
    let added = found.keys().find(|path| !wanted.contains_key(*path) && WHOLE.iter().any(|whole| is_within(path, whole)));
    added.map(|path| format!("{path} is not ours"))
}

/// What stands for an object without anything in it.
const EMPTY: &str = "{}";

fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The part of a value that fits into a line.
fn shown(value: &str) -> String {
    if value.chars().count() > 60 { "another".to_owned() } else { value.to_owned() }
}

/// The leaves of a value, by their paths.
fn spread(value: &Value) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    add(String::new(), value, &mut leaves);
    leaves
}

fn add(path: String, value: &Value, leaves: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(object) if !object.is_empty() => object.iter().for_each(|(name, value)| add(below(name), value, leaves)),
        Value::Array(values) if !values.is_empty() => {
            values.iter().enumerate().for_each(|(index, value)| add(format!("{path}[{index}]"), value, leaves));
        }
        Value::String(text) => drop(leaves.insert(path, text.clone())),
        Value::Null => {}
        other => drop(leaves.insert(path, other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_servers_spelling_is_no_difference() {
        let wanted = json!({"template": {"settings": {"index.codec": "x", "index.a.limit": 2000, "index.a.b": true}}, "data_stream": {}, "_meta": {"by": "us"}});
        let found = json!({
            "template": {"settings": {"index": {"codec": "x", "a": {"limit": "2000", "b": "true"}}}},
            "data_stream": {"hidden": false}, "_meta": {"by": "us"}, "created_date_millis": 1, "version": 7
        });
        assert_eq!(difference(&wanted, &found), None);
    }

    #[test]
    fn what_is_changed_missing_or_added_is_named() {
        let wanted =
            json!({"template": {"mappings": {"dynamic": false, "properties": {"a": {"type": "long"}}}}, "composed_of": ["x", "y"]});
        let changed = |path: &str, value: Value| {
            let mut found = wanted.clone();
            *found.pointer_mut(path).unwrap() = value;
            difference(&wanted, &found)
        };
        assert_eq!(changed("/template/mappings/dynamic", json!(true)).unwrap(), "template.mappings.dynamic is true, not false");
        assert_eq!(changed("/template/mappings/properties", json!({})).unwrap(), "template.mappings.properties.a.type is missing");
        let added = json!({"a": {"type": "long"}, "b": {"type": "date"}});
        assert_eq!(changed("/template/mappings/properties", added).unwrap(), "template.mappings.properties.b.type is not ours");
        assert_eq!(changed("/composed_of", json!(["x", "y", "z"])).unwrap(), "composed_of[2] is not ours");
        assert_eq!(changed("/composed_of", json!(["y", "x"])).unwrap(), "composed_of[0] is y, not x");
        assert_eq!(difference(&json!({"data_stream": {}}), &json!({"a": 1})).unwrap(), "data_stream is missing");
    }
}
