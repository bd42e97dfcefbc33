//! What keeps a flood out of the audit trail. Anybody can send a million bad credentials; nobody should be able to fill the disk, or to push
//! the decisions out of what is kept, by that.
//!
//! Per reason and block of addresses the first few are recorded one by one. The others of that time are counted, and one record tells how
//! many there were. That time is a second at first and doubles while the flood goes on, up to a minute; it is a second again after a quiet
//! one. The table of blocks is bounded: what comes from more blocks than that at a time is only counted, per reason. Nothing is left uncounted:
//! the counts of all records together are the number of refusals.

use super::{Action, AuditOutcome, AuditRecord};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Records of one reason and block in a time.
const ONE_BY_ONE: u32 = 10;
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Reasons and blocks that are told apart at a time.
const MOST: usize = 64;

/// What was refused, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// A stable word of the few that the code has.
    pub reason: &'static str,
    /// From where, if that is known.
    pub address: Option<IpAddr>,
}

/// Lets through what may be recorded one by one, and counts the rest.
#[derive(Debug)]
pub struct Gate {
    action: Action,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// At most [`MOST`].
    blocks: Vec<Time>,
    /// What comes from elsewhere: one for each reason, of which there are few.
    elsewhere: Vec<Time>,
}

/// A time of one reason and block.
#[derive(Debug)]
struct Time {
    reason: &'static str,
    block: Option<Block>,
    ends: Instant,
    length: Duration,
    recorded: u32,
    counted: u64,
}

/// A block of addresses, as one owner usually has them: a /24 of IPv4, a /48 of IPv6.
type Block = (IpAddr, u8);

/// The block of an address.
pub fn block(address: IpAddr) -> (IpAddr, u8) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            (Ipv4Addr::new(a, b, c, 0).into(), 24)
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            (Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).into(), 48)
        }
    }
}

impl Gate {
    /// A gate for refusals of this kind.
    pub fn new(action: Action) -> Self {
        Self { action, state: Mutex::default() }
    }

    /// Whether a refusal may be recorded by itself. If not, it is counted.
    pub fn admits(&self, refused: Refused, now: Instant) -> bool {
        let mut state = self.state();
        let block = refused.address.map(block);
        let is_it = |time: &Time| time.reason == refused.reason && time.block == block;
        if let Some(time) = state.blocks.iter_mut().find(|time| is_it(time)) {
            return time.admits();
        }
        if state.blocks.len() < MOST {
            state.blocks.push(Time { recorded: 1, ..Time::new(refused.reason, block, now) });
            return true;
        }
        match state.elsewhere.iter_mut().find(|time| time.reason == refused.reason) {
            Some(time) => time.counted += 1,
            None => state.elsewhere.push(Time { counted: 1, ..Time::new(refused.reason, None, now) }),
        }
        false
    }

    /// The records of what was only counted, in all times that are over. `all` ends every time.
    pub fn due(&self, now: Instant, all: bool) -> Vec<AuditRecord> {
        let mut state = self.state();
        let State { blocks, elsewhere } = &mut *state;
        let mut records = Vec::new();
        for times in [blocks, elsewhere] {
            times.retain_mut(|time| {
                let over = all || now >= time.ends;
                if over && time.counted > 0 {
                    records.push(time.record(&self.action));
                }
                !over || time.goes_on(now)
            });
        }
        records
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Time {
    fn new(reason: &'static str, block: Option<Block>, now: Instant) -> Self {
        Self { reason, block, ends: now + SHORTEST, length: SHORTEST, recorded: 0, counted: 0 }
    }

    fn admits(&mut self) -> bool {
        let admits = self.recorded < ONE_BY_ONE;
        if admits {
            self.recorded += 1;
        } else {
            self.counted += 1;
        }
        admits
    }

    fn record(&self, action: &Action) -> AuditRecord {
        let block = self.block.map(|(address, bits)| format!("{address}/{bits}"));
        AuditRecord::new(action.clone(), AuditOutcome::Denied).because(self.reason).summing_up(self.counted, block.as_deref())
    }

    /// Whether another time follows this one, and not quiet.
    fn goes_on(&mut self, now: Instant) -> bool {
        if self.counted == 0 {
            return false;
        }
        self.length = (2 * self.length).min(LONGEST);
        self.ends = now + self.length;
        (self.recorded, self.counted) = (0, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: &'static str, address: &str) -> Refused {
        Refused { reason, address: Some(address.parse().unwrap()) }
    }

    #[test]
    fn a_flood_is_counted_to_the_last_one_and_recorded_seldom() {
        let (gate, start) = (Gate::new(Action::CREDENTIAL_REFUSED), Instant::now());
        let (mut one_by_one, mut counted, mut records) = (0, 0, 0);
        // An hour of a thousand a second.
        for second in 0..3600 {
            let now = start + Duration::from_secs(second);
            for record in gate.due(now, false) {
                (counted, records) = (counted + record.count(), records + 1);
                assert_eq!((record.reason(), record.address()), (Some("expired"), Some("192.0.2.0/24")));
            }
            one_by_one += (0..1000).filter(|host| gate.admits(refused("expired", &format!("192.0.2.{}", host % 256)), now)).count() as u64;
        }
        counted += gate.due(start, true).iter().map(AuditRecord::count).sum::<u64>();
        assert_eq!(one_by_one + counted, 3_600_000);
        assert!(one_by_one < 700 && records < 70, "{one_by_one} and {records}");
        assert_eq!(gate.due(start, true), []);
    }

    #[test]
    fn a_few_are_all_recorded_and_reasons_and_blocks_are_told_apart() {
        let (gate, now) = (Gate::new(Action::CREDENTIAL_REFUSED), Instant::now());
        for (reason, address) in [("expired", "192.0.2.1"), ("form", "192.0.2.1"), ("form", "192.0.3.1"), ("form", "2001:db8::1")] {
            assert!((0..10).all(|_| gate.admits(refused(reason, address), now)));
            assert!(!gate.admits(refused(reason, address), now), "{reason} {address}");
        }
        assert!(!gate.admits(refused("form", "2001:db8::ffff:1"), now), "the same block");
        assert!(!gate.admits(refused("form", "::ffff:192.0.3.9"), now), "the same address, written in another way");
        assert_eq!(gate.due(now, false), [], "the time is not over");
        let counts: Vec<u64> = gate.due(now + SHORTEST, false).iter().map(AuditRecord::count).collect();
        assert_eq!(counts, [1, 1, 2, 2]);
        assert!(gate.admits(refused("form", "192.0.3.1"), now + SHORTEST), "another time");
    }

    #[test]
    fn after_a_quiet_time_it_is_as_if_nothing_had_been() {
        let (gate, start) = (Gate::new(Action::CREDENTIAL_REFUSED), Instant::now());
        assert_eq!((0..11).filter(|_| gate.admits(refused("form", "192.0.2.1"), start)).count(), 10);
        assert_eq!(gate.due(start + SHORTEST, false).len(), 1);
        assert_eq!(gate.due(start + 3 * SHORTEST, false), []);
        assert!(gate.state().blocks.is_empty());
    }

    #[test]
    fn more_blocks_than_there_is_room_for_are_counted_all_the_same() {
        let (gate, now) = (Gate::new(Action::CREDENTIAL_REFUSED), Instant::now());
        let address = |n: u32| Refused { reason: "form", address: Some(Ipv4Addr::from(n << 8).into()) };
        let one_by_one = (0..100_000).filter(|n| gate.admits(address(*n), now)).count();
        assert_eq!(one_by_one, MOST);
        assert!(!gate.admits(Refused { reason: "form", address: None }, now));
        let sizes = {
            let state = gate.state();
            (state.blocks.len(), state.elsewhere.len())
        };
        assert_eq!(sizes, (MOST, 1));
        let records = gate.due(now + SHORTEST, false);
        let told: Vec<_> = records.iter().map(|record| (record.count(), record.address())).collect();
        assert_eq!(told, [(100_001 - MOST as u64, None)]);
    }
}
