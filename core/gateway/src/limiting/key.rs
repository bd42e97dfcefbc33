//! What callers are told apart by.

use crate::listening::household;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

/// A caller, in one size however long its name is: what is kept of callers takes as much memory as there are of them.
pub type Key = u128;

/// Makes keys. They are digests that an outsider cannot foresee, so that nobody can choose a name that has another's key.
#[derive(Debug, Clone, Default)]
pub struct Keys([RandomState; 2]);

impl Keys {
    /// The key of an address; of the first half of one of IPv6, whose other half its owner chooses.
    pub fn address(&self, address: IpAddr) -> Key {
        self.digest(&(0_u8, household(address)))
    }

    /// The key of a principal.
    pub fn principal(&self, name: &str) -> Key {
        self.digest(&(1_u8, name))
    }

    /// The key of a tenant.
    pub fn tenant(&self, name: &str) -> Key {
        self.digest(&(2_u8, name))
    }

    fn digest(&self, named: &impl std::hash::Hash) -> Key {
        let [first, second] = self.0.each_ref().map(|state| u128::from(state.hash_one(named)));
        first << 64 | second
    }
}
