//! Settings that are not safe to serve with, each with what mends it. `synod doctor` tells all of them; `synod serve` refuses to start with one
//! of the graver kind, unless it is told that this is for trying things out.

use crate::config::{Config, Durability, Storing};
use crate::listening::CertificateSource;
use crate::otlp::Collector;
use crate::sinks::alertmanager::Credential;
use crate::sinks::elasticsearch;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use synod_detection::{Kind, Outcome};
use url::{Host, Url};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Something to know. It is served.
    Warning,
    /// It is not served without `--dev`.
    Insecure,
}

/// A setting, what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub gravity: Gravity,
    /// The key of the configuration.
    pub key: &'static str,
    /// What follows from the setting.
    pub consequence: String,
    /// What to do.
    pub mend: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gravity = match self.gravity {
            Gravity::Warning => "warning",
            Gravity::Insecure => "insecure",
        };
        write!(f, "{gravity}: {}: {}; {}", self.key, self.consequence, self.mend)
    }
}

/// All findings of a configuration, the gravest first.
pub fn findings(config: &Config) -> Vec<Finding> {
    let checks = [
        anonymous(config),
        plain(config),
        administration(config),
        issuer(config),
        durability(config),
        breaker(config),
        card_numbers(config),
        alertmanagers(config),
        elasticsearch(config),
    ];
    let mut found: Vec<Finding> =
        checks.into_iter().flatten().chain(in_the_clear(config)).chain(secrets(config)).chain(trusting(config)).collect();
    found.sort_by_key(|finding| std::cmp::Reverse(finding.gravity));
    found
}

fn anonymous(config: &Config) -> Option<Finding> {
    let roles = &config.identity.anonymous;
    (!roles.is_empty()).then(|| Finding {
        gravity: Gravity::Insecure,
        key: "identity.anonymous",
        consequence: format!("anybody who can connect is {}", roles.join(" and ")),
        mend: "leave it empty and give callers API keys: `synod keys create`",
    })
}

fn plain(config: &Config) -> Option<Finding> {
    // Where a proxy stands in front, TLS ends there.
    let behind_proxy = !config.listen.proxies.is_empty();
    (!is_local(config.listen.data) && config.listen.tls.is_none()).then(|| Finding {
        gravity: if behind_proxy { Gravity::Warning } else { Gravity::Insecure },
        key: "listen.tls",
        consequence: format!("credentials and rows cross the network to {} in the clear", config.listen.data),
        mend: "set `listen.tls`, or listen on a loopback address",
    })
}

fn administration(config: &Config) -> Option<Finding> {
    (!is_local(config.listen.administration)).then(|| Finding {
        gravity: Gravity::Warning,
        key: "listen.administration",
        consequence: format!(
            "whoever reaches {} reads the metrics, and why something is not well, without a credential",
            config.listen.administration
        ),
        mend: "listen on a loopback address, or let only the monitoring reach it",
    })
}

fn issuer(config: &Config) -> Option<Finding> {
    let (server, address) = (config.identity.server.as_ref()?, config.listen.data);
    (address.ip().is_unspecified() && server.issuer.ends_with(&format!("://{address}"))).then(|| Finding {
        gravity: Gravity::Warning,
        key: "identity.server.issuer",
        consequence: format!("the metadata of the authorisation server name {}, where no client can call", server.issuer),
        mend: "set it to the URL that clients know",
    })
}

/// Identity providers whose own names of roles count as ours.
fn trusting(config: &Config) -> Vec<Finding> {
    let unmapped = config.identity.providers.iter().filter(|provider| provider.roles.is_empty());
    let finding = |name: &str| Finding {
        gravity: Gravity::Warning,
        key: "identity.issuers",
        consequence: format!("whoever the provider of `{name}` gives a role named `admin` is one here"),
        mend: "say with `roles` which of its roles mean which of ours",
    };
    unmapped.map(|provider| finding(&provider.name)).collect()
}

/// Alertmanagers to whom a credential goes in the clear.
fn alertmanagers(config: &Config) -> Option<Finding> {
    let alerts = config.alerts.as_ref().filter(|alerts| alerts.credential.is_some())?;
    let plain = alerts.alertmanagers.iter().find(|url| url.scheme() == "http" && !is_here(url))?;
    Some(Finding {
        gravity: Gravity::Warning,
        key: "alerts.alertmanagers",
        consequence: format!("the credential crosses the network to {plain} in the clear"),
        mend: "call it by https, or let no credential be needed where nobody else can call",
    })
}

/// Whether a URL leads to this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Files with secrets that anybody on the machine can read.
fn secrets(config: &Config) -> Vec<Finding> {
    let key = config.listen.tls.as_ref().and_then(|tls| match &tls.certificate {
        CertificateSource::Files(files) => Some(("listen.tls.key", files.key.as_path())),
        CertificateSource::Acme(_) => None,
    });
    let login = config.identity.login.as_ref().and_then(|login| login.client_secret_file.as_deref());
    let alerts = config.alerts.as_ref().and_then(|alerts| alerts.credential.as_ref()).map(|credential| match credential {
        Credential::Basic(_, file) => ("alerts.basic.password_file", file.as_path()),
        Credential::Bearer(file) => ("alerts.bearer_file", file.as_path()),
    });
    let headers = collectors(config).filter_map(|(_, of)| Some((headers_key(of), of.headers_file.as_deref()?)));
    let elasticsearch = config.sinks.elasticsearch.as_ref().and_then(|of| of.credential.as_ref()).map(|credential| match credential {
        elasticsearch::Credential::ApiKey(file) => ("sinks.elasticsearch.api_key_file", file.as_path()),
        elasticsearch::Credential::Basic(_, file) => ("sinks.elasticsearch.basic.password_file", file.as_path()),
    });
    let files = key.into_iter().chain(login.map(|file| ("identity.login.client_secret_file", file))).chain(alerts);
    let files = files.chain(headers).chain(elasticsearch);
    let readable = files.filter(|(_, file)| fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o007 != 0));
    let finding = |(key, file): (&'static str, &Path)| Finding {
        gravity: Gravity::Warning,
        key,
        consequence: format!("everybody on this machine can use {}", file.display()),
        mend: "give it to the service's own user alone: chmod 600",
    };
    readable.map(finding).collect()
}

/// The collectors of OpenTelemetry, with what they are sent.
fn collectors(config: &Config) -> impl Iterator<Item = (&'static str, &Collector)> {
    let spans = config.tracing.iter().map(|tracing| ("spans", &tracing.collector));
    spans.chain(config.sinks.otlp.iter().map(|otlp| ("documents", &otlp.collector)))
}

/// What leaves the machine for a collector without encryption.
fn in_the_clear(config: &Config) -> Vec<Finding> {
    let finding = |(what, collector): (&str, &Collector)| {
        let credential = if collector.headers_file.is_some() { ", and the credential of `headers_file` with them," } else { "" };
        Finding {
            gravity: Gravity::Warning,
            key: endpoint_key(collector),
            consequence: format!(
                "{what}{credential} cross the network to {} in the clear",
                collector.endpoint.host_str().unwrap_or_default()
            ),
            mend: "use an https:// URL, or a collector on this machine",
        }
    };
    collectors(config).filter(|(_, to)| !to.is_encrypted() && !to.is_local()).map(finding).collect()
}

fn endpoint_key(collector: &Collector) -> &'static str {
    if collector.section == "tracing" { "tracing.endpoint" } else { "sinks.otlp.endpoint" }
}

fn headers_key(collector: &Collector) -> &'static str {
    if collector.section == "tracing" { "tracing.headers_file" } else { "sinks.otlp.headers_file" }
}

/// Documents that go to an Elasticsearch elsewhere without encryption.
fn elasticsearch(config: &Config) -> Option<Finding> {
    let plain = config.sinks.elasticsearch.as_ref()?.nodes.iter().find(|url| url.scheme() == "http" && !is_here(url))?;
    Some(Finding {
        gravity: Gravity::Warning,
        key: "sinks.elasticsearch.nodes",
        consequence: format!("decisions, audit records and the credential cross the network to {plain} in the clear"),
        mend: "use https:// URLs; scripts/certificates.sh makes certificates",
    })
}

fn durability(config: &Config) -> Option<Finding> {
    (config.decisions.durability == Durability::None).then(|| Finding {
        gravity: Gravity::Warning,
        key: "decisions.durability",
        consequence: "no decision can be found, explained or replayed later, and no act is audited".into(),
        mend: "use `synced`",
    })
}

fn breaker(config: &Config) -> Option<Finding> {
    let blocks = config.policy.block.is_some() || config.policy.on_missing == Outcome::Block;
    (blocks && config.breaker.maximum_share >= 1.0).then(|| Finding {
        gravity: Gravity::Warning,
        key: "outcomes.breaker.maximum_share",
        consequence: "a model, a feature or a feed that goes wrong can block everybody".into(),
        mend: "set it to a share that is never right, as 0.05",
    })
}

fn card_numbers(config: &Config) -> Option<Finding> {
    let fields = config.schema.fields().iter().zip(&config.storing);
    let is_kept = |kind: Kind, storing: &Storing| matches!(kind, Kind::Text | Kind::Integer) && *storing == Storing::Keep;
    let kept = fields.filter(|(field, storing)| is_kept(field.kind, storing) && field.values.is_empty() && names_a_card(&field.name));
    let names: Vec<String> = kept.map(|(field, _)| format!("`{}`", field.name)).collect();
    (!names.is_empty()).then(|| Finding {
        gravity: Gravity::Warning,
        key: "schema.fields",
        consequence: format!(
            "{} may hold card or account numbers, which decisions, answers and snapshots then keep as they are",
            names.join(", ")
        ),
        mend: "give the field `store: hmac` (it can still be searched by), `mask` or `drop`",
    })
}

/// Whether a field is named as the number of a card or an account is.
fn names_a_card(name: &str) -> bool {
    let mut words: Vec<String> = vec![String::new()];
    let mut before = None;
    for letter in name.chars() {
        let begins = letter.is_uppercase() && before.is_some_and(char::is_lowercase);
        before = Some(letter);
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
    }
    let (joined, last) = (words.concat(), words.last().map_or("", String::as_str));
    words.iter().any(|word| matches!(word.as_str(), "pan" | "iban" | "ccn"))
        || ["cardnumber", "cardnum", "cardno", "cardnr", "creditcard"].iter().any(|word| joined.contains(word))
        || last == "card"
}

fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_for_card_numbers_are_told_by_their_names() {
        for name in [
            "pan",
            "PAN",
            "card_number",
            "cardNumber",
            "CARD_NO",
            "customer.iban",
            "IBAN",
            "credit_card_id",
            "virtual-card",
            "payee_iban",
            "hashedPan",
        ] {
            assert!(names_a_card(name), "{name}");
        }
        for name in ["card_type", "card_present", "company", "span", "panel", "scorecards", "discard_reason", "amount", "", "pan2"] {
            assert!(!names_a_card(name), "{name}");
        }
    }
}
