//! Where clients arrive: connections, certificates, credentials, limits and queues.

use super::dashboard::{Dashboard, Row};
use super::panel::{Panel, Unit};
use super::scope::{INTERVAL, now, of, rate};
use crate::query::Query;
use synod_gateway::telemetry::names;

/// Days, in seconds.
const DAY: f64 = 86_400.0;

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "edge",
        title: "Edge",
        description: "Where clients arrive: connections, certificates, credentials, limits and queues.",
        by_detector: false,
        rows: vec![
            Row::new("Connections", connections()),
            Row::new("Who calls", callers()),
            Row::new("Limits", limits()),
            Row::new("Queues", queues()),
        ],
    }
}

fn connections() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Open connections",
            Unit::Count,
            "Connections that are open, by listener. Normal is a steady number below listen.limits.connections. A slope that does not end \
             is a client that never closes.",
        )
        .query(now(&names::CONNECTIONS_OPEN).sum_by(&["listener"]), "{{listener}}"),
        Panel::lines(
            "Refused connections",
            Unit::PerSecond,
            "Connections a second that were closed at once, because there were too many in all or from one address. Normal is 0. Behind a \
             proxy raise connections_per_address.",
        )
        .query(rate(&names::CONNECTIONS_REFUSED, &["listener", "reason"]), "{{listener}} {{reason}}"),
        Panel::lines(
            "Deadlines missed",
            Unit::PerSecond,
            "Connections a second that were closed, or bodies given up, because something took too long. idle is normal. handshake, \
             first_byte, header and body in number are slow clients, or somebody who holds connections on purpose.",
        )
        .query(rate(&names::CONNECTIONS_OVERDUE, &["deadline"]), "{{deadline}}"),
        Panel::lines(
            "Failed handshakes and bad hosts",
            Unit::PerSecond,
            "Handshakes of TLS that failed, and requests without the one Host that they need, a second. A few are scanners. Many at once \
             are clients that do not trust the certificate, or show none.",
        )
        .query(rate(&names::HANDSHAKES_FAILED, &[]), "handshakes")
        .query(rate(&names::BAD_HOSTS, &[]), "hosts"),
        Panel::number(
            "Certificate ends in",
            Unit::Duration,
            "Time until the certificate that is served ends. Normal is weeks. With ACME it is renewed at two thirds of its period; with \
             files, renew them: they are read again by themselves.",
        )
        .query(now(&names::CERTIFICATE_EXPIRY).by("min", &["listener"]).minus(Query::time()), "{{listener}}")
        .levels("red", &[(7.0 * DAY, "orange"), (21.0 * DAY, "green")])
        .if_nothing("no TLS")
        .wide(8),
        Panel::lines(
            "Orders of certificates",
            Unit::Count,
            "Orders of a certificate by ACME in each interval, by what came of them. A failed one is tried again, while the certificate \
             before is served: the log says why.",
        )
        .query(of(&names::CERTIFICATE_ORDERS).increase(INTERVAL).sum_by(&["result"]), "{{result}}")
        .coloured(&[("issued", "green"), ("failed", "red")]),
    ]
}

fn callers() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Credentials refused",
            Unit::PerSecond,
            "Credentials a second that did not hold, by reason. A few are normal. One reason in number is a client whose key or token \
             ended, or somebody who guesses: the audit trail has the addresses.",
        )
        .query(rate(&names::CREDENTIALS_REFUSED, &["reason"]), "{{reason}}"),
        Panel::lines(
            "Tokens and logins",
            Unit::PerSecond,
            "Access tokens that the embedded authorisation server gave, and logins to the console by what came of them, a second. A token \
             for each request means that a client does not keep its token.",
        )
        .query(rate(&names::TOKENS_ISSUED, &[]), "tokens")
        .query(rate(&names::LOGINS, &["result"]), "logins {{result}}"),
        Panel::lines(
            "Fetches of providers' keys",
            Unit::PerSecond,
            "Fetches of identity providers' keys a second, by what came of them. While they fail the last good keys are used: mend it \
             before the provider rotates them.",
        )
        .query(rate(&names::KEY_FETCHES, &["issuer", "result"]), "{{issuer}} {{result}}"),
        Panel::lines(
            "Age of providers' keys",
            Unit::Seconds,
            "Time since the keys of an identity provider were fetched. Normal is below issuers.*.refresh, 10 minutes. A rising line is a \
             provider that cannot be reached.",
        )
        .query(Query::time().minus(now(&names::KEYS_FETCHED).by("max", &["issuer"])), "{{issuer}}")
        .levels("green", &[(1800.0, "orange"), (7200.0, "red")]),
        Panel::stack(
            "Audited acts",
            Unit::PerSecond,
            "Audited acts and refusals a second. Denied ones in number are the same as refused credentials, or a caller without the role \
             that it needs.",
        )
        .query(rate(&names::AUDIT_EVENTS, &["action", "outcome"]), "{{action}} {{outcome}}"),
        Panel::lines(
            "Audit records that failed",
            Unit::PerSecond,
            "Audit records a second that could not be stored. Normal is 0. Acts that must be audited are refused meanwhile: look at the \
             log and the disk (Self).",
        )
        .query(rate(&names::AUDIT_FAILURES, &[]), "failed")
        .levels("green", &[(0.001, "red")]),
    ]
}

fn limits() -> Vec<Panel> {
    vec![
        Panel::stack(
            "Refused by limits",
            Unit::Requests,
            "Requests a second that were refused with 429 (quotas) or 503 (overload), by limit. Normal is 0. Whoever runs into a quota is \
             told how long to wait.",
        )
        .query(rate(&names::REQUESTS_LIMITED, &["limit"]), "{{limit}}"),
        Panel::lines(
            "Callers that quotas remember",
            Unit::Count,
            "Callers that have used some of their quota, by what they are told apart by. Far above your number of clients it is a flood \
             from ever new addresses; beyond limits.quotas.keys newcomers share.",
        )
        .query(now(&names::LIMIT_KEYS).sum_by(&["limit"]), "{{limit}}"),
        Panel::lines(
            "Memory of bodies",
            Unit::Bytes,
            "Memory that the bodies of requests take at the moment. Normal is far below limits.memory, at which requests are refused.",
        )
        .query(now(&names::BODIES_SIZE).total(), "bodies"),
    ]
}

fn queues() -> Vec<Panel> {
    vec![
        Panel::lines(
            "Requests that wait",
            Unit::Count,
            "Requests that wait to be scored (scoring) or to read decisions (reads). Normal is 0 with short peaks. If it stays, there is \
             more than the detectors' sandboxes can do.",
        )
        .query(now(&names::QUEUE_LENGTH).sum_by(&["queue"]), "{{queue}}")
        .wide(12),
        Panel::lines(
            "Age of the queues",
            Unit::Seconds,
            "For how long the first in a queue waits. Who waits for limits.queue.age is refused. Normal is a few milliseconds.",
        )
        .query(now(&names::QUEUE_AGE).by("max", &["queue"]), "{{queue}}")
        .wide(12),
    ]
}
