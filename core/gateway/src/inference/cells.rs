//! A JSON list of values, flat or nested, straight into cells: no more of them than the tensor's shape says.

use super::Datatype;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use synod_detection::Value;

/// A value of a tensor that was written as a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Plain(Value<'static>),
    Text(Cow<'a, str>),
}

impl Cell<'_> {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Plain(value) => *value,
            Self::Text(text) => Value::Text(text),
        }
    }
}

/// Reads `count` values of a datatype.
///
/// # Errors
/// When it is no list, has more or fewer values, or one that the datatype does not have.
pub(super) fn cells(datatype: Datatype, count: usize, text: &str) -> Result<Vec<Cell<'_>>, String> {
    if !text.starts_with('[') {
        return Err("has `data` that is no list".into());
    }
    let mut cells = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Reading { datatype, count, cells: &mut cells }.deserialize(&mut deserializer);
    // Where in the list it is says more than where in its text.
    read.map_err(|error| error.to_string().split(" at line ").next().unwrap_or_default().to_owned())?;
    if cells.len() < count {
        return Err(format!("has {} values, and a shape of {count}", cells.len()));
    }
    Ok(cells)
}

struct Reading<'s, 'a> {
    datatype: Datatype,
    count: usize,
    cells: &'s mut Vec<Cell<'a>>,
}

impl<'a> Reading<'_, 'a> {
    fn push<E: Error>(&mut self, value: Result<Value<'static>, String>) -> Result<(), E> {
        let value = value.map_err(|what| self.wrong(&what))?;
        self.keep(Cell::Plain(value))
    }

    fn text<E: Error>(&mut self, text: Cow<'a, str>) -> Result<(), E> {
        match self.datatype {
            Datatype::Bytes => self.keep(Cell::Text(text)),
            other => Err(self.wrong(&format!("text is no {}", other.name()))),
        }
    }

    fn keep<E: Error>(&mut self, cell: Cell<'a>) -> Result<(), E> {
        if self.cells.len() == self.count {
            return Err(E::custom(format_args!("has more values than its shape, which is of {}", self.count)));
        }
        self.cells.push(cell);
        Ok(())
    }

    fn wrong<E: Error>(&self, what: &str) -> E {
        E::custom(format_args!("has a wrong value, number {}: {what}", self.cells.len()))
    }
}

impl<'a> DeserializeSeed<'a> for Reading<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Reading<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<(), S::Error> {
        while list.next_element_seed(Reading { datatype: self.datatype, count: self.count, cells: self.cells })?.is_some() {}
        Ok(())
    }

    fn visit_map<M>(self, _: M) -> Result<(), M::Error>
    where
        M: serde::de::MapAccess<'a>,
    {
        Err(self.wrong("an object is no value"))
    }

    fn visit_bool<E: Error>(mut self, truth: bool) -> Result<(), E> {
        let value = self.datatype.truth(truth);
        self.push(value)
    }

    fn visit_i64<E: Error>(mut self, integer: i64) -> Result<(), E> {
        let value = self.datatype.whole(integer.into());
        self.push(value)
    }

    fn visit_u64<E: Error>(mut self, integer: u64) -> Result<(), E> {
        let value = self.datatype.whole(integer.into());
        self.push(value)
    }

    fn visit_f64<E: Error>(mut self, real: f64) -> Result<(), E> {
        let value = self.datatype.real(real);
        self.push(value)
    }

    fn visit_borrowed_str<E: Error>(mut self, text: &'a str) -> Result<(), E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.text(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.push(Ok(Value::Missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_are_read_row_by_row() {
        let flat = cells(Datatype::Fp64, 4, "[1, 2.5, null, 4]").unwrap();
        assert_eq!(flat, cells(Datatype::Fp64, 4, "[[1, 2.5], [null, 4]]").unwrap());
        assert_eq!(flat[1].value(), Value::Number(2.5));
        let texts = cells(Datatype::Bytes, 2, r#"["a", "\u00e4\n"]"#).unwrap();
        assert_eq!((texts[0].value(), texts[1].value()), (Value::Text("a"), Value::Text("ä\n")));
    }

    #[test]
    fn a_list_has_what_its_shape_and_datatype_say() {
        for (datatype, text, what) in [
            (Datatype::Fp64, "[1]", "has 1 values, and a shape of 2"),
            (Datatype::Fp64, "[1, 2, 3]", "has more values than its shape, which is of 2"),
            (Datatype::Fp64, "7", "has `data` that is no list"),
            (Datatype::Fp64, "[1, \"2\"]", "has a wrong value, number 1: text is no FP64"),
            (Datatype::Fp64, "[1, true]", "has a wrong value, number 1: true is no FP64"),
            (Datatype::Fp64, "[1, {}]", "has a wrong value, number 1: an object is no value"),
            (Datatype::Int32, "[1, 2147483648]", "has a wrong value, number 1: 2147483648 is no INT32"),
            (Datatype::Bytes, "[\"a\", 1]", "has a wrong value, number 1: a BYTES tensor holds texts, not numbers"),
        ] {
            let error = cells(datatype, 2, text).unwrap_err();
            assert!(error.starts_with(what), "{text}: {error}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(cells(Datatype::Fp64, 1, &deep).unwrap_err().contains("recursion"));
    }
}
