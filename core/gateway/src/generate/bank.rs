//! The bank schema's rows: accounts act at the calendar's pace, and now and then one of them is attacked.

use std::collections::BTreeMap;

use super::account::Account;
use super::calendar::{Calendar, Moment};
use super::fraud::{Incident, rows_per_incident};
use super::random::Random;
use super::transaction::Booking;
use super::{Cell, Settings};

const ROWS_PER_ACCOUNT: u64 = 20;
const FEWEST_ACCOUNTS: u64 = 50;
/// Keeps the memory bounded, and account numbers at five digits.
const MOST_ACCOUNTS: u64 = 99_999;
/// Keeps the memory bounded where rows are so many that a night's wait holds a great deal of them: beyond it no incident starts.
const MOST_PLANNED: usize = 20_000;

/// A fraudulent transaction that is still to come.
struct Planned {
    account: usize,
    incident: Incident,
}

/// The rows, as an iterator.
pub(super) struct Bank {
    random: Random,
    calendar: Calendar,
    accounts: Vec<Account>,
    device_population: u32,
    rows: u64,
    done: u64,
    /// The year is cut into so many equal parts of its traffic; in each either somebody acts or an incident begins.
    slots: f64,
    slot: u64,
    slot_time: Moment,
    incident_chance: f64,
    /// In the order of time, then of planning.
    planned: BTreeMap<(Moment, u64), Planned>,
    plans: u64,
}

impl Bank {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut random = Random::new(settings.seed);
        let account_count = (settings.rows / ROWS_PER_ACCOUNT).clamp(FEWEST_ACCOUNTS, MOST_ACCOUNTS) as u32;
        let device_population = account_count * 3;
        let accounts = (0..account_count).map(|_| Account::any(device_population, &mut random)).collect();
        let (share, burst) = (settings.bounded_fraud_share(), rows_per_incident());
        // Let a share c of the slots begin an incident of b rows, and the rest be one ordinary row each: c·b / (c·b + 1 - c) is fraud.
        let incident_chance = share / (burst - share * burst + share);
        let slots = (settings.rows as f64 / (1.0 - incident_chance + incident_chance * burst)).max(1.0);
        let calendar = Calendar::new();
        let slot_time = calendar.moment(0.0);
        let mut bank = Self {
            random,
            calendar,
            accounts,
            device_population,
            rows: settings.rows,
            done: 0,
            slots,
            slot: 0,
            slot_time,
            incident_chance,
            planned: BTreeMap::new(),
            plans: 0,
        };
        bank.enter_next_slot();
        bank
    }

    /// Slots follow each other, so a moment anywhere within each keeps the order.
    fn enter_next_slot(&mut self) {
        let position = self.slot as f64 + self.random.share();
        self.slot_time = self.calendar.moment(position / self.slots);
        self.slot += 1;
    }

    fn begin_incident(&mut self, now: Moment) {
        let account = self.random.below(self.accounts.len());
        let (incident, moments) = Incident::any(&self.accounts[account], now, self.device_population, &mut self.random);
        for moment in moments {
            self.plans += 1;
            self.planned.insert((moment, self.plans), Planned { account, incident: incident.clone() });
        }
    }

    /// What was planned for the time up to the slot's.
    fn due(&mut self) -> Option<(Moment, Planned)> {
        let entry = self.planned.first_entry().filter(|entry| entry.key().0 <= self.slot_time)?;
        let ((time, _), planned) = entry.remove_entry();
        Some((time, planned))
    }

    fn act(&mut self, time: Moment, account_index: usize, incident: Option<&Incident>) -> Vec<Cell> {
        let account = &mut self.accounts[account_index];
        let mut transaction = account.ordinary(time, self.device_population, &mut self.random);
        if let Some(incident) = incident {
            incident.change(&mut transaction, account, &mut self.random);
        }
        let previous = account.book(&mut transaction);
        self.done += 1;
        let booking = Booking { number: self.done, account: account_index + 1, previous, fraud: incident.map(Incident::name) };
        transaction.row(account, &booking)
    }
}

impl Iterator for Bank {
    type Item = Vec<Cell>;

    fn next(&mut self) -> Option<Vec<Cell>> {
        if self.done == self.rows {
            return None;
        }
        loop {
            if let Some((time, planned)) = self.due() {
                return Some(self.act(time, planned.account, Some(&planned.incident)));
            }
            let now = self.slot_time;
            self.enter_next_slot();
            if self.planned.len() < MOST_PLANNED && self.random.chance(self.incident_chance) {
                self.begin_incident(now);
            } else {
                let account = self.random.below(self.accounts.len());
                return Some(self.act(now, account, None));
            }
        }
    }
}
