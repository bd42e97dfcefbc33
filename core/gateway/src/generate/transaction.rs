//! One transaction of the bank schema, and how it becomes a row.

use super::account::Account;
use super::arithmetic::to_cents;
use super::calendar::Moment;
use super::places::{Address, City};
use super::random::Random;
use super::{Cell, Column};

/// The columns of the bank schema. `AccountBalance` is what the transaction leaves; `PreviousTransactionDate` is
/// empty for an account's first.
pub(super) const COLUMNS: [Column; 18] = [
    Column::text("TransactionID"),
    Column::text("AccountID"),
    Column::number("TransactionAmount"),
    Column::text("TransactionDate"),
    Column::text("TransactionType"),
    Column::text("Location"),
    Column::text("DeviceID"),
    Column::text("IP Address"),
    Column::text("MerchantID"),
    Column::text("Channel"),
    Column::integer("CustomerAge"),
    Column::text("CustomerOccupation"),
    Column::integer("TransactionDuration"),
    Column::integer("LoginAttempts"),
    Column::number("AccountBalance"),
    Column::text("PreviousTransactionDate"),
    Column::integer("label"),
    Column::text("kind"),
];

/// Which way the money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Debit,
    Credit,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Debit => "Debit",
            Self::Credit => "Credit",
        }
    }
}

/// How the customer reaches the bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Atm,
    Online,
    Branch,
}

impl Channel {
    pub(super) fn any(random: &mut Random) -> Self {
        random.choice(&[Self::Atm, Self::Online, Self::Branch])
    }

    fn name(self) -> &'static str {
        match self {
            Self::Atm => "ATM",
            Self::Online => "Online",
            Self::Branch => "Branch",
        }
    }

    /// The median duration in seconds.
    pub(super) fn usual_duration(self) -> f64 {
        match self {
            Self::Atm => 90.0,
            Self::Online => 85.0,
            Self::Branch => 145.0,
        }
    }
}

/// What changes from one transaction to the next; the customer's own properties come from the account.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) time: Moment,
    pub(super) amount: f64,
    pub(super) direction: Direction,
    pub(super) city: City,
    pub(super) device: u32,
    pub(super) address: Address,
    pub(super) merchant: u8,
    pub(super) channel: Channel,
    /// Seconds.
    pub(super) duration: i64,
    pub(super) login_attempts: i64,
    /// Before the transaction until it is settled, after it from then on.
    pub(super) balance: f64,
}

/// What a row says besides its transaction and its account.
pub(super) struct Booking {
    /// Counts rows from 1.
    pub(super) number: u64,
    /// Counts accounts from 1.
    pub(super) account: usize,
    pub(super) previous: Option<Moment>,
    pub(super) fraud: Option<&'static str>,
}

impl Transaction {
    /// Round the amount to cents and move it. There is no overdraft: a payment leaves at least one cent in a hundred of the balance.
    pub(super) fn settle(&mut self) {
        let wanted = to_cents(self.amount).max(0.01);
        match self.direction {
            Direction::Debit => {
                self.amount = to_cents(wanted.min(self.balance * 0.99)).max(0.01);
                self.balance = to_cents(self.balance - self.amount).max(0.01);
            }
            Direction::Credit => {
                self.amount = wanted;
                self.balance = to_cents(self.balance + self.amount);
            }
        }
    }

    /// The row, a cell for each of [`COLUMNS`].
    pub(super) fn row(&self, account: &Account, booking: &Booking) -> Vec<Cell> {
        vec![
            Cell::Text(format!("TX{:06}", booking.number)),
            Cell::Text(format!("AC{:05}", booking.account)),
            Cell::Number(self.amount),
            Cell::Text(self.time.to_string()),
            Cell::Text(self.direction.name().to_owned()),
            Cell::Text(self.city.name().to_owned()),
            Cell::Text(format!("D{:06}", self.device)),
            Cell::Text(self.address.to_string()),
            Cell::Text(format!("M{:03}", self.merchant)),
            Cell::Text(self.channel.name().to_owned()),
            Cell::Integer(account.age),
            Cell::Text(account.occupation.to_owned()),
            Cell::Integer(self.duration),
            Cell::Integer(self.login_attempts),
            Cell::Number(self.balance),
            Cell::Text(booking.previous.map(|previous| previous.to_string()).unwrap_or_default()),
            Cell::Integer(i64::from(booking.fraud.is_some())),
            Cell::Text(booking.fraud.unwrap_or_default().to_owned()),
        ]
    }
}
