//! Accounts with habits: where they live, what they use, how much they pay, and a balance that follows from what they do.

use super::arithmetic::to_cents;
use super::calendar::Moment;
use super::places::{Address, City};
use super::random::Random;
use super::transaction::{Channel, Direction, Transaction};

/// How many merchants there are.
const MERCHANTS: i64 = 100;

/// What sets the people of one occupation apart.
struct Occupation {
    name: &'static str,
    ages: (i64, i64),
    /// The median balance at the youngest and at the oldest age.
    balances: (f64, f64),
    /// How much larger than the average person's their payments are.
    spending: f64,
}

const OCCUPATIONS: [Occupation; 4] = [
    Occupation { name: "Student", ages: (18, 28), balances: (900.0, 1_700.0), spending: 0.8 },
    Occupation { name: "Engineer", ages: (26, 60), balances: (3_500.0, 7_500.0), spending: 1.1 },
    Occupation { name: "Doctor", ages: (29, 70), balances: (6_000.0, 12_000.0), spending: 1.2 },
    Occupation { name: "Retired", ages: (51, 80), balances: (5_500.0, 4_000.0), spending: 0.9 },
];

/// A device with the address that it usually comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Device {
    pub(super) number: u32,
    pub(super) address: Address,
}

impl Device {
    /// Any device of the whole bank; `population` is how many there are.
    pub(super) fn any(population: u32, random: &mut Random) -> Self {
        Self { number: random.whole(1, i64::from(population)) as u32, address: Address::any(random) }
    }
}

/// Any merchant.
pub(super) fn any_merchant(random: &mut Random) -> u8 {
    random.whole(1, MERCHANTS) as u8
}

/// A customer's account: habits that stay, and the little that changes with each transaction.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) home: City,
    pub(super) age: i64,
    pub(super) occupation: &'static str,
    /// The median amount of a payment.
    pub(super) level: f64,
    devices: [Device; 3],
    device_count: u8,
    merchants: [u8; 4],
    usual_channel: Channel,
    /// How much slower than others.
    pace: f64,
    /// Where income and expenses outside of these transactions keep the balance.
    usual_balance: f64,
    balance: f64,
    last: Option<Moment>,
}

impl Account {
    /// Someone new; `device_population` is the number of devices of the whole bank.
    pub(super) fn any(device_population: u32, random: &mut Random) -> Self {
        let occupation = &OCCUPATIONS[random.below(OCCUPATIONS.len())];
        let (youngest, oldest) = occupation.ages;
        let age = random.whole(youngest, oldest);
        let seniority = (age - youngest) as f64 / (oldest - youngest) as f64;
        let median_balance = occupation.balances.0 + seniority * (occupation.balances.1 - occupation.balances.0);
        let usual_balance = random.log_normal(median_balance, 0.45);
        Self {
            home: City::any(random),
            age,
            occupation: occupation.name,
            level: random.log_normal(190.0 * occupation.spending, 0.5),
            devices: std::array::from_fn(|_| Device::any(device_population, random)),
            device_count: random.whole(1, 3) as u8,
            merchants: std::array::from_fn(|_| any_merchant(random)),
            usual_channel: Channel::any(random),
            pace: random.log_normal(1.0, 0.25),
            usual_balance,
            balance: usual_balance,
            last: None,
        }
    }

    /// What could be booked at this moment if all is as usual. Nothing is booked yet: [`Account::book`] does that.
    pub(super) fn ordinary(&self, time: Moment, device_population: u32, random: &mut Random) -> Transaction {
        let channel = if random.chance(0.7) { self.usual_channel } else { Channel::any(random) };
        let device = self.some_device(device_population, random);
        let balance = self.balance_at(time, random);
        let amount = random.log_normal(self.level, 0.7);
        Transaction {
            time,
            amount,
            direction: if random.chance(0.2) || amount > 0.6 * balance { Direction::Credit } else { Direction::Debit },
            city: self.some_city(random),
            device: device.number,
            address: some_address(device, random),
            merchant: if random.chance(0.85) { random.choice(&self.merchants) } else { any_merchant(random) },
            channel,
            duration: (random.log_normal(channel.usual_duration() * self.pace, 0.5) as i64).clamp(10, 300),
            login_attempts: 1 + [0, 1, 2, 3, 4][random.category(&[0.95, 0.025, 0.01, 0.01, 0.005])],
            balance,
        }
    }

    /// The transaction happens; answers when the account's previous one did.
    pub(super) fn book(&mut self, transaction: &mut Transaction) -> Option<Moment> {
        transaction.settle();
        self.balance = transaction.balance;
        self.last.replace(transaction.time)
    }

    /// The balance since the last transaction, drawn back to its usual level: halfway after two weeks.
    fn balance_at(&self, time: Moment, random: &mut Random) -> f64 {
        let days = self.last.map_or(0.0, |last| time.days_since(last));
        let pull = days / (days + 14.0);
        to_cents(self.balance + pull * (random.log_normal(self.usual_balance, 0.3) - self.balance))
    }

    fn some_device(&self, population: u32, random: &mut Random) -> Device {
        if random.chance(0.04) { Device::any(population, random) } else { random.choice(&self.devices[..usize::from(self.device_count)]) }
    }

    fn some_city(&self, random: &mut Random) -> City {
        match random.category(&[0.92, 0.05, 0.03]) {
            0 => self.home,
            1 => self.home.near(random),
            _ => City::any(random),
        }
    }
}

fn some_address(device: Device, random: &mut Random) -> Address {
    match random.category(&[0.82, 0.14, 0.04]) {
        0 => device.address,
        1 => device.address.near(random),
        _ => Address::any(random),
    }
}

#[cfg(test)]
mod tests {
    use super::super::calendar::Calendar;
    use super::*;

    #[test]
    fn the_balance_follows_the_bookings() {
        let mut random = Random::new(7);
        let time = Calendar::new().moment(0.5);
        let mut account = Account::any(100, &mut random);
        let mut first = account.ordinary(time, 100, &mut random);
        (first.direction, first.amount, first.balance) = (Direction::Debit, 30.004, 100.0);
        assert_eq!(account.book(&mut first), None);
        assert_eq!((first.amount, first.balance), (30.0, 70.0));
        // Nothing else moves the balance at the very same moment.
        let mut second = account.ordinary(time, 100, &mut random);
        assert_eq!(second.balance, 70.0);
        assert_eq!(account.book(&mut second), Some(time));
    }

    #[test]
    fn people_are_as_old_as_their_occupation_allows() {
        let mut random = Random::new(8);
        for account in (0..500).map(|_| Account::any(100, &mut random)) {
            let occupation = OCCUPATIONS.iter().find(|occupation| occupation.name == account.occupation).unwrap();
            assert!((occupation.ages.0..=occupation.ages.1).contains(&account.age));
        }
    }
}
