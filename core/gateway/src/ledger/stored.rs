//! What may be stored of a row. Histories, digests and records see this form of it; only the detectors see the row itself.

use crate::config::Storing;
use crate::hexadecimal::hexadecimal;
use jiff::Timestamp;
use serde_json::{Map, Number, Value as Json};
use std::borrow::Cow;
use synod_detection::{Batch, Schema, Value};
use synod_store::Secret;

/// Characters of a masked text that can still be read.
const SHOWN: usize = 4;

/// How rows are stored.
#[derive(Debug, Clone)]
pub struct StoredForm {
    schema: Schema,
    storing: Vec<Storing>,
    secret: Secret,
}

impl StoredForm {
    /// For rows of this schema; `storing` has an entry for each field.
    pub fn new(schema: Schema, storing: Vec<Storing>, secret: Secret) -> Self {
        Self { schema, storing, secret }
    }

    /// The rows in the form in which they may be stored.
    pub fn of<'a>(&self, batch: &'a Batch) -> Cow<'a, Batch> {
        if self.storing.iter().all(|storing| *storing == Storing::Keep) {
            return Cow::Borrowed(batch);
        }
        let mut stored = batch.clone();
        for (field, storing) in self.storing.iter().enumerate() {
            match storing {
                Storing::Keep => {}
                Storing::Drop => stored.leave_out(field),
                Storing::Mask => stored.replace_texts(field, |text| Some(masked(text))),
                Storing::Hmac => stored.replace_texts(field, |text| Some(self.hashed(field, text))),
            }
        }
        Cow::Owned(stored)
    }

    /// A text as it is stored in this field, to look for it; none if it is not stored so that it could be found.
    pub fn text(&self, field: usize, text: &str) -> Option<String> {
        match self.storing.get(field)? {
            Storing::Keep => Some(text.to_owned()),
            Storing::Hmac => Some(self.hashed(field, text)),
            Storing::Mask | Storing::Drop => None,
        }
    }

    fn hashed(&self, field: usize, text: &str) -> String {
        let name = &self.schema.fields()[field].name;
        let digest = self.secret.digest("field", &[name.as_bytes(), text.as_bytes()]);
        // Half of it is enough to tell any number of values apart.
        hexadecimal(&digest[..16])
    }

    /// A row of stored rows as a JSON object; what is missing is left out.
    pub fn row(&self, stored: &Batch, row: usize) -> Map<String, Json> {
        let cell = |(index, field): (usize, &synod_detection::Field)| {
            let value = match stored.value(&self.schema, index, row) {
                Value::Boolean(truth) => Json::Bool(truth),
                Value::Integer(integer) => Json::Number(integer.into()),
                Value::Number(number) => Json::Number(Number::from_f64(number)?),
                Value::Text(text) | Value::Raw(text) => Json::String(text.to_owned()),
                Value::Time(moment) => Json::String(Timestamp::from_microsecond(moment).ok()?.to_string()),
                Value::Missing | Value::Unusable(_) => return None,
            };
            Some((field.name.clone(), value))
        };
        self.schema.fields().iter().enumerate().filter_map(cell).collect()
    }

    /// A keyed digest of a row, from its values and not from how they were written.
    pub fn content(&self, batch: &Batch, row: usize) -> [u8; 32] {
        let mut bytes = Vec::with_capacity(256);
        for field in 0..self.schema.fields().len() {
            match batch.value(&self.schema, field, row) {
                Value::Text(text) | Value::Raw(text) => {
                    bytes.push(1);
                    bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
                Value::Time(moment) => {
                    bytes.push(2);
                    bytes.extend_from_slice(&moment.to_le_bytes());
                }
                Value::Missing | Value::Unusable(_) => bytes.push(0),
                Value::Boolean(_) | Value::Integer(_) | Value::Number(_) => {
                    bytes.push(3);
                    bytes.extend_from_slice(&batch.number(field, row).to_bits().to_le_bytes());
                }
            }
        }
        self.secret.digest("row", &[&bytes])
    }
}

fn masked(text: &str) -> String {
    let count = text.chars().count();
    let hidden = count.saturating_sub(SHOWN).max(count.min(SHOWN));
    std::iter::repeat_n('*', hidden).chain(text.chars().skip(hidden)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use synod_detection::{Field, Kind, decode_rows};
    use synod_store::DataDirectory;

    #[test]
    fn short_texts_are_hidden_whole() {
        assert_eq!(masked("4539123412341234"), "************1234");
        assert_eq!((masked("abcd").as_str(), masked("abcdef").as_str(), masked("").as_str()), ("****", "****ef", ""));
    }

    #[test]
    fn a_stored_row_is_read_back_as_it_was_stored() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::open(&DataDirectory::open(folder.path()).unwrap()).unwrap();
        let limited = Field { values: vec!["visa".into()], ..Field::new("card", Kind::Text) };
        let number = Field { maximum: Some(9.0), ..Field::new("amount", Kind::Number) };
        let fields = vec![
            limited,
            number,
            Field::new("at", Kind::Time),
            Field::new("ok", Kind::Boolean),
            Field::new("pin", Kind::Text),
            Field::new("n", Kind::Integer),
        ];
        let schema = Schema::new(fields).unwrap();
        let storing = vec![Storing::Hmac, Storing::Keep, Storing::Keep, Storing::Keep, Storing::Drop, Storing::Keep];
        let form = StoredForm::new(schema.clone(), storing, secret);
        let body = br#"{"card":"visa","amount":0.1,"at":"2026-01-31T12:00:00.000001Z","ok":true,"pin":"1234","n":7}"#;
        let batch = decode_rows(&schema, body, 1).unwrap().batch;
        let stored = form.of(&batch);
        let text = serde_json::to_vec(&form.row(&stored, 0)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("1234") && !String::from_utf8_lossy(&text).contains("visa"));
        let read = decode_rows(&schema.as_stored(), &text, 1).unwrap();
        assert_eq!(read.rows, [Ok(0)]);
        assert_eq!(read.batch.text(0, 0), form.text(0, "visa").as_deref());
        assert_eq!(read.batch.number(1, 0).to_bits(), 0.1_f64.to_bits());
        assert_eq!((read.batch.moment(2, 0), read.batch.number(3, 0), read.batch.number(5, 0)), (batch.moment(2, 0), 1.0, 7.0));
        assert!(read.batch.is_missing(4, 0));
    }
}
