//! The section `limits`.

use super::Checker;
use crate::config::text::{self, Text};
use crate::config::units;
use crate::http::{Needs, ROUTES};
use crate::limiting::{QueueLimits, Quota, Quotas, Rate};
use crate::listening::Audience;
use indexmap::IndexMap;
use ipnet::IpNet;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

/// What a request may take, and what requests may take together.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// Bytes of its body.
    pub body: usize,
    /// Rows in it.
    pub rows: usize,
    /// Time until it is answered.
    pub timeout: Duration,
    /// Bytes of all bodies that are held at a time.
    pub memory: usize,
    /// How many are scored at a time, and how the others wait.
    pub queue: QueueLimits,
}

pub(super) fn limits(at: &mut Checker<'_>, text: &text::Limits) -> RequestLimits {
    at.within("limits.rows", text.rows as f64, 1.0, 1e6, "a number of rows from 1 to 1000000");
    let body = at.taken("limits.body", units::bytes(&text.body), 1);
    let memory = at.taken("limits.memory", units::bytes(&text.memory), usize::MAX);
    if memory < body {
        at.mistake("limits.memory", format!("{memory} bytes are less than one body may have by `limits.body`, {body}"));
    }
    let places = text.queue.places.unwrap_or_else(usual_places);
    at.within("limits.queue.places", places as f64, 1.0, 10_000.0, "a number from 1 to 10000");
    at.within("limits.queue.length", text.queue.length as f64, 0.0, 100_000.0, "a number of requests from 0 to 100000");
    let age = at.taken("limits.queue.age", units::duration(&text.queue.age), Duration::from_secs(1));
    let timeout = at.taken("limits.timeout", units::duration(&text.timeout), Duration::from_secs(1));
    // Nobody waits for longer than for the answer.
    let queue = QueueLimits { places, length: text.queue.length, age: age.min(timeout) };
    RequestLimits { body, rows: text.rows, timeout, memory, queue }
}

/// More than threads can work on; batches that the disk or a slow detector holds up are among them.
fn usual_places() -> usize {
    32.max(4 * thread::available_parallelism().map_or(1, usize::from))
}

pub(super) fn quotas(at: &mut Checker<'_>, whole: &Text) -> Quotas {
    let text = &whole.limits.quotas;
    at.within("limits.quotas.keys", text.keys as f64, 1_000.0, 1e8, "a number from 1000 to 100000000");
    let known = routes(whole);
    for route in text.routes.keys().filter(|route| !known.contains(&route.as_str())) {
        at.mistake(&format!("limits.quotas.routes.{route}"), format!("there is no such route; there are {}", known.join(", ")));
    }
    Quotas {
        address: address(at, &text.address),
        exempt: networks(at, "limits.quotas.exempt", &text.exempt),
        principal: quota(at, "limits.quotas.principal", &text.principal),
        principals: named(at, "limits.quotas.principals", &text.principals),
        tenant: quota(at, "limits.quotas.tenant", &text.tenant),
        tenants: named(at, "limits.quotas.tenants", &text.tenants),
        routes: named(at, "limits.quotas.routes", &text.routes),
        keys: text.keys,
    }
}

/// The routes that can have a quota. Health can have none: whoever watches the service must not be kept from it.
fn routes(text: &Text) -> Vec<&str> {
    let own = ROUTES.iter().filter(|entry| entry.audience == Audience::Clients && entry.needs != Needs::Nothing);
    let mut paths: Vec<&str> = own.map(|entry| entry.path).collect();
    paths.dedup();
    paths.extend(text.routes.iter().map(|route| route.path.as_str()));
    paths
}

fn address(at: &mut Checker<'_>, text: &text::Quota) -> Option<Rate> {
    let later = [("rows", text.rows.is_some()), ("rows_burst", text.rows_burst.is_some()), ("concurrent", text.concurrent.is_some())];
    for (key, _) in later.iter().filter(|(_, set)| *set) {
        at.mistake(&format!("limits.quotas.address.{key}"), "an address has a quota of requests alone; `principal` can have this");
    }
    quota(at, "limits.quotas.address", text).requests
}

fn named(at: &mut Checker<'_>, key: &str, text: &IndexMap<String, text::Quota>) -> IndexMap<String, Quota> {
    text.iter().map(|(name, text)| (name.clone(), quota(at, &format!("{key}.{name}"), text))).collect()
}

fn quota(at: &mut Checker<'_>, key: &str, text: &text::Quota) -> Quota {
    if let Some(concurrent) = text.concurrent {
        at.within(&format!("{key}.concurrent"), f64::from(concurrent), 1.0, 1e6, "a number of requests from 1 to 1000000");
    }
    Quota {
        requests: rate(at, key, ["requests", "burst"], text.requests.as_deref(), text.burst),
        rows: rate(at, key, ["rows", "rows_burst"], text.rows.as_deref(), text.rows_burst),
        concurrent: text.concurrent,
    }
}

fn rate(at: &mut Checker<'_>, key: &str, names: [&str; 2], text: Option<&str>, burst: Option<u32>) -> Option<Rate> {
    let [name, of_burst] = names.map(|name| format!("{key}.{name}"));
    let Some(text) = text else {
        if burst.is_some() {
            at.mistake(&of_burst, format!("needs `{}`, as in 200/s", names[0]));
        }
        return None;
    };
    let (count, per) = at.taken(&name, units::rate(text), (1, Duration::from_secs(1)));
    let burst = burst.unwrap_or(count);
    at.within(&of_burst, f64::from(burst), 1.0, 1e9, "a number from 1 to 1000000000");
    let rate = Rate { count, per, burst: burst.max(1) };
    if rate.refill() > Rate::LONGEST {
        at.mistake(&of_burst, format!("{burst} take longer than a year to come again at `{text}`"));
    }
    Some(rate)
}

/// Networks as `10.0.0.0/8`, and addresses.
pub(super) fn networks(at: &mut Checker<'_>, key: &str, texts: &[String]) -> Vec<IpNet> {
    let mut networks = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)) {
            Some(network) => networks.push(network),
            None => at.mistake(&format!("{key}[{index}]"), format!("`{text}` is no network; write for instance 10.0.0.0/8 or 10.1.2.3")),
        }
    }
    networks
}
