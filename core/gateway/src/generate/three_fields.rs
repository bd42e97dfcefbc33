//! The schema of three fields: an amount beside the customer's average and frequency. Every row is another customer.

use super::arithmetic::to_cents;
use super::random::Random;
use super::{Cell, Column, Settings};

/// The columns of the schema.
pub(super) const COLUMNS: [Column; 5] = [
    Column::number("Transaction_Amount"),
    Column::number("Average_Transaction_Amount"),
    Column::integer("Frequency_of_Transactions"),
    Column::integer("label"),
    Column::text("kind"),
];

/// What a detector sees.
pub(super) struct Fields {
    amount: f64,
    average: f64,
    frequency: i64,
}

/// How a kind of fraud turns an ordinary customer's row into its own.
pub(super) type Change = fn(&mut Fields, &mut Random);

/// The kinds of fraud, equally frequent. Each changes an ordinary customer's row.
pub(super) const KINDS: [(&str, Change); 3] = [("large_amount", large_amount), ("burst", burst), ("mismatch", mismatch)];

/// The rows, as an iterator.
pub(super) struct ThreeFields {
    random: Random,
    rows_left: u64,
    fraud_share: f64,
}

impl ThreeFields {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { random: Random::new(settings.seed), rows_left: settings.rows, fraud_share: settings.bounded_fraud_share() }
    }
}

impl Iterator for ThreeFields {
    type Item = Vec<Cell>;

    fn next(&mut self) -> Option<Vec<Cell>> {
        self.rows_left = self.rows_left.checked_sub(1)?;
        let random = &mut self.random;
        let mut fields = ordinary(random);
        let fraud = random.chance(self.fraud_share).then(|| random.choice(&KINDS));
        if let Some((_, change)) = fraud {
            change(&mut fields, random);
        }
        Some(vec![
            Cell::Number(to_cents(fields.amount).max(0.01)),
            Cell::Number(to_cents(fields.average).max(0.01)),
            Cell::Integer(fields.frequency),
            Cell::Integer(i64::from(fraud.is_some())),
            Cell::Text(fraud.map_or("", |(name, _)| name).to_owned()),
        ])
    }
}

/// Most amounts are near the customer's average; a few customers are erratic.
fn ordinary(random: &mut Random) -> Fields {
    let average = random.log_normal(120.0, 0.5);
    let spread = if random.chance(0.06) { 1.0 } else { 0.4 };
    let rate = random.between(3.0, 8.0);
    Fields { amount: random.log_normal(average, spread), average, frequency: random.poisson(rate) }
}

/// Five to fifty times the average.
fn large_amount(fields: &mut Fields, random: &mut Random) {
    fields.amount = fields.average * random.between_by_ratio(5.0, 50.0);
}

/// Many small amounts.
fn burst(fields: &mut Fields, random: &mut Random) {
    fields.frequency = random.whole(20, 60);
    fields.amount = fields.average * random.between_by_ratio(0.02, 0.4);
}

/// Nothing is extreme by itself, but the amount, the average and the frequency do not belong together.
fn mismatch(fields: &mut Fields, random: &mut Random) {
    fields.frequency = random.whole(7, 13);
    let ratio = random.between_by_ratio(1.8, 5.0);
    fields.amount = if random.chance(0.5) { fields.average * ratio } else { fields.average / ratio };
}
