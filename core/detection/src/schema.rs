//! What a row must look like.

use crate::{Value, time};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use thiserror::Error;

/// Beyond it a whole number has no exact double.
const EXACT: i64 = 1 << 53;
/// Longest text that a field takes unless it says otherwise, in bytes.
const DEFAULT_LENGTH: usize = 1024;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A finite real number.
    Number,
    /// A whole number between -2^53 and 2^53.
    Integer,
    /// True or false; 1 and 0 as a feature.
    Boolean,
    /// Text.
    Text,
    /// A moment.
    Time,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
            Self::Text => "text",
            Self::Time => "a time such as 2026-01-31T12:00:00Z",
        }
    }
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// Text as in RFC 3339; without an offset it is UTC.
    #[default]
    Text,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMilliseconds,
}

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name, as in the JSON object or the file's header.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether a row without it is refused.
    pub required: bool,
    /// Least value of a number, included.
    pub minimum: Option<f64>,
    /// Greatest value of a number, included.
    pub maximum: Option<f64>,
    /// The only texts that are allowed; none means any.
    pub values: Vec<String>,
    /// Longest text, in bytes.
    pub length: Option<usize>,
    /// How a moment is written.
    pub format: TimeFormat,
}

impl Field {
    /// A required field without bounds.
    pub fn new(name: &str, kind: Kind) -> Self {
        let format = TimeFormat::default();
        Self { name: name.into(), kind, required: true, minimum: None, maximum: None, values: Vec::new(), length: None, format }
    }

    /// What is allowed here, for an error message.
    pub fn allowed(&self) -> String {
        match (self.kind, self.minimum, self.maximum) {
            (Kind::Text, ..) if !self.values.is_empty() => format!("one of {}", self.values.join(", ")),
            (Kind::Text, ..) => format!("text of at most {} bytes", self.longest()),
            (Kind::Time, ..) if self.format == TimeFormat::EpochSeconds => "seconds since 1970".into(),
            (Kind::Time, ..) if self.format == TimeFormat::EpochMilliseconds => "milliseconds since 1970".into(),
            (kind, Some(minimum), Some(maximum)) => format!("{} from {minimum} to {maximum}", kind.name()),
            (kind, Some(minimum), None) => format!("{} of at least {minimum}", kind.name()),
            (kind, None, Some(maximum)) => format!("{} of at most {maximum}", kind.name()),
            (kind, None, None) => kind.name().into(),
        }
    }

    /// The greatest length of a text, in bytes.
    pub fn longest(&self) -> usize {
        self.length.unwrap_or(DEFAULT_LENGTH)
    }

    fn refuse<T>(&self, got: &str) -> Result<T, String> {
        Err(format!("must be {}, not {got}", self.allowed()))
    }

    /// The number that `value` is here; NaN if it is missing and may be.
    pub(crate) fn number(&self, value: Value<'_>) -> Result<f64, String> {
        let number = match (self.kind, value) {
            (_, Value::Missing) => return self.missing(f64::NAN),
            (Kind::Boolean, Value::Boolean(truth)) => return Ok(f64::from(u8::from(truth))),
            (Kind::Boolean, Value::Raw(text)) => return truth(text).map_or_else(|| self.refuse(&quote(text)), Ok),
            (Kind::Boolean, other) => return self.refuse(other.kind()),
            (_, Value::Integer(integer)) if integer.abs() > EXACT => return self.refuse("an integer beyond 2^53, which would lose digits"),
            (_, Value::Integer(integer)) => integer as f64,
            (_, Value::Number(number)) => number,
            (_, Value::Raw(text)) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() && !loses_digits(text) => number,
                _ => return self.refuse(&quote(text)),
            },
            (_, other) => return self.refuse(other.kind()),
        };
        self.within(number)
    }

    fn within(&self, number: f64) -> Result<f64, String> {
        let whole = self.kind != Kind::Integer || (number.fract() == 0.0 && number.abs() <= EXACT as f64);
        let low = self.minimum.is_some_and(|minimum| number < minimum);
        let high = self.maximum.is_some_and(|maximum| number > maximum);
        if !number.is_finite() || !whole || low || high {
            return self.refuse(&number.to_string());
        }
        // Zero has two signs; a model must not see the difference between them.
        Ok(number + 0.0)
    }

    /// The moment that `value` is here, in microseconds since 1970; `None` if it is missing and may be.
    pub(crate) fn moment(&self, value: Value<'_>) -> Result<Option<i64>, String> {
        let factor = match self.format {
            TimeFormat::Text => None,
            TimeFormat::EpochSeconds => Some(1_000_000),
            TimeFormat::EpochMilliseconds => Some(1_000),
        };
        let scaled = |count: f64, factor: i64| {
            let microseconds = count * factor as f64;
            // The years 1 to 9999, so that every moment has a calendar.
            (microseconds > -6.2e16 && microseconds < 2.5e17).then_some(microseconds.round() as i64)
        };
        let moment = match (value, factor) {
            (Value::Missing, _) => return self.missing(None),
            (Value::Time(microseconds), _) => Some(microseconds).filter(|moment| time::civil(*moment).is_some()),
            (Value::Text(text) | Value::Raw(text), None) => time::parse(text),
            (Value::Integer(count), Some(factor)) => scaled(count as f64, factor),
            (Value::Number(count), Some(factor)) => scaled(count, factor),
            (Value::Raw(text), Some(factor)) => text.trim().parse().ok().and_then(|count| scaled(count, factor)),
            _ => return self.refuse(value.kind()),
        };
        match (moment, value) {
            (Some(moment), _) => Ok(Some(moment)),
            (None, Value::Text(text) | Value::Raw(text)) => self.refuse(&quote(text)),
            (None, other) => self.refuse(other.kind()),
        }
    }

    /// The text that `value` is here; `None` if it is missing and may be.
    pub(crate) fn text<'a>(&self, value: Value<'a>) -> Result<Option<&'a str>, String> {
        let text = match value {
            Value::Missing => return self.missing(None),
            Value::Text(text) | Value::Raw(text) => text,
            other => return self.refuse(other.kind()),
        };
        if text.len() > self.longest() {
            return self.refuse(&format!("text of {} bytes", text.len()));
        }
        if !self.values.is_empty() && !self.values.iter().any(|value| value == text) {
            return self.refuse(&quote(text));
        }
        Ok(Some(text))
    }

    fn missing<T>(&self, if_allowed: T) -> Result<T, String> {
        if self.required { Err(format!("is missing: must be {}", self.allowed())) } else { Ok(if_allowed) }
    }
}

fn truth(text: &str) -> Option<f64> {
    match text {
        "true" | "True" | "TRUE" | "1" => Some(1.0),
        "false" | "False" | "FALSE" | "0" => Some(0.0),
        _ => None,
    }
}

/// Whether the text is a whole number that a double cannot hold.
fn loses_digits(text: &str) -> bool {
    let digits = text.trim().bytes().filter(u8::is_ascii_digit).count();
    let whole = text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b'+');
    whole && digits > 15 && text.trim().parse::<i64>().map_or(true, |integer| integer.abs() > EXACT)
}

fn quote(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() { format!("\"{shown}…\"") } else { format!("\"{shown}\"") }
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// Two fields have one name.
    #[error("field `{0}` is declared twice")]
    Twice(String),
    /// A role names a field that is not there, or has the wrong type.
    #[error("{role}: {why}")]
    Role {
        /// `entity`, `time` or `id`.
        role: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// The fields of a row, and which of them have a role.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    fields: Vec<Field>,
    names: HashMap<String, usize>,
    entity: Option<usize>,
    time: Option<usize>,
    id: Option<usize>,
}

impl Schema {
    /// A schema of these fields, without roles.
    ///
    /// # Errors
    /// When two fields share a name.
    pub fn new(fields: Vec<Field>) -> Result<Self, SchemaError> {
        let mut names = HashMap::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            if names.insert(field.name.clone(), index).is_some() {
                return Err(SchemaError::Twice(field.name.clone()));
            }
        }
        Ok(Self { fields, names, entity: None, time: None, id: None })
    }

    /// Says whom a row is about.
    ///
    /// # Errors
    /// When there is no such field, or it holds no text or number.
    pub fn with_entity(mut self, name: &str) -> Result<Self, SchemaError> {
        self.entity = Some(self.role("entity", name, |kind| kind != Kind::Time)?);
        Ok(self)
    }

    /// Says when a row happened.
    ///
    /// # Errors
    /// When there is no such field, or it holds no moment.
    pub fn with_time(mut self, name: &str) -> Result<Self, SchemaError> {
        self.time = Some(self.role("time", name, |kind| kind == Kind::Time)?);
        Ok(self)
    }

    /// Says what identifies a row.
    ///
    /// # Errors
    /// When there is no such field, or it holds no text or integer.
    pub fn with_id(mut self, name: &str) -> Result<Self, SchemaError> {
        self.id = Some(self.role("id", name, |kind| matches!(kind, Kind::Text | Kind::Integer))?);
        Ok(self)
    }

    fn role(&self, role: &'static str, name: &str, fits: impl Fn(Kind) -> bool) -> Result<usize, SchemaError> {
        let index = self.index(name).ok_or_else(|| SchemaError::Role { role, why: format!("there is no field `{name}`") })?;
        let kind = self.fields[index].kind;
        if fits(kind) {
            return Ok(index);
        }
        Err(SchemaError::Role { role, why: format!("field `{name}` holds {}, which cannot be used for it", kind.name()) })
    }

    /// The same fields for rows that were accepted once and written down since: without bounds, for what was masked, hashed or left out
    /// keeps none of them, and with times as text.
    #[must_use]
    pub fn as_stored(&self) -> Self {
        let stored = |field: &Field| Field { required: false, length: Some(usize::MAX), ..Field::new(&field.name, field.kind) };
        Self { fields: self.fields.iter().map(stored).collect(), ..self.clone() }
    }

    /// The fields, in the order of the declaration.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Where a field stands.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// Whom a row is about.
    pub fn entity(&self) -> Option<usize> {
        self.entity
    }

    /// When a row happened.
    pub fn time(&self) -> Option<usize> {
        self.time
    }

    /// What identifies a row.
    pub fn id(&self) -> Option<usize> {
        self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount() -> Field {
        Field { minimum: Some(0.0), maximum: Some(1e6), ..Field::new("amount", Kind::Number) }
    }

    #[test]
    fn a_number_is_the_same_from_json_and_from_a_file() {
        for text in ["150.75", "0.1", "1e3", "-0", "999999.9999999999"] {
            let from_json = serde_json::from_str::<f64>(text).unwrap();
            let field = Field::new("x", Kind::Number);
            let (a, b) = (field.number(Value::Number(from_json)).unwrap(), field.number(Value::Raw(text)).unwrap());
            assert_eq!(a.to_bits(), b.to_bits(), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_is_allowed() {
        assert_eq!(amount().number(Value::Number(-1.0)).unwrap_err(), "must be a number from 0 to 1000000, not -1");
        assert_eq!(amount().number(Value::Text("12")).unwrap_err(), "must be a number from 0 to 1000000, not text");
        assert_eq!(amount().number(Value::Missing).unwrap_err(), "is missing: must be a number from 0 to 1000000");
        let channel = Field { values: vec!["ATM".into(), "Online".into()], ..Field::new("channel", Kind::Text) };
        assert_eq!(channel.text(Value::Text("Fax")).unwrap_err(), "must be one of ATM, Online, not \"Fax\"");
    }

    #[test]
    fn nothing_that_is_no_finite_number_passes() {
        let field = Field::new("x", Kind::Number);
        for text in ["NaN", "inf", "1e400", "", "12a", "9007199254740993"] {
            assert!(field.number(Value::Raw(text)).is_err(), "{text}");
        }
        assert!(field.number(Value::Number(f64::NAN)).is_err());
        assert!(field.number(Value::Integer((1 << 53) + 1)).is_err());
        assert!(Field::new("n", Kind::Integer).number(Value::Number(1.5)).is_err());
    }

    #[test]
    fn epochs_and_texts_are_the_same_moment() {
        let text = Field::new("t", Kind::Time);
        let seconds = Field { format: TimeFormat::EpochSeconds, ..text.clone() };
        assert_eq!(text.moment(Value::Raw("2023-04-11 16:29:14")), seconds.moment(Value::Integer(1_681_230_554)));
        assert!(seconds.moment(Value::Number(1e300)).is_err());
    }
}
