//! Labelled transactions for trying things out: made up, seeded, streamed.
//!
//! The same settings give the same rows on every machine: all numbers come from the IEEE operations that round exactly and
//! from the module `arithmetic`, never from the platform's mathematical library. Rows are made one at a time, in the order of their
//! times; what is kept does not grow with their number (a bounded number of accounts, a bounded number of planned frauds).
//!
//! Some of the fraud is bold and some nearly ordinary, and some ordinary rows are odd: no detector should reach a perfect score here.
//! No IO and no clock.

mod account;
mod arithmetic;
mod bank;
mod calendar;
mod fraud;
mod places;
mod random;
mod three_fields;
mod transaction;

use bank::Bank;
use three_fields::ThreeFields;

/// Which schema to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sixteen columns of a bank's transactions, as accounts with habits make them over one year.
    Bank,
    /// An amount, the customer's average amount, and how often the customer pays.
    ThreeFields,
}

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The schema.
    pub kind: Kind,
    /// How many rows; exactly so many are made.
    pub rows: u64,
    /// The same seed gives the same rows, for the same other settings.
    pub seed: u64,
    /// The expected share of fraudulent rows, 0 to 0.5. What lies outside counts as the nearer end, not-a-number as 0.
    pub fraud_share: f64,
}

impl Settings {
    fn bounded_fraud_share(&self) -> f64 {
        if self.fraud_share > 0.0 { self.fraud_share.min(0.5) } else { 0.0 }
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text; empty where the value is missing.
    Text(String),
    /// A finite amount of money with at most two decimals.
    Number(f64),
    /// A whole number.
    Integer(i64),
}

/// What a column holds: the variant of [`Cell`] that all of its cells have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// [`Cell::Text`].
    Text,
    /// [`Cell::Number`].
    Number,
    /// [`Cell::Integer`].
    Integer,
}

/// A column's heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name, as the first line of a CSV file has it.
    pub name: &'static str,
    /// What its cells are.
    pub kind: ColumnKind,
}

impl Column {
    const fn text(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Text }
    }

    const fn number(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Number }
    }

    const fn integer(name: &'static str) -> Self {
        Self { name, kind: ColumnKind::Integer }
    }
}

/// The columns of a schema, in the order of a row's cells. The last two are `label` (1 for fraud, else 0) and `kind` (what sort of fraud,
/// else empty).
pub fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Bank => &transaction::COLUMNS,
        Kind::ThreeFields => &three_fields::COLUMNS,
    }
}

/// The rows that the settings ask for, in the order of their times; each has one cell for each of [`columns`].
pub fn rows(settings: &Settings) -> impl Iterator<Item = Vec<Cell>> + use<> {
    match settings.kind {
        Kind::Bank => Rows::Bank(Box::new(Bank::new(settings))),
        Kind::ThreeFields => Rows::ThreeFields(ThreeFields::new(settings)),
    }
}

enum Rows {
    Bank(Box<Bank>),
    ThreeFields(ThreeFields),
}

impl Iterator for Rows {
    type Item = Vec<Cell>;

    fn next(&mut self) -> Option<Vec<Cell>> {
        match self {
            Self::Bank(bank) => bank.next(),
            Self::ThreeFields(three_fields) => three_fields.next(),
        }
    }
}

#[cfg(test)]
mod tests;
