//! What a team can set about neighbours. A detector has these as parameters of its own, under the same names.

use crate::Metric;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt};

/// Most rows that a reference may keep.
pub const MOST_ROWS: usize = 2_000_000;

/// Which rows are neighbours of which.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many neighbours a row is compared with.
    pub neighbours: Count,
    /// What `auto` stands for: the number of neighbours for a number of rows.
    pub auto: fn(usize) -> usize,
    /// How far apart two rows are.
    pub metric: Metric,
    /// The exponent of [`Metric::Minkowski`].
    pub p: f64,
    /// What equal rows are.
    pub duplicates: Duplicates,
    /// Whether a row that equals a kept one is new, or is that row with itself left out.
    pub novelty: bool,
    /// Most rows that are kept.
    pub max_rows: usize,
}

impl Settings {
    /// Every value that is out of its range, in words that name the parameter.
    pub fn check(&self) -> Vec<String> {
        let Self { p, max_rows, .. } = *self;
        let mut mistakes: Vec<String> = self.neighbours.mistake().into_iter().collect();
        if !(p.is_finite() && p >= 1.0) {
            mistakes.push(format!("p: {p} is not a number from 1"));
        }
        if !(2..=MOST_ROWS).contains(&max_rows) {
            mistakes.push(format!("max_rows: {max_rows} is not a whole number from 2 to {MOST_ROWS}"));
        }
        mistakes
    }

    /// How many neighbours a row has among `rows` that are kept, of which there are at least 2. Says so where there are fewer than wanted.
    pub(crate) fn neighbours_among(&self, rows: usize) -> usize {
        let wanted = match self.neighbours {
            Count::Auto => (self.auto)(rows),
            Count::Number(number) if number < 1.0 => (number * rows as f64) as usize,
            Count::Number(number) => number as usize,
        };
        if wanted >= rows && self.neighbours != Count::Auto {
            let most = rows - 1;
            synod_sdk::log::info(&format!("neighbours: {wanted} are more than {rows} different rows have, {most} are taken"));
        }
        wanted.clamp(1, rows - 1)
    }
}

/// How many neighbours a row is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Count {
    /// By a rule of the detector's.
    #[default]
    Auto,
    /// A whole number from 1, or a share of the rows below 1.
    Number(f64),
}

impl Count {
    fn mistake(self) -> Option<String> {
        let Self::Number(number) = self else { return None };
        let share = number > 0.0 && number < 1.0;
        let whole = number >= 1.0 && number.fract() == 0.0 && number <= MOST_ROWS as f64;
        let mend = format!("is neither a whole number from 1 to {MOST_ROWS} nor a share between 0 and 1");
        (!share && !whole).then(|| format!("neighbours: {number} {mend}"))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

struct CountVisitor;

impl de::Visitor<'_> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a share below 1, or \"auto\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Count, E> {
        if text == "auto" { Ok(Count::Auto) } else { Err(E::invalid_value(de::Unexpected::Str(text), &self)) }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Count, E> {
        Ok(Count::Number(number as f64))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Count, E> {
        Ok(Count::Number(number as f64))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Count, E> {
        Ok(Count::Number(number))
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Number(number) => serializer.serialize_f64(*number),
        }
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "auto" }, { "type": "number", "exclusiveMinimum": 0 }] })
    }
}

/// What rows that are equal in every feature are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// One neighbour, which counts as often as the row is there: all neighbours are different rows.
    #[default]
    Merge,
    /// A neighbour each, as in scikit-learn and PyOD.
    Keep,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(neighbours: Count) -> Settings {
        Settings {
            neighbours,
            auto: |rows| rows / 10,
            metric: Metric::Euclidean,
            p: 2.0,
            duplicates: Duplicates::Merge,
            novelty: true,
            max_rows: 1_000,
        }
    }

    #[test]
    fn neighbours_are_a_number_a_share_or_a_rule_and_no_more_than_there_are() {
        let among = |neighbours, rows| settings(neighbours).neighbours_among(rows);
        assert_eq!(among(Count::Number(0.05), 200), 10);
        assert_eq!(among(Count::Number(0.0001), 200), 1);
        assert_eq!(among(Count::Number(5_000.0), 200), 199);
        assert_eq!(among(Count::Auto, 200), 20);
        assert_eq!(among(Count::Auto, 2), 1);
    }

    #[test]
    fn mistakes_are_named() {
        for wrong in [0.0, -1.0, 1.5, f64::NAN, 3e6] {
            let mistakes = settings(Count::Number(wrong)).check();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with("neighbours: "), "{wrong}: {mistakes:?}");
        }
        let mistakes = Settings { p: 0.5, max_rows: 1, ..settings(Count::Auto) }.check();
        assert_eq!(mistakes, ["p: 0.5 is not a number from 1", "max_rows: 1 is not a whole number from 2 to 2000000"]);
        assert!(settings(Count::Number(0.5)).check().is_empty());
    }
}
