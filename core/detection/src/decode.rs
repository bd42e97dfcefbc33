//! JSON rows straight into a [`Batch`], without a tree in between: memory stays in proportion to the rows that are accepted, and every
//! mistake of every row is found, not only the first.

use crate::{Batch, RowProblem, RowWriter, Schema, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What a body held.
#[derive(Debug)]
pub struct Decoded {
    /// The rows that can be scored.
    pub batch: Batch,
    /// For each row of the body its place in the batch, or what is wrong with it.
    pub rows: Vec<Result<usize, Vec<RowProblem>>>,
    /// Whether the body was one object and no list.
    pub single: bool,
}

/// Reads one row (an object) or several (a list of objects).
///
/// # Errors
/// When the body is no JSON, neither an object nor a list, or has more than `limit` rows. A row that the schema refuses is no such error:
/// it stands in [`Decoded::rows`].
pub fn decode_rows(schema: &Schema, body: &[u8], limit: usize) -> Result<Decoded, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let decoded = deserializer.deserialize_any(Body { schema, limit })?;
    deserializer.end()?;
    Ok(decoded)
}

struct Body<'a> {
    schema: &'a Schema,
    limit: usize,
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = Decoded;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row (an object) or a list of rows")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Decoded, M::Error> {
        let mut batch = Batch::new(self.schema);
        let row = read_row(batch.row(self.schema), self.schema, map)?;
        Ok(Decoded { batch, rows: vec![row], single: true })
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Decoded, S::Error> {
        let mut batch = Batch::new(self.schema);
        let mut rows = Vec::new();
        while let Some(row) = list.next_element_seed(Row { schema: self.schema, batch: &mut batch })? {
            if rows.len() == self.limit {
                return Err(Error::custom(format_args!("more than {} rows in one request", self.limit)));
            }
            rows.push(row);
        }
        Ok(Decoded { batch, rows, single: false })
    }
}

type RowResult = Result<usize, Vec<RowProblem>>;

struct Row<'a> {
    schema: &'a Schema,
    batch: &'a mut Batch,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = RowResult;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RowResult, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn no_row(what: &str) -> RowResult {
    Err(vec![RowProblem { field: String::new(), message: format!("a row must be an object, not {what}") }])
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = RowResult;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row (an object)")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<RowResult, M::Error> {
        read_row(self.batch.row(self.schema), self.schema, map)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<RowResult, S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(no_row("a list"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<RowResult, E> {
        Ok(no_row("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<RowResult, E> {
        Ok(no_row("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<RowResult, E> {
        Ok(no_row("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<RowResult, E> {
        Ok(no_row("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<RowResult, E> {
        Ok(no_row("text"))
    }

    fn visit_unit<E>(self) -> Result<RowResult, E> {
        Ok(no_row("null"))
    }
}

fn read_row<'de, M: MapAccess<'de>>(mut row: RowWriter<'_>, schema: &Schema, mut map: M) -> Result<RowResult, M::Error> {
    while let Some(key) = map.next_key_seed(Key(schema))? {
        match key {
            Ok(field) => map.next_value_seed(Cell { row: &mut row, field })?,
            Err(unknown) => {
                map.next_value::<IgnoredAny>()?;
                row.problem(&unknown, &unknown_field(schema, &unknown));
            }
        }
    }
    Ok(row.finish())
}

/// What is said of a field that the schema does not have.
pub fn unknown_field(schema: &Schema, name: &str) -> String {
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name.as_str()).collect();
    match names.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => format!("is no field of the schema (did you mean `{known}`?)"),
        None => format!("is no field of the schema, which has {}", names.join(", ")),
    }
}

/// A key: the field's place, or the name of an unknown one (cut to a bearable length).
struct Key<'a>(&'a Schema);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Result<usize, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.index(name).ok_or_else(|| name.chars().take(100).collect()))
    }
}

struct Cell<'a, 'b> {
    row: &'a mut RowWriter<'b>,
    field: usize,
}

impl<'de> DeserializeSeed<'de> for Cell<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Cell<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, text, true, false or null")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.row.set(self.field, Value::Boolean(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.row.set(self.field, Value::Integer(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        let value = i64::try_from(value).map_or(Value::Unusable("an integer beyond 2^63"), Value::Integer);
        self.row.set(self.field, value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.row.set(self.field, Value::Number(value));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.row.set(self.field, Value::Text(value));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.row.set(self.field, Value::Missing);
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        self.row.set(self.field, Value::Unusable("a list"));
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        self.row.set(self.field, Value::Unusable("an object"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Kind};

    fn schema() -> Schema {
        Schema::new(vec![Field::new("amount", Kind::Number), Field::new("count", Kind::Integer)]).unwrap()
    }

    fn decode(body: &str) -> Result<Decoded, serde_json::Error> {
        decode_rows(&schema(), body.as_bytes(), 3)
    }

    #[test]
    fn one_row_and_a_list_of_it_are_the_same_row() {
        let one = decode(r#"{"amount": 1.5, "count": 2}"#).unwrap();
        let list = decode(r#"[{"count": 2, "amount": 1.5}]"#).unwrap();
        assert!(one.single && !list.single);
        for decoded in [one, list] {
            assert_eq!((decoded.rows, decoded.batch.number(0, 0), decoded.batch.number(1, 0)), (vec![Ok(0)], 1.5, 2.0));
        }
    }

    #[test]
    fn every_mistake_of_every_row_is_found_and_good_rows_survive() {
        let body = r#"[{"amount": "x", "count": 1.5}, {"amount": 1, "count": 1}, 7, {"amount": 1, "count": 1, "Amount": 2}]"#;
        assert!(decode(body).unwrap_err().to_string().contains("more than 3 rows"));
        let body = r#"[{"amount": [1, {"a": 2}], "count": 1.5}, {"amount": 1, "count": 1}, {"amount": 1, "count": 1, "Amount": 2}]"#;
        let decoded = decode(body).unwrap();
        let problems = decoded.rows[0].as_ref().unwrap_err();
        assert_eq!(problems[0].message, "must be a number, not a list");
        assert_eq!(problems[1].message, "must be an integer, not 1.5");
        assert_eq!(decoded.rows[1], Ok(0));
        assert!(decoded.rows[2].as_ref().unwrap_err()[0].message.contains("did you mean `amount`"));
        assert_eq!(decoded.batch.rows(), 1);
    }

    #[test]
    fn what_is_no_json_or_no_row_is_an_error() {
        for body in ["", "{", "3", "\"x\"", "{} {}", r#"{"amount": NaN}"#, r#"{"amount": 1e400}"#] {
            assert!(decode(body).is_err(), "{body}");
        }
    }

    #[test]
    fn deep_nesting_costs_nothing_and_is_refused() {
        let deep = format!("{{\"amount\": {}{}, \"count\": 1}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(decode(&deep).unwrap().rows[0].as_ref().unwrap_err()[0].message, "must be a number, not a list");
    }
}
