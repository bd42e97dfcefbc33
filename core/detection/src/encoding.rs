//! Encoders: text as numbers. They learn the categories from the training rows only.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most categories that a one-hot encoding makes columns of.
pub(crate) const MOST_COLUMNS: usize = 64;

/// How text becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The category's place in the sorted (or declared) categories; an unknown one comes after them all.
    Ordinal,
    /// A column for each category: 1 in its own, 0 in the others; an unknown one is 0 in all.
    OneHot,
    /// The category's share of the training rows; 0 for an unknown one.
    Frequency,
}

/// An encoder that has seen the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoder {
    encoding: Encoding,
    /// Categories in their order, with their number of training rows.
    categories: Vec<(String, u64)>,
}

impl Encoder {
    /// Learns from training texts. `declared` categories (the schema's enumeration) keep their order and come first.
    pub fn learn<'a>(encoding: Encoding, declared: &[String], texts: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for text in texts.flatten() {
            *counts.entry(text).or_default() += 1;
        }
        let mut categories: Vec<(String, u64)> =
            declared.iter().map(|name| (name.clone(), counts.remove(name.as_str()).unwrap_or(0))).collect();
        categories.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), count)));
        Self { encoding, categories }
    }

    /// How many categories there are.
    pub fn categories(&self) -> usize {
        self.categories.len()
    }

    /// The names that the columns carry behind the feature's own name; one empty name if there is just one column.
    pub fn suffixes(&self) -> Vec<String> {
        match self.encoding {
            Encoding::OneHot => self.categories.iter().map(|(name, _)| format!("={name}")).collect(),
            Encoding::Ordinal | Encoding::Frequency => vec![String::new()],
        }
    }

    /// Writes the columns of one text; NaN if it is missing.
    pub fn encode(&self, text: Option<&str>, columns: &mut Vec<f64>) {
        let place = text.and_then(|text| self.categories.iter().position(|(name, _)| name == text));
        match self.encoding {
            Encoding::OneHot => {
                let value = |index| if text.is_none() { f64::NAN } else { f64::from(u8::from(Some(index) == place)) };
                columns.extend((0..self.categories.len()).map(value));
            }
            Encoding::Ordinal if text.is_none() => columns.push(f64::NAN),
            Encoding::Ordinal => columns.push(place.unwrap_or(self.categories.len()) as f64),
            Encoding::Frequency if text.is_none() => columns.push(f64::NAN),
            Encoding::Frequency => {
                let total: u64 = self.categories.iter().map(|(_, count)| count).sum();
                columns.push(place.map_or(0.0, |place| self.categories[place].1 as f64 / total.max(1) as f64));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(encoding: Encoding, text: Option<&str>) -> Vec<f64> {
        let training = ["b", "a", "b", "b"].map(Some);
        let mut columns = Vec::new();
        Encoder::learn(encoding, &[], training.into_iter()).encode(text, &mut columns);
        columns
    }

    #[test]
    fn known_unknown_and_missing() {
        assert_eq!(encode(Encoding::Ordinal, Some("b")), [1.0]);
        assert_eq!(encode(Encoding::Ordinal, Some("new")), [2.0]);
        assert_eq!(encode(Encoding::OneHot, Some("a")), [1.0, 0.0]);
        assert_eq!(encode(Encoding::OneHot, Some("new")), [0.0, 0.0]);
        assert_eq!(encode(Encoding::Frequency, Some("b")), [0.75]);
        assert_eq!(encode(Encoding::Frequency, Some("new")), [0.0]);
        assert!(encode(Encoding::OneHot, None).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn declared_categories_keep_their_order() {
        let encoder = Encoder::learn(Encoding::OneHot, &["z".into(), "a".into()], [Some("a")].into_iter());
        assert_eq!(encoder.suffixes(), ["=z", "=a"]);
    }
}
