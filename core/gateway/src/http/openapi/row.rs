//! The rows of this installation: as they are sent, and as they are stored.

use super::shape::{moment, of, one_of, or_null, text};
use crate::config::{Config, Storing};
use serde_json::{Map, Value, json};
use synod_detection::{Field, Kind, Schema as RowSchema, TimeFormat};
use utoipa::Number;
use utoipa::openapi::Type;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};

/// Beyond it a whole number has no exact double.
const EXACT: isize = 1 << 53;

/// A row as clients send it. A field that is not there is refused.
pub(super) fn sent(config: &Config) -> ObjectBuilder {
    let schema = &config.schema;
    let mut row = of(Type::Object)
        .description(Some("A row. It has these fields and no others; numbers must be finite, and a whole number within 2^53."))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .examples([example(schema)]);
    for (index, field) in schema.fields().iter().enumerate() {
        row = row.property(&field.name, self::field(field).description(words(schema, index)));
        if field.required {
            row = row.required(&field.name);
        }
    }
    row
}

fn field(field: &Field) -> ObjectBuilder {
    let shape = match field.kind {
        Kind::Number => within(of(Type::Number), field.minimum.map(number), field.maximum.map(number)),
        Kind::Integer => within(of(Type::Integer), Some(least(field)), Some(greatest(field))),
        Kind::Boolean => of(Type::Boolean),
        Kind::Text if !field.values.is_empty() => one_of(field.values.iter().map(String::as_str)),
        Kind::Text => text().max_length(Some(field.longest())),
        Kind::Time if field.format == TimeFormat::Text => moment(),
        Kind::Time => epoch(if field.format == TimeFormat::EpochSeconds { 1 } else { 1_000 }),
    };
    if field.required { shape } else { nullable(shape, field) }
}

/// A field that is not required may be null as well.
fn nullable(shape: ObjectBuilder, field: &Field) -> ObjectBuilder {
    let kind = match (field.kind, field.format) {
        (Kind::Number, _) | (Kind::Time, TimeFormat::EpochSeconds | TimeFormat::EpochMilliseconds) => Type::Number,
        (Kind::Integer, _) => Type::Integer,
        (Kind::Boolean, _) => Type::Boolean,
        (Kind::Text, _) | (Kind::Time, TimeFormat::Text) => Type::String,
    };
    let shape = shape.schema_type(or_null(kind));
    match field.values.is_empty() {
        true => shape,
        false => shape.enum_values(Some(field.values.iter().map(|value| json!(value)).chain([Value::Null]))),
    }
}

fn within(shape: ObjectBuilder, least: Option<Number>, greatest: Option<Number>) -> ObjectBuilder {
    shape.minimum(least).maximum(greatest)
}

fn least(field: &Field) -> Number {
    field.minimum.map_or(Number::Int(-EXACT), |minimum| number(minimum.max(-EXACT as f64)))
}

fn greatest(field: &Field) -> Number {
    field.maximum.map_or(Number::Int(EXACT), |maximum| number(maximum.min(EXACT as f64)))
}

/// Whole numbers without a decimal point.
fn number(number: f64) -> Number {
    let whole = number.fract() == 0.0 && number.abs() <= EXACT as f64;
    if whole { Number::Int(number as isize) } else { Number::Float(number) }
}

/// So many a second since 1970, in the years 1 to 9999 or so.
fn epoch(a_second: isize) -> ObjectBuilder {
    of(Type::Number).exclusive_minimum(Some(-62_000_000_000 * a_second)).exclusive_maximum(Some(250_000_000_000 * a_second))
}

/// What a shape cannot say of a field.
fn words(schema: &RowSchema, index: usize) -> Option<String> {
    let field = &schema.fields()[index];
    let role = match Some(index) {
        place if place == schema.id() => Some("Identifies the row: an id is judged once."),
        place if place == schema.entity() => Some("Whom the row is about."),
        place if place == schema.time() => Some("When it happened."),
        _ => None,
    };
    let form = match (field.kind, field.format) {
        (Kind::Text, _) if field.values.is_empty() => Some(format!("At most {} bytes in UTF-8.", field.longest())),
        (Kind::Time, TimeFormat::Text) => Some("Without an offset it is UTC; the time of day may be left out.".to_owned()),
        (Kind::Time, TimeFormat::EpochSeconds) => Some("Seconds since 1970.".to_owned()),
        (Kind::Time, TimeFormat::EpochMilliseconds) => Some("Milliseconds since 1970.".to_owned()),
        _ => None,
    };
    let words: Vec<String> = role.map(str::to_owned).into_iter().chain(form).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A row that the schema accepts.
pub(super) fn example(schema: &RowSchema) -> Value {
    let row: Map<String, Value> = schema.fields().iter().map(|field| (field.name.clone(), example_of(field))).collect();
    Value::Object(row)
}

fn example_of(field: &Field) -> Value {
    let (least, greatest) = (field.minimum.unwrap_or(0.0), field.maximum.unwrap_or(100.0));
    let between = if least <= greatest { least + (greatest - least) / 4.0 } else { field.minimum.or(field.maximum).unwrap_or(0.0) };
    match (field.kind, field.format) {
        (Kind::Number, _) => json!(number(between)),
        (Kind::Integer, _) => json!(number(between.ceil().min(greatest.max(least)).trunc())),
        (Kind::Boolean, _) => json!(false),
        (Kind::Text, _) => field.values.first().map_or_else(|| json!(text_of(field)), |value| json!(value)),
        (Kind::Time, TimeFormat::Text) => json!("2026-01-31T12:00:00Z"),
        (Kind::Time, TimeFormat::EpochSeconds) => json!(1_769_860_800),
        (Kind::Time, TimeFormat::EpochMilliseconds) => json!(1_769_860_800_000_u64),
    }
}

fn text_of(field: &Field) -> String {
    format!("{}-1", field.name).chars().filter(char::is_ascii).take(field.longest()).collect()
}

/// A row as decisions have it: what was missing is left out, and some fields are stored in another form.
pub(super) fn stored(config: &Config) -> ObjectBuilder {
    let mut row = of(Type::Object).description(Some("A row as it is stored; what was missing is left out."));
    for (field, storing) in config.schema.fields().iter().zip(&config.storing) {
        if let Some(shape) = stored_field(field, *storing) {
            row = row.property(&field.name, shape);
        }
    }
    row
}

pub(super) fn stored_field(field: &Field, storing: Storing) -> Option<ObjectBuilder> {
    let shape = match (storing, field.kind) {
        (Storing::Drop, _) => return None,
        (Storing::Mask, _) => text().description(Some("The last four characters, behind stars.")),
        (Storing::Hmac, _) => {
            text().pattern(Some("^[0-9a-f]{32}$")).description(Some("A keyed digest: equal values can be recognised, and not read."))
        }
        (Storing::Keep, Kind::Number) => of(Type::Number),
        (Storing::Keep, Kind::Integer) => of(Type::Integer),
        (Storing::Keep, Kind::Boolean) => of(Type::Boolean),
        (Storing::Keep, Kind::Text) => text(),
        (Storing::Keep, Kind::Time) => moment(),
    };
    Some(shape)
}
