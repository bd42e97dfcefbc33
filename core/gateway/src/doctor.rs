//! Settings that are not safe to serve with, each with what mends it. `synod doctor` tells all of them; `synod serve` refuses to start with one
//! of the graver kind, unless it is told that this is for trying things out.

use crate::config::{Config, Durability};
use std::fmt;
use std::net::SocketAddr;

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
    let checks = [anonymous(config), plain(config), administration(config), durability(config)];
    let mut found: Vec<Finding> = checks.into_iter().flatten().collect();
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
        consequence: format!("whoever reaches {} reads the metrics without a credential", config.listen.administration),
        mend: "listen on a loopback address, or let only the monitoring reach it",
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

fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
