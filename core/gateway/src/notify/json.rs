//! Any gateway that takes JSON. What it is sent is written in the configuration as it shall be, with places in its texts that are filled in: in
//! decoded values, so that nothing that an alert says can be anything else than text.

use super::channel::{Letter, secret};
use super::message::text;
use super::webhook::Notification;
use super::{JsonConfig, NotifyError, ReceiverConfig};
use crate::calling::SecretFile;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value};

/// What can be filled in.
const PLACES: [&str; 4] = ["text", "severity", "status", "to"];

/// A JSON value with places in its texts: `{text}`, `{severity}`, `{status}` and `{to}`; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    body: Value,
}

impl Template {
    /// A template that can be filled in.
    ///
    /// # Errors
    /// When it has a place that is not known; the message is for people.
    pub fn new(body: Value) -> Result<Self, String> {
        let template = Self { body };
        each(&template.body, &mut |text| fill(text, &|_| "").map(|_| ()))?;
        Ok(template)
    }

    /// Whether it says to whom.
    pub fn names_recipient(&self) -> bool {
        let mut names = false;
        let _ = each(&self.body, &mut |text| {
            fill(text, &|place| if place == "to" { "\0" } else { "" }).map(|filled| names |= filled.contains('\0'))
        });
        names
    }

    fn filled(&self, value: &dyn Fn(&str) -> String) -> Value {
        filled(&self.body, value)
    }
}

fn each(value: &Value, visit: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<(), String> {
    match value {
        Value::String(text) => visit(text),
        Value::Array(values) => values.iter().try_for_each(|value| each(value, visit)),
        Value::Object(fields) => fields.values().try_for_each(|value| each(value, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn filled(value: &Value, of: &dyn Fn(&str) -> String) -> Value {
    match value {
        // What could not be filled in was refused when it was read.
        Value::String(text) => Value::String(fill(text, of).unwrap_or_default()),
        Value::Array(values) => values.iter().map(|value| filled(value, of)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), filled(value, of))).collect::<Map<_, _>>().into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Fills in the places of a text. What is filled in is not looked at again.
fn fill<T: AsRef<str>>(text: &str, of: &dyn Fn(&str) -> T) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        filled += &rest[..at];
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            filled += brace;
            rest = after;
            continue;
        }
        let place = after.split_once('}').filter(|(place, _)| brace == "{" && PLACES.contains(place));
        let known = || format!("`{text}`: a brace begins one of {{{}}}; a brace itself is written twice", PLACES.join("}, {"));
        let (place, after) = place.ok_or_else(known)?;
        filled += of(place).as_ref();
        rest = after;
    }
    Ok(filled + rest)
}

#[derive(Debug)]
pub(super) struct Json {
    pub(super) config: JsonConfig,
    secrets: Vec<(String, SecretFile)>,
    client: Client,
}

impl Json {
    pub(super) fn open(config: &JsonConfig, key: &str, client: &Client) -> Result<Self, NotifyError> {
        let open = |(name, path): &(String, std::path::PathBuf)| {
            secret(format!("{key}.json.header_files.{name}"), path).map(|secret| (name.clone(), secret))
        };
        let secrets = config.header_files.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self { config: config.clone(), secrets, client: client.clone() })
    }

    pub(super) fn letter(&self, to: &str, notification: &Notification, config: &ReceiverConfig) -> Letter {
        let text = text(notification, config.alerts, config.segments);
        let value = |place: &str| match place {
            "text" => text.clone(),
            "severity" => notification.severity().to_owned(),
            "status" => notification.status.name().to_owned(),
            _ => to.to_owned(),
        };
        let body = self.config.body.filled(&value);
        let mut request = self.client.request(self.config.method.clone(), self.config.url.clone());
        request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        for (name, secret) in &self.secrets {
            request = request.header(name, &*secret.text());
        }
        Letter { request, shown: body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_are_filled_in_and_nothing_else_is() {
        let template = Template::new(json!({"to": "{to}", "m": ["<{severity}> {text} {{x}}", 1, null], "{text}": true})).unwrap();
        assert!(template.names_recipient());
        let value = |place: &str| match place {
            "text" => "say \"{to}\", {\n".to_owned(),
            other => other.to_uppercase(),
        };
        let expected = json!({"to": "TO", "m": ["<SEVERITY> say \"{to}\", {\n {x}", 1, null], "{text}": true});
        assert_eq!(template.filled(&value), expected);
        assert!(!Template::new(json!({"a": "{text} {{to}}"})).unwrap().names_recipient());
        for bad in ["{", "}", "{txt}", "a {text", "{to}}", "{ text }"] {
            let error = Template::new(json!([{ "a": bad }])).unwrap_err();
            assert!(error.contains("{text}, {severity}"), "{bad}: {error}");
        }
    }
}
