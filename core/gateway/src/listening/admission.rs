//! How many connections there may be, in all and from one address.

use super::{Audience, Limits};
use crate::telemetry::metrics::{Connections, Refusal};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Gives out places for connections.
#[derive(Debug)]
pub(super) struct Admission {
    audience: Audience,
    in_all: usize,
    per_address: usize,
    metrics: &'static Connections,
    taken: Mutex<Taken>,
}

/// Only addresses with a connection are in here, so that it is bounded by the cap in all.
#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    pub(super) fn new(audience: Audience, limits: &Limits, metrics: &'static Connections) -> Arc<Self> {
        let (in_all, per_address) = (limits.connections, limits.connections_per_address);
        Arc::new(Self { audience, in_all, per_address, metrics, taken: Mutex::default() })
    }

    /// A place for a connection from this address, if there is one.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let exempt = self.audience == Audience::Operators && address.to_canonical().is_loopback();
        let address = household(address);
        let mut taken = self.taken();
        if taken.in_all >= self.in_all {
            self.metrics.refused(self.audience, Refusal::InAll);
            return None;
        }
        if !exempt && taken.by_address.get(&address).is_some_and(|count| *count >= self.per_address) {
            self.metrics.refused(self.audience, Refusal::PerAddress);
            return None;
        }
        taken.in_all += 1;
        *taken.by_address.entry(address).or_default() += 1;
        self.metrics.open(self.audience, taken.in_all);
        Some(Place { admission: self.clone(), address })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.admission.taken();
        taken.in_all -= 1;
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
        self.admission.metrics.open(self.admission.audience, taken.in_all);
    }
}

/// What counts as one address: whoever has an address of IPv6 usually has the 2^64 with the same first half.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        canonical @ IpAddr::V4(_) => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(audience: Audience, in_all: usize, per_address: usize) -> Arc<Admission> {
        Arc::new(Admission { audience, in_all, per_address, metrics: Connections::all(), taken: Mutex::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_given_back() {
        let admission = admission(Audience::Clients, 3, 2);
        let [first, second, other] = ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2"].map(|text| admission.admit(address(text)).unwrap());
        assert!(admission.admit(address("10.0.0.3")).is_none(), "there are three");
        drop(other);
        assert!(admission.admit(address("10.0.0.1")).is_none(), "it has two, however they are written");
        let again = admission.admit(address("10.0.0.3"));
        assert!(again.is_some());
        drop((first, second, again));
        assert!(admission.taken().by_address.is_empty() && admission.taken().in_all == 0);
    }

    #[test]
    fn half_an_address_of_version_six_counts_as_one() {
        let admission = admission(Audience::Clients, 9, 1);
        let _place = admission.admit(address("2001:db8::1")).unwrap();
        assert!(admission.admit(address("2001:db8::2")).is_none());
        assert!(admission.admit(address("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn operators_on_the_machine_itself_are_not_counted_by_address() {
        let admission = admission(Audience::Operators, 2, 1);
        let _places = ["127.0.0.1", "127.0.0.1"].map(|text| admission.admit(address(text)).unwrap());
        assert!(admission.admit(address("127.0.0.1")).is_none(), "though in all");
    }
}
