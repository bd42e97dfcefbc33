//! The keys `identity.issuers` and `identity.login`.

use super::Checker;
use super::identity::known_role;
use crate::access::Roles;
use crate::config::text;
use crate::config::units;
use crate::identity::login::LoginConfig;
use crate::identity::providers::{KeysAt, ProviderConfig, permitted};
use indexmap::IndexMap;
use std::path::Path;
use std::time::Duration;
use synod_identity::{Algorithm, ClaimNames, Issuer, IssuerMistake};
use url::{Host, Url};

/// What a provider's discovery document is called below its issuer (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Where the provider sends a browser after a login.
const CALLBACK: &str = "/console/callback";

pub(super) fn providers(at: &mut Checker<'_>, text: &IndexMap<String, text::Issuer>, roles: &Roles, folder: &Path) -> Vec<ProviderConfig> {
    for (index, (name, issuer)) in text.iter().enumerate() {
        if let Some((other, _)) = text.iter().take(index).find(|(_, other)| !issuer.issuer.is_empty() && other.issuer == issuer.issuer) {
            at.mistake(&format!("identity.issuers.{name}.issuer"), format!("is the issuer of `{other}` as well"));
        }
    }
    text.iter().filter_map(|(name, issuer)| provider(at, name, issuer, roles, folder)).collect()
}

/// A provider, if there is enough to say what it would be.
fn provider(at: &mut Checker<'_>, name: &str, text: &text::Issuer, roles: &Roles, folder: &Path) -> Option<ProviderConfig> {
    let key = format!("identity.issuers.{name}");
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(letters) {
        at.mistake(&key, "an issuer's name has 1 to 64 lower-case letters, digits, `_` and `-`");
    }
    for (value, role) in &text.roles {
        known_role(at, roles, &format!("{key}.roles.{value}"), role);
    }
    let issuer = issuer(at, &key, text);
    let keys_at = keys_at(at, &key, text);
    let refresh = within(at, &format!("{key}.refresh"), &text.refresh, Duration::from_secs(1), Duration::from_hours(24));
    let refetch = within(at, &format!("{key}.refetch"), &text.refetch, Duration::from_millis(10), Duration::from_hours(1));
    Some(ProviderConfig {
        name: name.to_owned(),
        issuer,
        keys_at: keys_at?,
        root: text.root.as_ref().map(|path| folder.join(path)),
        roles: text.roles.iter().map(|(value, role)| (value.clone(), role.clone())).collect(),
        refresh,
        refetch,
        private: text.private,
    })
}

fn issuer(at: &mut Checker<'_>, key: &str, text: &text::Issuer) -> Issuer {
    url(at, &format!("{key}.issuer"), &text.issuer, text.private);
    let mut algorithms = Vec::new();
    for (index, name) in text.algorithms.iter().enumerate() {
        match name.parse::<Algorithm>() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(unknown) => at.mistake(&format!("{key}.algorithms[{index}]"), format!("`{name}` is {unknown}")),
        }
    }
    let issuer = Issuer {
        issuer: text.issuer.clone(),
        audiences: text.audiences.clone(),
        algorithms,
        leeway: leeway(at, &format!("{key}.leeway"), &text.leeway),
        maximum_lifetime: at.taken(&format!("{key}.maximum_lifetime"), units::duration(&text.maximum_lifetime), Duration::from_hours(1)),
        claims: ClaimNames { roles: text.claims.roles.clone(), scopes: text.claims.scopes.clone(), tenant: text.claims.tenant.clone() },
    };
    if let Err(mistake) = issuer.check() {
        let part = match mistake {
            IssuerMistake::Issuer => "issuer",
            IssuerMistake::Audiences => "audiences",
            IssuerMistake::Algorithms => "algorithms",
            IssuerMistake::Leeway => "leeway",
            IssuerMistake::Lifetime => "maximum_lifetime",
        };
        let key = format!("{key}.{part}");
        // What is wrong with one of several was said.
        if !at.mistakes.iter().any(|known| known.key.starts_with(&key)) {
            at.mistake(&key, mistake.to_string());
        }
    }
    issuer
}

/// Unlike other spans of time this one may be nothing at all.
fn leeway(at: &mut Checker<'_>, key: &str, text: &str) -> Duration {
    if text == "0s" { Duration::ZERO } else { at.taken(key, units::duration(text), Duration::ZERO) }
}

fn within(at: &mut Checker<'_>, key: &str, text: &str, least: Duration, most: Duration) -> Duration {
    let span = at.taken(key, units::duration(text), least);
    if span < least || span > most {
        at.mistake(key, format!("`{text}` is not from {least:?} to {most:?}"));
    }
    span
}

fn keys_at(at: &mut Checker<'_>, key: &str, text: &text::Issuer) -> Option<KeysAt> {
    match (&text.jwks, &text.discovery) {
        (Some(_), Some(_)) => {
            at.mistake(&format!("{key}.jwks"), "give either `discovery` or `jwks`: the discovery document says where the keys are");
            None
        }
        (Some(keys), None) => url(at, &format!("{key}.jwks"), keys, text.private).map(KeysAt::KeySet),
        (None, Some(document)) => url(at, &format!("{key}.discovery"), document, text.private).map(KeysAt::Discovery),
        (None, None) => {
            let usual = format!("{}{DISCOVERY}", text.issuer.trim_end_matches('/'));
            Url::parse(&usual).ok().filter(|_| !text.issuer.is_empty()).map(KeysAt::Discovery)
        }
    }
}

fn url(at: &mut Checker<'_>, key: &str, text: &str, private: bool) -> Option<Url> {
    let parsed =
        if text.is_empty() { Err("is missing: an https:// URL".into()) } else { Url::parse(text).map_err(|e| format!("`{text}`: {e}")) };
    let checked = parsed.and_then(|url| match permitted(&url, private) {
        Ok(()) => Ok(url),
        Err(mistake) => Err(format!("`{text}`: {mistake}")),
    });
    at.taken(key, checked.map(Some), None)
}

pub(super) fn login(at: &mut Checker<'_>, text: &text::Identity, folder: &Path) -> Option<LoginConfig> {
    let login = text.login.as_ref()?;
    match text.issuers.get(&login.issuer) {
        Some(issuer) if issuer.jwks.is_some() => {
            at.mistake("identity.login.issuer", format!("`{}` has `jwks`; a login needs its discovery document", login.issuer));
        }
        Some(_) => {}
        None => at.mistake("identity.login.issuer", format!("there is no issuer `{}` in `identity.issuers`", login.issuer)),
    }
    if login.client_id.is_empty() {
        at.mistake("identity.login.client_id", "is missing: what the provider calls this client");
    }
    if !login.scopes.iter().any(|scope| scope == "openid") {
        at.mistake("identity.login.scopes", "`openid` is missing: without it there is no ID token");
    }
    Some(LoginConfig {
        issuer: login.issuer.clone(),
        client_id: login.client_id.clone(),
        client_secret_file: login.client_secret_file.as_ref().map(|path| folder.join(path)),
        redirect: redirect(at, &login.redirect)?,
        scopes: login.scopes.clone(),
    })
}

/// Where a browser comes back to. It is reached by a browser and never from here, so that it may well be a name inside.
fn redirect(at: &mut Checker<'_>, text: &str) -> Option<Url> {
    let wrong = || format!("`{text}` must be https://HOST{CALLBACK}, as browsers reach this service (or http:// with a loopback host)");
    let good = |url: &Url| {
        let here = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        (url.scheme() == "https" || (url.scheme() == "http" && here)) && url.path() == CALLBACK && plain
    };
    let checked = Url::parse(text).ok().filter(good).ok_or_else(wrong);
    at.taken("identity.login.redirect", checked.map(Some), None)
}
