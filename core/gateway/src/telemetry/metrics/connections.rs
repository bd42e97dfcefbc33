//! What is counted of connections and certificates.

use super::registering::Registries;
use crate::listening::{Audience, Deadline};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::sync::OnceLock;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeadlineLabels {
    deadline: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrderLabels {
    result: &'static str,
}

/// What came of an order of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A certificate.
    Issued,
    /// Nothing.
    Failed,
}

impl Order {
    fn labels(self) -> OrderLabels {
        OrderLabels { result: if self == Self::Issued { "issued" } else { "failed" } }
    }
}

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many as there may be.
    InAll,
    /// There are as many from this address.
    PerAddress,
}

impl Refusal {
    fn name(self) -> &'static str {
        match self {
            Self::InAll => "in_all",
            Self::PerAddress => "per_address",
        }
    }
}

/// What is counted of connections, for the whole process: its listeners come and go with it.
#[derive(Debug, Default)]
pub struct Connections {
    open: Family<ListenerLabels, Gauge>,
    refused: Family<RefusalLabels, Counter>,
    overdue: Family<DeadlineLabels, Counter>,
    handshakes_failed: Counter,
    bad_hosts: Counter,
    certificate_end: Family<ListenerLabels, Gauge>,
    orders: Family<OrderLabels, Counter>,
}

impl Connections {
    /// The only one.
    pub fn all() -> &'static Self {
        static ALL: OnceLock<Connections> = OnceLock::new();
        ALL.get_or_init(|| {
            let all = Self::default();
            for deadline in Deadline::ALL {
                drop(all.overdue.get_or_create(&DeadlineLabels { deadline: deadline.name() }));
            }
            for listener in [Audience::Clients, Audience::Operators] {
                for refusal in [Refusal::InAll, Refusal::PerAddress] {
                    drop(all.refused.get_or_create(&RefusalLabels { listener: listener.name(), reason: refusal.name() }));
                }
            }
            for order in [Order::Issued, Order::Failed] {
                drop(all.orders.get_or_create(&order.labels()));
            }
            all
        })
    }

    pub(super) fn register(&self, registries: &mut Registries) {
        registries.add(&names::CONNECTIONS_OPEN, &self.open);
        registries.add(&names::CONNECTIONS_REFUSED, &self.refused);
        registries.add(&names::CONNECTIONS_OVERDUE, &self.overdue);
        registries.add(&names::HANDSHAKES_FAILED, &self.handshakes_failed);
        registries.add(&names::BAD_HOSTS, &self.bad_hosts);
        registries.add(&names::CERTIFICATE_EXPIRY, &self.certificate_end);
        registries.add(&names::CERTIFICATE_ORDERS, &self.orders);
    }

    /// Notes how many connections a listener has.
    pub fn open(&self, audience: Audience, connections: usize) {
        self.open.get_or_create(&ListenerLabels { listener: audience.name() }).set(connections as i64);
    }

    /// Notes a connection that was refused.
    pub fn refused(&self, audience: Audience, refusal: Refusal) {
        self.refused.get_or_create(&RefusalLabels { listener: audience.name(), reason: refusal.name() }).inc();
    }

    /// Notes a connection that was closed, or a body that was given up, because it missed a deadline.
    pub fn overdue(&self, deadline: Deadline) {
        self.overdue.get_or_create(&DeadlineLabels { deadline: deadline.name() }).inc();
    }

    /// Notes a handshake that failed.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// Notes a request that was refused for its Host.
    pub fn bad_host(&self) {
        self.bad_hosts.inc();
    }

    /// Notes the certificate that is served from now on, by its end in seconds since 1970.
    pub fn certificate_ends(&self, end: i64) {
        self.certificate_end.get_or_create(&ListenerLabels { listener: Audience::Clients.name() }).set(end);
    }

    /// When the certificate ends that is served, if there is one and that is known.
    pub fn certificate_end(&self) -> Option<jiff::Timestamp> {
        let end = self.certificate_end.get(&ListenerLabels { listener: Audience::Clients.name() }).map(|end| end.get());
        end.and_then(|end| jiff::Timestamp::from_second(end).ok())
    }

    /// Notes what came of an order of a certificate.
    pub fn ordered(&self, order: Order) {
        self.orders.get_or_create(&order.labels()).inc();
    }
}
