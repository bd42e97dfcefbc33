//! The kinds of fraud in the bank schema. Each starts from what the account would ordinarily do and changes what its kind is known for;
//! how much depends on how bold it is. A new kind is one function and one line in [`KINDS`].

use super::account::{Account, Device, any_merchant};
use super::calendar::Moment;
use super::places::City;
use super::random::Random;
use super::transaction::{Channel, Direction, Transaction};

/// A kind of fraud.
pub(super) struct FraudKind {
    /// As the column `kind` has it.
    pub(super) name: &'static str,
    /// How many of all incidents are of this kind, relative to the others.
    weight: f64,
    timing: Timing,
    change: fn(&mut Transaction, &Account, &Incident, &mut Random),
}

/// When the transactions of an incident happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timing {
    /// One, at once.
    Now,
    /// One, in the coming night.
    Night,
    /// Several, within minutes.
    Burst,
}

/// The shortest and the longest burst, in transactions.
const BURST: (i64, i64) = (4, 10);

static KINDS: [FraudKind; 6] = [
    FraudKind { name: "large_amount", weight: 0.24, timing: Timing::Now, change: large_amount },
    FraudKind { name: "account_takeover", weight: 0.20, timing: Timing::Now, change: account_takeover },
    FraudKind { name: "card_testing", weight: 0.04, timing: Timing::Burst, change: card_testing },
    FraudKind { name: "drain", weight: 0.20, timing: Timing::Now, change: drain },
    FraudKind { name: "bot", weight: 0.18, timing: Timing::Now, change: bot },
    FraudKind { name: "night_cash", weight: 0.14, timing: Timing::Night, change: night_cash },
];

/// The names of all kinds.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.name).collect()
}

/// How many rows an incident makes on average.
pub(super) fn rows_per_incident() -> f64 {
    let total: f64 = KINDS.iter().map(|kind| kind.weight).sum();
    KINDS.iter().map(|kind| kind.weight / total * kind.timing.mean_rows()).sum()
}

impl Timing {
    fn mean_rows(self) -> f64 {
        match self {
            Self::Now | Self::Night => 1.0,
            Self::Burst => (BURST.0 + BURST.1) as f64 / 2.0,
        }
    }

    /// The moments of an incident that begins now, earliest first.
    fn moments(self, now: Moment, random: &mut Random) -> Vec<Moment> {
        match self {
            Self::Now => vec![now],
            Self::Night => vec![now.next_day_at(((3.0 + 1.3 * random.normal()).clamp(0.0, 7.0) * 3600.0) as i64)],
            Self::Burst => {
                let gaps: Vec<i64> = (1..random.whole(BURST.0, BURST.1)).map(|_| random.whole(4, 90)).collect();
                (0..=gaps.len()).map(|done| now.later(gaps[..done].iter().sum())).collect()
            }
        }
    }
}

/// One attack on one account: what all of its transactions share.
#[derive(Clone)]
pub(super) struct Incident {
    kind: &'static FraudKind,
    /// 0 is hardly unusual, 1 is blatant.
    boldness: f64,
    device: Device,
    city: City,
    merchant: u8,
}

impl Incident {
    /// Some attack on `account`, and when it happens, from `now` on.
    pub(super) fn any(account: &Account, now: Moment, device_population: u32, random: &mut Random) -> (Self, Vec<Moment>) {
        let kind = &KINDS[random.category(&KINDS.each_ref().map(|kind| kind.weight))];
        let incident = Self {
            kind,
            boldness: if random.chance(0.3) { random.between(0.0, 0.3) } else { random.between(0.3, 1.0) },
            device: Device::any(device_population, random),
            city: account.home.far(random),
            merchant: any_merchant(random),
        };
        (incident, kind.timing.moments(now, random))
    }

    pub(super) fn name(&self) -> &'static str {
        self.kind.name
    }

    /// Turn an ordinary transaction of the account into one of this incident.
    pub(super) fn change(&self, transaction: &mut Transaction, account: &Account, random: &mut Random) {
        (self.kind.change)(transaction, account, self, random);
    }

    /// Between what the most timid and the boldest do.
    fn scale(&self, timid: f64, bold: f64) -> f64 {
        timid + self.boldness * (bold - timid)
    }

    fn uses_own_device(&self, transaction: &mut Transaction) {
        transaction.device = self.device.number;
        transaction.address = self.device.address;
    }
}

/// Many times what the account usually pays, as far as its balance goes.
fn large_amount(transaction: &mut Transaction, account: &Account, incident: &Incident, random: &mut Random) {
    transaction.direction = Direction::Debit;
    transaction.amount = (account.level * random.log_normal(incident.scale(3.0, 20.0), 0.2)).min(transaction.balance * 0.8);
}

/// Someone else, from another device, address and part of the country, who has to guess the password.
fn account_takeover(transaction: &mut Transaction, account: &Account, incident: &Incident, random: &mut Random) {
    incident.uses_own_device(transaction);
    transaction.city = incident.city;
    transaction.channel = Channel::Online;
    transaction.direction = Direction::Debit;
    transaction.login_attempts = 1 + random.poisson(incident.scale(0.2, 5.0)).min(9);
    transaction.amount = (account.level * random.log_normal(incident.scale(1.0, 5.0), 0.3)).min(transaction.balance * 0.7);
}

/// Stolen card numbers are tried with small amounts at one merchant, one right after the other.
fn card_testing(transaction: &mut Transaction, _account: &Account, incident: &Incident, random: &mut Random) {
    incident.uses_own_device(transaction);
    transaction.merchant = incident.merchant;
    transaction.channel = Channel::Online;
    transaction.direction = Direction::Debit;
    transaction.amount = random.log_normal(incident.scale(15.0, 1.0), 0.4);
    transaction.duration = random.log_normal(incident.scale(45.0, 14.0), 0.3).clamp(5.0, 300.0) as i64;
}

/// Most of the balance goes at once.
fn drain(transaction: &mut Transaction, _account: &Account, incident: &Incident, random: &mut Random) {
    transaction.direction = Direction::Debit;
    transaction.amount = transaction.balance * (incident.scale(0.55, 0.98) + 0.02 * random.normal()).clamp(0.5, 0.99);
}

/// A program instead of a person: fast, and often refused before it gets in.
fn bot(transaction: &mut Transaction, _account: &Account, incident: &Incident, random: &mut Random) {
    incident.uses_own_device(transaction);
    transaction.channel = Channel::Online;
    transaction.duration = random.log_normal(incident.scale(30.0, 3.0), 0.3).clamp(1.0, 60.0) as i64;
    transaction.login_attempts = 1 + random.poisson(incident.scale(0.5, 6.0)).min(9);
}

/// Round sums of cash in the middle of the night.
fn night_cash(transaction: &mut Transaction, account: &Account, incident: &Incident, random: &mut Random) {
    transaction.channel = Channel::Atm;
    transaction.direction = Direction::Debit;
    transaction.city = account.home.near(random);
    let wanted = random.log_normal(incident.scale(150.0, 700.0), 0.3).min(transaction.balance * 0.9);
    transaction.amount = ((wanted / 20.0).floor() * 20.0).max(20.0);
}
