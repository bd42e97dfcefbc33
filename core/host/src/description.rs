//! What a plugin says about itself, once it is checked.

use crate::contract::exported;
use crate::logging::one_line;
use semver::Version;
use serde::Serialize;
use serde_json::Value;

const NAME_BYTES: usize = 64;
const SUMMARY_BYTES: usize = 500;
const SCHEMA_BYTES: usize = 256 << 10;

/// What a plugin says about itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// The plugin's name: kebab case, at most 64 bytes.
    pub name: String,
    /// The plugin's own version, a semantic one.
    pub version: String,
    /// One line for people, at most 500 bytes.
    pub summary: String,
    /// JSON Schema of the parameters: an object whose `type` is `object`.
    pub parameters: Value,
    /// Fewest rows that a fit accepts.
    pub minimum_rows: u32,
    /// Whether rows may hold NaN, for a missing value.
    pub missing_values: bool,
    /// Whether the answer depends on the units of the features, so that they should be scaled.
    pub scaling: bool,
    /// Whether the raw score is made of each feature by itself, blind to how they go together.
    pub univariate: bool,
    /// Whether a fit needs a foreign model.
    pub artifact: bool,
    /// Whether a fit takes weights of the rows.
    pub weights: bool,
    /// Whether a fit can be divided.
    pub parts: bool,
    /// Whether a fit can go on from an earlier model.
    pub continues: bool,
    /// Whether scores can be explained.
    pub explains: bool,
    /// Whether the model can be exported as an ONNX file.
    pub exports_onnx: bool,
}

impl Description {
    /// Whether a fit takes a foreign model: it needs one, or the schema of the parameters says that it may have one.
    pub fn takes_artifact(&self) -> bool {
        self.artifact || self.parameters.get("x-artifact").and_then(Value::as_str) == Some("optional")
    }

    pub(crate) fn check(said: exported::Description) -> Result<Self, String> {
        if !is_kebab(&said.name) {
            return Err(format!("{:?} is not a name: lower-case letters, digits and single hyphens", one_line(&said.name, NAME_BYTES)));
        }
        if said.version.len() > NAME_BYTES || Version::parse(&said.version).is_err() {
            return Err(format!("{:?} is not a semantic version", one_line(&said.version, NAME_BYTES)));
        }
        Ok(Self {
            name: said.name,
            version: said.version,
            summary: one_line(&said.summary, SUMMARY_BYTES),
            parameters: schema(&said.parameters)?,
            minimum_rows: said.minimum_rows,
            missing_values: said.missing_values,
            scaling: said.scaling,
            univariate: said.univariate,
            artifact: said.artifact,
            weights: said.weights,
            parts: said.parts,
            continues: said.continues,
            explains: said.explains,
            exports_onnx: said.exports_onnx,
        })
    }
}

fn is_kebab(name: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.len() <= NAME_BYTES && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(word)
}

fn schema(text: &str) -> Result<Value, String> {
    if text.len() > SCHEMA_BYTES {
        return Err(format!("the schema of the parameters has {} bytes, more than {SCHEMA_BYTES}", text.len()));
    }
    let schema: Value = serde_json::from_str(text).map_err(|error| format!("the schema of the parameters is not JSON: {error}"))?;
    if schema.get("type").and_then(Value::as_str) == Some("object") {
        Ok(schema)
    } else {
        Err("the schema of the parameters does not have the type `object`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> exported::Description {
        exported::Description {
            name: "some-plugin".into(),
            version: "1.2.0".into(),
            summary: "trees\nand more".into(),
            parameters: r#"{"type":"object"}"#.into(),
            minimum_rows: 2,
            missing_values: false,
            scaling: false,
            univariate: false,
            artifact: false,
            weights: false,
            parts: false,
            continues: false,
            explains: false,
            exports_onnx: false,
        }
    }

    #[test]
    fn a_right_description_is_taken() {
        let description = Description::check(said()).unwrap();
        assert_eq!((description.name.as_str(), description.summary.as_str()), ("some-plugin", "trees and more"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let long = "a".repeat(65);
        for name in ["", "-a", "a-", "a--b", "Forest", "1st", "../etc", "a b", "a\n", long.as_str()] {
            assert!(Description::check(exported::Description { name: name.into(), ..said() }).is_err(), "{name:?}");
        }
        for version in ["", "1", "1.2", "latest", "1.0.0\n"] {
            assert!(Description::check(exported::Description { version: version.into(), ..said() }).is_err(), "{version:?}");
        }
        for parameters in ["", "{", "[]", "{}", r#"{"type":"array"}"#, &"[".repeat(100_000)] {
            assert!(Description::check(exported::Description { parameters: parameters.into(), ..said() }).is_err(), "{parameters:?}");
        }
    }
}
