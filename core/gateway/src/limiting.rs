//! What callers may take of the service: how often and how much (quotas), how many at a time, in which order when there is more to do than
//! can be done (the gate), and how much memory their bodies may hold. It knows callers, and neither HTTP's answers nor detectors.
//!
//! Everything in here is bounded, whoever calls: the states of quotas by `limits.quotas.keys`, those who wait by `limits.queue.length`, bodies
//! by `limits.memory`, and whoever has a place by the requests that there can be.

mod address;
mod concurrency;
mod fields;
mod gate;
mod key;
mod memory;
mod quota;
mod table;

pub use address::{ClientAddress, Proxies};
pub use concurrency::Place;
pub use fields::{Standing, Unit, fields, whole_seconds};
pub use gate::{Closed, Gate, GateFacts, Need, Pass, QueueLimits};
pub use key::{Key, Keys};
use memory::Held;
pub use memory::Memory;
pub use quota::Rate;

use crate::access::Caller;
use concurrency::Concurrency;
use indexmap::IndexMap;
use ipnet::IpNet;
use quota::{Exceeded, Limiter};
use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What one caller may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quota {
    /// Requests.
    pub requests: Option<Rate>,
    /// Rows.
    pub rows: Option<Rate>,
    /// Requests at a time.
    pub concurrent: Option<u32>,
}

/// What callers may take, as configured.
#[derive(Debug, Clone)]
pub struct Quotas {
    /// Requests of an address.
    pub address: Option<Rate>,
    /// Addresses that have no quota.
    pub exempt: Vec<IpNet>,
    /// Of a principal.
    pub principal: Quota,
    /// Of principals that have one of their own, by name.
    pub principals: IndexMap<String, Quota>,
    /// Of a tenant: all of its principals together.
    pub tenant: Quota,
    /// Of tenants that have one of their own.
    pub tenants: IndexMap<String, Quota>,
    /// Of a caller on one route, by the route's pattern.
    pub routes: IndexMap<String, Quota>,
    /// Most callers whose state is kept, for each quota.
    pub keys: usize,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A quota is used up. It is good again after this time.
    Quota(Standing, Duration),
    /// It asks for more rows than the policy ever allows at once.
    Beyond {
        /// The policy.
        policy: &'static str,
        /// So many it allows.
        most: u32,
    },
}

/// What limits one kind of caller.
#[derive(Debug)]
struct Limiters {
    requests: Option<Limiter>,
    rows: Option<Limiter>,
    /// With the policy's name.
    concurrent: Option<(&'static str, Arc<Concurrency>)>,
}

/// The names of a kind's policies: of requests, of rows, of requests at a time.
type Names = [&'static str; 3];

const PRINCIPAL: Names = ["principal", "principal-rows", "principal-concurrent"];
const TENANT: Names = ["tenant", "tenant-rows", "tenant-concurrent"];
const ROUTE: Names = ["route", "route-rows", "route-concurrent"];
const ADDRESS: &str = "address";

impl Limiters {
    /// None where there is nothing to limit.
    fn new([requests, rows, concurrent]: Names, quota: &Quota, keys: usize) -> Option<Arc<Self>> {
        let limiters = Self {
            requests: quota.requests.map(|rate| Limiter::new(requests, Unit::Requests, rate, keys)),
            rows: quota.rows.map(|rate| Limiter::new(rows, Unit::Rows, rate, keys)),
            concurrent: quota.concurrent.map(|most| (concurrent, Concurrency::new(most))),
        };
        let limits = limiters.requests.is_some() || limiters.rows.is_some() || limiters.concurrent.is_some();
        limits.then(|| Arc::new(limiters))
    }

    fn all(&self) -> impl Iterator<Item = &Limiter> {
        self.requests.iter().chain(&self.rows)
    }
}

/// Callers of one kind, of whom some have limits of their own.
#[derive(Debug)]
struct Kind {
    usual: Option<Arc<Limiters>>,
    own: HashMap<String, Option<Arc<Limiters>>>,
}

impl Kind {
    fn new(names: Names, usual: &Quota, own: &IndexMap<String, Quota>, keys: usize) -> Self {
        let own = own.iter().map(|(name, quota)| (name.clone(), Limiters::new(names, quota, keys))).collect();
        Self { usual: Limiters::new(names, usual, keys), own }
    }

    fn of(&self, name: &str) -> Option<&Arc<Limiters>> {
        self.own.get(name).unwrap_or(&self.usual).as_ref()
    }

    fn all(&self) -> impl Iterator<Item = &Limiter> {
        self.usual.iter().chain(self.own.values().flatten()).flat_map(|limiters| limiters.all())
    }
}

/// What limits all callers.
#[derive(Debug)]
pub struct Limiting {
    names: Keys,
    address: Option<Limiter>,
    exempt: Vec<IpNet>,
    principals: Kind,
    tenants: Kind,
    routes: Kind,
    memory: Arc<Memory>,
}

impl Limiting {
    /// What is configured.
    pub fn new(quotas: &Quotas, memory: usize) -> Arc<Self> {
        let keys = quotas.keys;
        Arc::new(Self {
            names: Keys::default(),
            address: quotas.address.map(|rate| Limiter::new(ADDRESS, Unit::Requests, rate, keys)),
            exempt: quotas.exempt.clone(),
            principals: Kind::new(PRINCIPAL, &quotas.principal, &quotas.principals, keys),
            tenants: Kind::new(TENANT, &quotas.tenant, &quotas.tenants, keys),
            routes: Kind::new(ROUTE, &Quota::default(), &quotas.routes, keys),
            memory: Memory::new(memory),
        })
    }

    /// The memory of bodies.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Forgets callers whose quotas are whole again. To be called now and then.
    pub fn sweep(&self) {
        self.address.iter().chain(self.principals.all()).chain(self.tenants.all()).chain(self.routes.all()).for_each(Limiter::sweep);
    }

    /// How many callers are remembered, by what they are told apart by.
    pub fn keys(&self) -> [(&'static str, usize); 4] {
        let of = |kind: &Kind| kind.all().map(Limiter::keys).sum();
        [
            (ADDRESS, self.address.as_ref().map_or(0, Limiter::keys)),
            (PRINCIPAL[0], of(&self.principals)),
            (TENANT[0], of(&self.tenants)),
            (ROUTE[0], of(&self.routes)),
        ]
    }
}

/// A request under way, with all that it has taken. What can be given back is, when this is dropped.
#[derive(Debug)]
pub struct Call {
    limiting: Arc<Limiting>,
    address: IpAddr,
    who: OnceLock<Who>,
    /// What its client is told: where it is nearest to an end.
    standing: Mutex<Option<Standing>>,
    /// Of its body; from the first byte on.
    held: Mutex<Option<Held>>,
}

#[derive(Debug)]
struct Who {
    lane: Key,
    /// As a principal, of its tenant, and on this route.
    limits: [Option<(Arc<Limiters>, Key)>; 3],
}

impl Call {
    /// A request from this address.
    pub fn new(limiting: &Arc<Limiting>, address: IpAddr) -> Arc<Self> {
        let (standing, held) = (Mutex::default(), Mutex::default());
        Arc::new(Self { limiting: limiting.clone(), address, who: OnceLock::new(), standing, held })
    }

    /// Counts it among its address's, before it is known whose it is.
    ///
    /// # Errors
    /// When the address asks too often.
    pub fn by_address(&self) -> Result<(), Refused> {
        let limiting = &self.limiting;
        match &limiting.address {
            Some(limiter) if !address::within(&limiting.exempt, self.address) => {
                self.take(limiter, limiting.names.address(self.address), NonZeroU32::MIN)
            }
            _ => Ok(()),
        }
    }

    /// Counts it among its caller's, and takes places for it. Callers without a name are told apart by their addresses.
    ///
    /// # Errors
    /// When the caller, its tenant, or the caller on this route asks too often, or for too much at a time.
    pub fn by_caller(&self, caller: &Caller, route: &str) -> Result<Vec<Place>, Refused> {
        let Limiting { names, principals, tenants, routes, .. } = &*self.limiting;
        let principal = if caller.is_known() { names.principal(caller.name()) } else { names.address(self.address) };
        let tenant = caller.tenant().map(|tenant| (tenant, names.tenant(tenant)));
        let of = |kind: &Kind, name: &str, key: Key| kind.of(name).map(|limiters| (limiters.clone(), key));
        let limits = [
            of(principals, caller.name(), principal),
            tenant.and_then(|(tenant, key)| of(tenants, tenant, key)),
            of(routes, route, principal),
        ];
        let who = self.who.get_or_init(|| Who { lane: tenant.map_or(principal, |(_, key)| key), limits });
        let mut places = Vec::new();
        for (limiters, key) in who.limits.iter().flatten() {
            if let Some(limiter) = &limiters.requests {
                self.take(limiter, *key, NonZeroU32::MIN)?;
            }
            if let Some((policy, concurrency)) = &limiters.concurrent {
                places.push(concurrency.enter(*key).ok_or_else(|| self.crowded(policy, concurrency.most()))?);
            }
        }
        Ok(places)
    }

    /// Counts the rows that it wants to have scored.
    ///
    /// # Errors
    /// When they are too many, for now or for ever.
    pub fn rows(&self, rows: usize) -> Result<(), Refused> {
        let Some(rows) = NonZeroU32::new(u32::try_from(rows).unwrap_or(u32::MAX)) else { return Ok(()) };
        let limits = self.who.get().into_iter().flat_map(|who| who.limits.iter().flatten());
        for (limiters, key) in limits {
            if let Some(limiter) = &limiters.rows {
                self.take(limiter, *key, rows)?;
            }
        }
        Ok(())
    }

    /// The lane in which it waits: its tenant's, or else its principal's, or else its address's.
    pub fn lane(&self) -> Key {
        self.who.get().map_or_else(|| self.limiting.names.address(self.address), |who| who.lane)
    }

    /// Takes memory for a part of its body, if there is some left.
    pub fn hold(&self, bytes: usize) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get_or_insert_with(|| Held::nothing(&self.limiting.memory, self.lane())).take(bytes)
    }

    /// The policy of which the least share is left, of those that were asked.
    pub fn standing(&self) -> Option<Standing> {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, limiter: &Limiter, key: Key, count: NonZeroU32) -> Result<(), Refused> {
        match limiter.take(key, count) {
            Ok(standing) => {
                self.note(standing);
                Ok(())
            }
            Err(Exceeded::Until(standing, wait)) => {
                self.note(standing);
                Err(Refused::Quota(standing, wait))
            }
            Err(Exceeded::Never(most)) => Err(Refused::Beyond { policy: limiter.policy(), most }),
        }
    }

    fn crowded(&self, policy: &'static str, most: u32) -> Refused {
        let standing = Standing { policy, unit: Unit::Concurrent, quota: most, window: None, remaining: 0, reset: None };
        self.note(standing);
        Refused::Quota(standing, Duration::from_secs(1))
    }

    fn note(&self, standing: Standing) {
        let mut known = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(known.map_or(standing, |known| standing.tighter(known)));
    }
}

#[cfg(test)]
mod tests;
