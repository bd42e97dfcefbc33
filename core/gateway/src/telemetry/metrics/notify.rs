//! Of `synod notify`, which is a process of its own.

use super::registering::{Exposition, Registries};
use crate::telemetry::names::of_notify as names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReceiverLabels {
    receiver: String,
    result: &'static str,
}

/// What is counted of notifications and messages.
#[derive(Debug)]
pub struct OfNotify {
    registries: Registries,
    notifications: Family<ReceiverLabels, Counter>,
    messages: Family<ReceiverLabels, Counter>,
}

impl OfNotify {
    /// Registers all of them.
    pub fn new() -> Self {
        let mut registries = Registries::default();
        let notifications = registries.counters(&names::NOTIFY_NOTIFICATIONS);
        let messages = registries.counters(&names::NOTIFY_MESSAGES);
        Self { registries, notifications, messages }
    }

    /// Has a receiver shown, at zero until something comes for it.
    pub fn expect(&self, receiver: &str) {
        for sent in [true, false] {
            drop(self.notifications.get_or_create(&labels(receiver, sent)));
            drop(self.messages.get_or_create(&labels(receiver, sent)));
        }
    }

    /// Notes a notification of Alertmanager's, and whether everybody got it.
    pub fn notification(&self, receiver: &str, sent: bool) {
        self.notifications.get_or_create(&labels(receiver, sent)).inc();
    }

    /// Notes a message, and whether it was taken.
    pub fn message(&self, receiver: &str, sent: bool) {
        self.messages.get_or_create(&labels(receiver, sent)).inc();
    }

    /// All of them in a format.
    pub fn encoded(&self, exposition: Exposition) -> Vec<u8> {
        self.registries.encoded(exposition)
    }
}

impl Default for OfNotify {
    fn default() -> Self {
        Self::new()
    }
}

fn labels(receiver: &str, sent: bool) -> ReceiverLabels {
    ReceiverLabels { receiver: receiver.to_owned(), result: if sent { "sent" } else { "failed" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_list_is_a_metric() {
        let of = OfNotify::new();
        of.expect("sms");
        let text = String::from_utf8(of.encoded(Exposition::Text)).unwrap();
        for name in names::ALL {
            assert!(text.contains(&format!("{}{{receiver=\"sms\",result=\"sent\"}} 0", name.series())), "{name:?} in {text}");
        }
    }
}
