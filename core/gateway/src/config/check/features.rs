//! The section `features`.

use super::Checker;
use crate::config::{text, units};
use indexmap::IndexMap;
use serde_json::Value;
use synod_detection::history::{Past, Window};
use synod_detection::{Definition, Missing, Scale, Schema, Source};

/// A feature with the scale that it declares itself, if it does.
pub(super) type Declared = (Definition, Option<Scale>);

pub(super) fn features(at: &mut Checker<'_>, text: &IndexMap<String, text::Feature>, schema: &Schema) -> IndexMap<String, Declared> {
    if text.is_empty() {
        at.mistake("features", "there are none: declare what the detectors see, as in `amount: {expression: amount}`");
    }
    let known: Vec<(&str, Past)> =
        text.iter().filter_map(|(name, declared)| Some((name.as_str(), past(declared, schema).ok()??))).collect();
    let mut features = IndexMap::new();
    for (name, declared) in text {
        let key = format!("features.{name}");
        let source = match source(declared, schema, &known) {
            Ok(source) => source,
            Err(message) => {
                at.mistake(&if declared.expression.is_some() { format!("{key}.expression") } else { key }, message);
                continue;
            }
        };
        let missing = declared.missing.as_ref().and_then(|value| {
            let read = missing(value);
            at.taken(&format!("{key}.missing"), read.map(Some), None)
        });
        let definition = Definition { name: name.clone(), source, scale: Scale::None, missing };
        if let Err(error) = definition.check(schema) {
            at.mistake(&if declared.expression.is_some() { format!("{key}.expression") } else { key }, error.to_string());
            continue;
        }
        features.insert(name.clone(), (definition, declared.scale));
    }
    features
}

/// The features that are recorded whether a detector sees them or not.
pub(super) fn recorded(
    at: &mut Checker<'_>,
    text: &IndexMap<String, text::Feature>,
    features: &IndexMap<String, Declared>,
) -> Vec<Definition> {
    let mut recorded = Vec::new();
    for (name, _) in text.iter().filter(|(_, declared)| declared.record) {
        match features.get(name) {
            Some((Definition { source: Source::Encoding { .. }, .. }, _)) => {
                at.mistake(
                    &format!("features.{name}.record"),
                    "an encoding is learnt with a model: it is recorded where a detector sees it",
                );
            }
            Some((definition, _)) => recorded.push(definition.clone()),
            // Its mistake was reported.
            None => {}
        }
    }
    recorded
}

fn source(text: &text::Feature, schema: &Schema, known: &[(&str, Past)]) -> Result<Source, String> {
    let of = || text.of.clone().ok_or("`of` is missing: the name of a field");
    if text.history.is_none() && (text.per.is_some() || text.over.is_some() || text.last.is_some()) {
        return Err("only a feature with `history` has `per`, `over` and `last`".into());
    }
    match (&text.expression, text.calendar, text.encode, text.history) {
        (Some(_), None, None, None) if text.of.is_some() || text.cyclic.is_some() => {
            Err("an expression has no `of` and no `cyclic`".into())
        }
        (Some(expression), None, None, None) => {
            let known: Vec<(&str, &Past)> = known.iter().map(|(name, past)| (*name, past)).collect();
            Source::expression(expression, schema, &known).map_err(|error| error.to_string())
        }
        (None, Some(part), None, None) => Ok(Source::Calendar { of: of()?, part, cyclic: text.cyclic }),
        (None, None, Some(_), None) | (None, None, None, Some(_)) if text.cyclic.is_some() => {
            Err("only a calendar part can be cyclic".into())
        }
        (None, None, Some(encoding), None) => Ok(Source::Encoding { of: of()?, encoding }),
        (None, None, None, Some(_)) => past(text, schema)?.map(Source::History).ok_or_else(|| "has no `history`".into()),
        _ => Err("needs exactly one of `expression`, `calendar`, `encode` and `history`".into()),
    }
}

/// What a feature asks of the past, if it does.
fn past(text: &text::Feature, schema: &Schema) -> Result<Option<Past>, String> {
    let Some(aggregate) = text.history else { return Ok(None) };
    let window = match (&text.over, text.last) {
        (Some(_), Some(_)) => return Err("give either `over`, a time span, or `last`, a number of events".into()),
        (Some(span), None) => Window::Time(micros(span).map_err(|error| format!("over: {error}"))?),
        (None, Some(0)) => return Err("last: must be 1 or more".into()),
        (None, Some(count)) => Window::Last(count),
        (None, None) => Window::All,
    };
    Ok(Some(Past { aggregate, of: text.of.clone(), per: per(text.per.as_ref(), schema)?, window }))
}

fn micros(span: &str) -> Result<i64, String> {
    i64::try_from(units::duration(span)?.as_micros()).map_err(|_| format!("`{span}` is too long"))
}

/// The fields of a key: one, several, or the schema's entity.
fn per(text: Option<&Value>, schema: &Schema) -> Result<Vec<String>, String> {
    let wrong = || "per: must be the name of a field, or a list of names".to_owned();
    match text {
        None => Ok(schema.entity().map(|entity| schema.fields()[entity].name.clone()).into_iter().collect()),
        Some(Value::String(name)) => Ok(vec![name.clone()]),
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

fn missing(value: &Value) -> Result<Missing, String> {
    match value {
        Value::String(text) if text == "median" => Ok(Missing::Median),
        Value::Number(number) => number.as_f64().map(Missing::Number).ok_or_else(|| "is too large".to_owned()),
        _ => Err("must be a number or `median`".into()),
    }
}
