//! An input as it arrived, whatever carried it, checked against its own shape and datatype.

use super::Datatype;
use super::cells::{Cell, cells};
use std::borrow::Cow;
use synod_detection::Value;

/// What is said about an input's values.
#[derive(Debug, Clone, PartialEq)]
pub struct Head<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) datatype: Datatype,
    pub(super) shape: Vec<i64>,
    /// How many values that is.
    pub(super) count: usize,
}

/// How many values the inputs of a request can have.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    most: usize,
    left: usize,
}

impl Room {
    /// Room for so many values.
    pub fn new(most: usize) -> Self {
        Self { most, left: most }
    }

    /// Takes the room that an input needs, before any of its values is read.
    ///
    /// # Errors
    /// When there is no such datatype, or the shape is none or too large.
    pub fn head<'a>(&mut self, name: Cow<'a, str>, datatype: &str, shape: Vec<i64>) -> Result<Head<'a>, String> {
        let datatype = Datatype::named(datatype)?;
        let count = count(&shape, self.most)?;
        let left = self.left.checked_sub(count);
        self.left = left.ok_or_else(|| format!("has {count} values, with which the request has more than {}", self.most))?;
        Ok(Head { name, datatype, shape, count })
    }
}

fn count(shape: &[i64], most: usize) -> Result<usize, String> {
    match shape.iter().min() {
        None => return Err("has no dimensions: a field takes [rows] or [rows, 1]".into()),
        Some(least) if *least < 0 => return Err(format!("has a dimension of {least}")),
        Some(0) => return Err(format!("has no values: its shape is {}", written(shape))),
        Some(_) => {}
    }
    let count = shape.iter().try_fold(1_usize, |count, dimension| count.checked_mul(usize::try_from(*dimension).ok()?));
    count.filter(|count| *count <= most).ok_or_else(|| format!("has the shape {}, and {most} values are the most", written(shape)))
}

/// A shape for people. A long one is cut: what is wrong with it can be seen.
pub(super) fn written(shape: &[i64]) -> String {
    let shown: Vec<String> = shape.iter().take(8).map(i64::to_string).collect();
    format!("[{}{}]", shown.join(", "), if shape.len() > shown.len() { ", …" } else { "" })
}

/// An input.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<'a> {
    pub(super) head: Head<'a>,
    data: Data<'a>,
}

#[derive(Debug, Clone, PartialEq)]
enum Data<'a> {
    /// Values of one size, end to end, little-endian.
    Packed(&'a [u8]),
    /// Texts, each a slice of the request.
    Texts(Vec<&'a [u8]>),
    /// Values of a list.
    Cells(Vec<Cell<'a>>),
}

impl<'a> Tensor<'a> {
    /// An input in binary form.
    ///
    /// # Errors
    /// When the bytes are not as many as the shape and the datatype say.
    pub fn packed(head: Head<'a>, bytes: &'a [u8]) -> Result<Self, String> {
        let data = match head.datatype.size() {
            None => Data::Texts(texts(bytes, head.count)?),
            Some(size) if size * head.count == bytes.len() => Data::Packed(bytes),
            Some(size) => {
                let (name, shape) = (head.datatype.name(), written(&head.shape));
                return Err(format!("has {} bytes; {name} of the shape {shape} has {}", bytes.len(), size * head.count));
            }
        };
        Ok(Self { head, data })
    }

    /// An input as a JSON list.
    ///
    /// # Errors
    /// When its values are not as many as the shape says, or not of the datatype.
    pub fn json(head: Head<'a>, text: &'a str) -> Result<Self, String> {
        let data = Data::Cells(cells(head.datatype, head.count, text)?);
        Ok(Self { head, data })
    }

    /// An input as a list of numbers or booleans.
    ///
    /// # Errors
    /// When they are not as many as the shape says, or not of the datatype.
    pub fn listed<T>(head: Head<'a>, list: &[T], value: impl Fn(Datatype, &T) -> Result<Value<'static>, String>) -> Result<Self, String> {
        head.has(list.len())?;
        let of = |(place, item)| {
            let value = value(head.datatype, item).map_err(|what| format!("has a wrong value, number {place}: {what}"))?;
            Ok(Cell::Plain(value))
        };
        let data = Data::Cells(list.iter().enumerate().map(of).collect::<Result<_, String>>()?);
        Ok(Self { head, data })
    }

    /// An input as a list of texts.
    ///
    /// # Errors
    /// When they are not as many as the shape says.
    pub fn texts(head: Head<'a>, texts: Vec<&'a [u8]>) -> Result<Self, String> {
        head.has(texts.len())?;
        Ok(Self { head, data: Data::Texts(texts) })
    }

    /// A value. An empty text says of a field that may be missing that it is: most clients have no other word for it.
    pub(super) fn value(&self, place: usize, may_be_missing: bool) -> Value<'_> {
        match self.written(place) {
            Value::Text("") if may_be_missing => Value::Missing,
            value => value,
        }
    }

    fn written(&self, place: usize) -> Value<'_> {
        match &self.data {
            Data::Packed(bytes) => {
                let size = self.head.datatype.size().unwrap_or(1);
                self.head.datatype.unpacked(bytes.get(place * size..(place + 1) * size).unwrap_or_default())
            }
            Data::Texts(texts) => {
                let text = texts.get(place).copied().unwrap_or_default();
                std::str::from_utf8(text).map_or(Value::Unusable("text that is not UTF-8"), Value::Text)
            }
            Data::Cells(cells) => cells.get(place).map_or(Value::Missing, Cell::value),
        }
    }
}

impl Head<'_> {
    /// The type of the values.
    pub fn datatype(&self) -> Datatype {
        self.datatype
    }

    fn has(&self, values: usize) -> Result<(), String> {
        if values == self.count { Ok(()) } else { Err(format!("has {values} values, and a shape of {}", self.count)) }
    }
}

/// Texts, each with its length of four bytes before it.
fn texts(mut bytes: &[u8], count: usize) -> Result<Vec<&[u8]>, String> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = u32::from_le_bytes(*length) as usize;
        if texts.len() == count {
            return Err(format!("has more values than its shape, which is of {count}"));
        }
        let Some((text, rest)) = rest.split_at_checked(length) else {
            return Err(format!("has a wrong value, number {}: it is to have {length} bytes, and {} are left", texts.len(), rest.len()));
        };
        texts.push(text);
        bytes = rest;
    }
    match bytes.len() {
        0 if texts.len() == count => Ok(texts),
        0 => Err(format!("has {} values, and a shape of {count}", texts.len())),
        left => Err(format!("ends with {left} bytes that are no length of a value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(datatype: &str, shape: &[i64]) -> Result<Head<'static>, String> {
        Room::new(100).head("x".into(), datatype, shape.to_vec())
    }

    #[test]
    fn a_shape_says_how_many_values_there_are() {
        for (shape, count) in [(&[3][..], 3), (&[3, 1], 3), (&[2, 50], 100), (&[1, 1, 1], 1)] {
            assert_eq!(head("FP64", shape).unwrap().count, count);
        }
        for (shape, what) in [
            (&[][..], "has no dimensions"),
            (&[0], "has no values: its shape is [0]"),
            (&[i64::MAX, 0], "has no values"),
            (&[3, -1], "has a dimension of -1"),
            (&[i64::MIN], "has a dimension of"),
            (&[101], "has the shape [101], and 100 values are the most"),
            (&[i64::MAX], "has the shape"),
            (&[i64::MAX, i64::MAX], "has the shape"),
            (&[1 << 32, 1 << 32], "has the shape"),
            (&[2; 1000], "has the shape [2, 2, 2, 2, 2, 2, 2, 2, …]"),
        ] {
            let error = head("FP64", shape).unwrap_err();
            assert!(error.starts_with(what), "{error}");
        }
        assert!(head("FP65", &[1]).unwrap_err().contains("`FP65`, which is none; there are BOOL, UINT8"));
        assert!(head("fp64", &[1]).is_err());
    }

    #[test]
    fn all_inputs_together_have_a_bounded_number_of_values() {
        let mut room = Room::new(10);
        assert!(room.head("a".into(), "FP64", vec![6]).is_ok() && room.head("b".into(), "FP64", vec![4]).is_ok());
        assert_eq!(room.head("c".into(), "FP64", vec![1]), Err("has 1 values, with which the request has more than 10".into()));
    }

    #[test]
    fn binary_values_are_as_many_as_the_shape_says() {
        let three = [0; 24];
        assert!(Tensor::packed(head("FP64", &[3]).unwrap(), &three).is_ok());
        for (datatype, bytes, what) in [
            ("FP64", &three[..23], "has 23 bytes; FP64 of the shape [3] has 24"),
            ("FP32", &three[..], "has 24 bytes; FP32 of the shape [3] has 12"),
            ("BYTES", &[1, 0, 0, 0, b'a'], "has 1 values, and a shape of 3"),
            ("BYTES", &[9, 0, 0, 0, b'a'], "has a wrong value, number 0: it is to have 9 bytes, and 1 are left"),
            ("BYTES", &[0xff, 0xff, 0xff, 0xff], "has a wrong value, number 0: it is to have 4294967295 bytes, and 0 are left"),
            ("BYTES", &[0; 16], "has more values than its shape"),
            ("BYTES", &[0; 14], "ends with 2 bytes"),
        ] {
            let error = Tensor::packed(head(datatype, &[3]).unwrap(), bytes).unwrap_err();
            assert!(error.starts_with(what), "{error}");
        }
    }

    #[test]
    fn an_empty_text_is_missing_where_it_may_be() {
        let bytes = [0, 0, 0, 0];
        let binary = Tensor::packed(head("BYTES", &[1]).unwrap(), &bytes).unwrap();
        assert_eq!((binary.value(0, true), binary.value(0, false)), (Value::Missing, Value::Text("")));
        let json = Tensor::json(head("BYTES", &[1]).unwrap(), r#"[""]"#).unwrap();
        assert_eq!((json.value(0, true), json.value(0, false)), (Value::Missing, Value::Text("")));
        let bytes = [1, 0, 0, 0, 0xff];
        let binary = Tensor::packed(head("BYTES", &[1]).unwrap(), &bytes).unwrap();
        assert_eq!(binary.value(0, true), Value::Unusable("text that is not UTF-8"));
    }
}
