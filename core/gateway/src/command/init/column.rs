//! What a column of a file holds, from looking at its cells.

use jiff::{Timestamp, civil::DateTime};
use std::collections::BTreeMap;
use synod_store::Cell;

/// Distinct values that are remembered of a column.
const MOST_VALUES: usize = 50_000;

/// What a column seems to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Integer,
    Number,
    Boolean,
    Time,
    Text,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Id,
    Entity,
    Time,
    Label,
    Feature,
    /// Always the same value, or text with too many values to learn from.
    Unused,
}

/// A column as far as it was seen.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) missing: usize,
    pub(super) minimum: f64,
    pub(super) maximum: f64,
    seen: usize,
    integers: usize,
    numbers: usize,
    booleans: usize,
    times: usize,
    pub(super) values: BTreeMap<String, usize>,
}

impl Column {
    /// A column that so many rows did not have.
    pub(super) fn new(name: &str, missing: usize) -> Self {
        Self {
            name: name.into(),
            missing,
            minimum: f64::INFINITY,
            maximum: f64::NEG_INFINITY,
            seen: 0,
            integers: 0,
            numbers: 0,
            booleans: 0,
            times: 0,
            values: BTreeMap::new(),
        }
    }

    pub(super) fn see(&mut self, cell: &Cell) {
        let text = match cell {
            Cell::Missing => {
                self.missing += 1;
                return;
            }
            Cell::Boolean(truth) => {
                self.booleans += 1;
                truth.to_string()
            }
            Cell::Integer(integer) => {
                self.integers += 1;
                self.number(*integer as f64);
                integer.to_string()
            }
            Cell::Number(number) => {
                self.number(*number);
                number.to_string()
            }
            Cell::Time(moment) => {
                self.times += 1;
                moment.to_string()
            }
            Cell::Text(text) => {
                self.times += usize::from(is_time(text));
                text.clone()
            }
            Cell::Raw(text) => {
                self.raw(text.trim());
                text.clone()
            }
        };
        self.seen += 1;
        if self.values.len() < MOST_VALUES {
            *self.values.entry(text).or_default() += 1;
        }
    }

    fn raw(&mut self, text: &str) {
        // "007" and a digit string of twenty digits are names and no numbers.
        let name = text.len() > 1 && text.starts_with('0') && !text.starts_with("0.")
            || text.len() > 15 && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && !name => {
                self.integers += usize::from(text.parse::<i64>().is_ok());
                self.number(number);
            }
            _ if matches!(text, "true" | "false" | "True" | "False") => self.booleans += 1,
            _ => self.times += usize::from(is_time(text)),
        }
    }

    fn number(&mut self, number: f64) {
        self.numbers += 1;
        self.minimum = self.minimum.min(number);
        self.maximum = self.maximum.max(number);
    }

    pub(super) fn holds(&self) -> Holds {
        match self.seen {
            0 => Holds::Text,
            seen if self.integers == seen => Holds::Integer,
            seen if self.numbers == seen => Holds::Number,
            seen if self.booleans == seen => Holds::Boolean,
            seen if self.times == seen => Holds::Time,
            _ => Holds::Text,
        }
    }

    pub(super) fn distinct(&self) -> usize {
        self.values.len()
    }

    fn named_like(&self, words: &[&str]) -> bool {
        let name = self.name.to_lowercase();
        words.iter().any(|word| name.contains(word))
    }
}

fn is_time(text: &str) -> bool {
    text.len() >= 8 && (text.parse::<Timestamp>().is_ok() || text.parse::<DateTime>().is_ok())
}

/// What each column is for.
pub(super) fn roles(columns: &[Column], rows: usize, label: Option<&str>) -> Vec<Role> {
    let mut roles: Vec<Role> = columns.iter().map(|column| simple_role(column, label)).collect();
    let name_like = |column: &Column| matches!(column.holds(), Holds::Text | Holds::Integer);
    let first = |roles: &[Role], fits: &dyn Fn(&Column) -> bool| {
        let free = |index: &usize| !matches!(roles[*index], Role::Label | Role::Time) && fits(&columns[*index]);
        (0..columns.len()).find(free)
    };
    let unique = |column: &Column| name_like(column) && column.missing == 0 && column.distinct() == rows.min(MOST_VALUES);
    if let Some(id) = first(&roles, &|column| unique(column) && column.named_like(&["id", "key", "number"])) {
        roles[id] = Role::Id;
    }
    let repeats = |column: &Column| name_like(column) && column.missing == 0 && column.distinct() > 1 && column.distinct() * 2 <= rows;
    let owner = ["account", "customer", "client", "card", "user", "entity"];
    let names = |column: &Column| column.named_like(&["id", "no", "number", "key", "account", "card"]) && column.distinct() > 20;
    if let Some(entity) = first(&roles, &|column| repeats(column) && column.named_like(&owner) && names(column)) {
        roles[entity] = Role::Entity;
    }
    roles
}

fn simple_role(column: &Column, label: Option<&str>) -> Role {
    if label == Some(column.name.as_str()) {
        return Role::Label;
    }
    match column.holds() {
        _ if column.distinct() <= 1 => Role::Unused,
        Holds::Time => Role::Time,
        // Text with nearly as many values as rows says nothing about new rows.
        Holds::Text if column.distinct() * 2 > column.seen => Role::Unused,
        _ => Role::Feature,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, cells: &[&str]) -> Column {
        let mut column = Column::new(name, 0);
        cells.iter().for_each(|cell| column.see(&if cell.is_empty() { Cell::Missing } else { Cell::Raw((*cell).into()) }));
        column
    }

    #[test]
    fn types_are_recognised() {
        assert_eq!(column("a", &["1", "-2", ""]).holds(), Holds::Integer);
        assert_eq!(column("a", &["1", "2.5"]).holds(), Holds::Number);
        assert_eq!(column("a", &["true", "False"]).holds(), Holds::Boolean);
        assert_eq!(column("a", &["2023-04-11 16:29:14", "2018-04-01T00:00:31"]).holds(), Holds::Time);
        assert_eq!(column("a", &["007", "012"]).holds(), Holds::Text, "leading zeros are names");
        assert_eq!(column("a", &["1", "x"]).holds(), Holds::Text);
    }

    #[test]
    fn roles_are_guessed_from_names_and_values() {
        let ids: Vec<String> = (0..100).map(|row| format!("T{row}")).collect();
        let accounts: Vec<String> = (0..100).map(|row| format!("A{}", row % 30)).collect();
        let text = |values: &[String]| values.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let (ids, accounts) = (text(&ids), text(&accounts));
        let split = |text: &str, name: &str| column(name, &text.split(' ').collect::<Vec<_>>());
        let columns = [split(&ids, "TransactionID"), split(&accounts, "AccountID"), column("same", &["1"; 100]), column("x", &["1", "2"])];
        assert_eq!(roles(&columns, 100, Some("x")), [Role::Id, Role::Entity, Role::Unused, Role::Label]);
    }
}
