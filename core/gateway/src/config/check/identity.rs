//! The sections `identity` and `roles`.

use super::{Checker, issuers};
use crate::access::{Permission, Roles};
use crate::config::text::{self, Text};
use crate::config::units;
use crate::identity::login::LoginConfig;
use crate::identity::providers::ProviderConfig;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use synod_identity::{API_KEY_ISSUER, CERTIFICATE_ISSUER, SigningAlgorithm};

/// The longest tenant, label or name.
const LONGEST_NAME: usize = 255;
/// The longest that an access token may live: as long as an old signing key is still published.
pub(crate) const LONGEST_TOKEN: Duration = Duration::from_hours(24);

/// Who may call, and what their roles allow.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The roles of somebody without a credential. Nobody should have any.
    pub anonymous: Vec<String>,
    /// What each role allows.
    pub roles: Roles,
    /// How long API keys live.
    pub keys: KeyLifetimes,
    /// The embedded authorisation server, if it is enabled.
    pub server: Option<TokenServer>,
    /// Whom client certificates speak for.
    pub certificates: Vec<MappedCertificate>,
    /// Whose tokens are accepted.
    pub providers: Vec<ProviderConfig>,
    /// Where people log in.
    pub login: Option<LoginConfig>,
}

/// How long API keys live.
#[derive(Debug, Clone, Copy)]
pub struct KeyLifetimes {
    /// If nothing is said.
    pub usual: Duration,
    /// At most.
    pub longest: Duration,
}

/// The embedded authorisation server.
#[derive(Debug, Clone)]
pub struct TokenServer {
    /// Its name, a URL: what `iss` and `aud` of its tokens are, and what its metadata are found below.
    pub issuer: String,
    /// How long its tokens live.
    pub token_lifetime: Duration,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
}

/// Whom a client certificate speaks for.
#[derive(Debug, Clone)]
pub struct MappedCertificate {
    /// How it is recognised.
    pub name: CertificateName,
    /// What whoever has it may act as.
    pub roles: BTreeSet<String>,
    /// What it is limited to, if there are any.
    pub scopes: BTreeSet<String>,
    /// Whose decisions it may see.
    pub tenant: Option<String>,
}

/// How a certificate is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// By one of its alternative names, as `dns:…`, `uri:…` or `email:…`.
    Alternative(String),
    /// By its subject.
    Subject(String),
}

impl CertificateName {
    /// The name as people read it: what follows the kind.
    pub fn text(&self) -> &str {
        match self {
            Self::Alternative(name) | Self::Subject(name) => name,
        }
    }

    fn read(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':').filter(|(_, name)| is_name(name))?;
        match kind {
            // Names of hosts are the same in capital letters (RFC 4343).
            "dns" => Some(Self::Alternative(text.to_ascii_lowercase())),
            "uri" | "email" => Some(Self::Alternative(text.to_owned())),
            "subject" => Some(Self::Subject(name.to_owned())),
            _ => None,
        }
    }
}

/// Whether a text can be the name of somebody: it is shown in logs and kept in records.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && !text.contains(char::is_control) && text.trim() == text
}

pub(super) fn identity(at: &mut Checker<'_>, text: &Text, folder: &Path) -> Identity {
    let roles = roles(at, text);
    for (index, name) in text.identity.anonymous.iter().enumerate() {
        known_role(at, &roles, &format!("identity.anonymous[{index}]"), name);
    }
    let mapped = text.identity.certificates.iter().enumerate();
    let certificates = mapped.filter_map(|(index, mapped)| certificate(at, &roles, text, index, mapped)).collect();
    let server = server(at, text);
    for (name, issuer) in &text.identity.issuers {
        if server.as_ref().is_some_and(|server| server.issuer == issuer.issuer) {
            at.mistake(
                &format!("identity.issuers.{name}.issuer"),
                "is the issuer of `identity.server`: each has to have a name of its own",
            );
        }
    }
    Identity {
        anonymous: text.identity.anonymous.clone(),
        keys: lifetimes(at, &text.identity.keys),
        server,
        certificates,
        providers: issuers::providers(at, &text.identity.issuers, &roles, folder),
        login: issuers::login(at, &text.identity, folder),
        roles,
    }
}

fn lifetimes(at: &mut Checker<'_>, text: &text::IdentityKeys) -> KeyLifetimes {
    let day = Duration::from_hours(24);
    let longest = at.taken("identity.keys.maximum_lifetime", units::duration(&text.maximum_lifetime), day);
    at.within("identity.keys.maximum_lifetime", longest.as_secs_f64() / 86_400.0, 1e-4, 3660.0, "a time span from 10s to 3660d, in days");
    let usual = at.taken("identity.keys.lifetime", units::duration(&text.lifetime), day);
    if usual > longest {
        at.mistake("identity.keys.lifetime", format!("`{}` is longer than `identity.keys.maximum_lifetime`", text.lifetime));
    }
    KeyLifetimes { usual, longest }
}

fn server(at: &mut Checker<'_>, text: &Text) -> Option<TokenServer> {
    let server = &text.identity.server;
    let token_lifetime = at.taken("identity.server.token_lifetime", units::duration(&server.token_lifetime), LONGEST_TOKEN);
    if !(Duration::from_secs(1)..=LONGEST_TOKEN).contains(&token_lifetime) {
        at.mistake("identity.server.token_lifetime", format!("`{}` is not a time span from 1s to 24h", server.token_lifetime));
    }
    if let Some(issuer) = server.issuer.as_ref().filter(|issuer| !is_issuer(issuer)) {
        let example = "a URL without a query and a fragment, as https://synod.example";
        at.mistake("identity.server.issuer", format!("`{issuer}` is not {example}"));
    }
    let scheme = if text.listen.tls.is_some() { "https" } else { "http" };
    let issuer = server.issuer.clone().unwrap_or_else(|| format!("{scheme}://{}", text.listen.data));
    server.enabled.then_some(TokenServer { issuer, token_lifetime, algorithm: server.algorithm })
}

/// Whether a text can be an issuer (RFC 8414, section 2).
fn is_issuer(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_good =
        |rest: &str| is_name(rest) && !rest.contains(['?', '#', ' ', '"', '\\']) && !rest.starts_with('/') && !rest.ends_with('/');
    rest.is_some_and(is_good) && ![API_KEY_ISSUER, CERTIFICATE_ISSUER].contains(&text)
}

fn certificate(
    at: &mut Checker<'_>,
    roles: &Roles,
    whole: &Text,
    index: usize,
    text: &text::IdentityCertificate,
) -> Option<MappedCertificate> {
    let key = format!("identity.certificates[{index}]");
    if text.roles.is_empty() {
        at.mistake(&key, "`roles` are missing: whoever shows the certificate could do nothing");
    }
    text.roles.iter().enumerate().for_each(|(role, name)| known_role(at, roles, &format!("{key}.roles[{role}]"), name));
    for (scope, text) in text.scopes.iter().enumerate() {
        known_permission(at, whole, &format!("{key}.scopes[{scope}]"), text);
    }
    if text.tenant.as_ref().is_some_and(|tenant| !is_name(tenant)) {
        at.mistake(&format!("{key}.tenant"), "is no name: 1 to 255 bytes, without blanks at its ends");
    }
    let name = CertificateName::read(&text.name);
    if name.is_none() {
        at.mistake(&format!("{key}.name"), format!("`{}` is not dns:…, uri:…, email:… or subject:…", text.name));
    }
    let set = |texts: &[String]| texts.iter().cloned().collect();
    Some(MappedCertificate { name: name?, roles: set(&text.roles), scopes: set(&text.scopes), tenant: text.tenant.clone() })
}

/// Notes a role that there is not.
pub(super) fn known_role(at: &mut Checker<'_>, roles: &Roles, key: &str, name: &str) {
    if !roles.has(name) {
        at.mistake(key, format!("there is no role `{name}`; there are {}", roles.names().collect::<Vec<_>>().join(", ")));
    }
}

fn roles(at: &mut Checker<'_>, text: &Text) -> Roles {
    let mut roles = Roles::default();
    for (name, texts) in &text.roles {
        let mut permissions = Vec::new();
        for (index, permission) in texts.iter().enumerate() {
            permissions.extend(known_permission(at, text, &format!("roles.{name}[{index}]"), permission));
        }
        if permissions.is_empty() && !texts.is_empty() {
            // What is wrong with its permissions was said.
            permissions.push(Permission::ReadDetectors);
        }
        roles = at.taken(&format!("roles.{name}"), roles.clone().with(name, permissions), roles);
    }
    roles
}

/// A permission, and if it is about a detector, about one that there is. Anything else is noted.
fn known_permission(at: &mut Checker<'_>, text: &Text, key: &str, permission: &str) -> Option<Permission> {
    match permission.parse() {
        Ok(Permission::ScoreDetector(detector)) if !text.detectors.contains_key(&detector) => {
            at.mistake(key, format!("there is no detector `{detector}`"));
            None
        }
        Ok(permission) => Some(permission),
        Err(mistake) => {
            at.mistake(key, mistake.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_named_by_kind() {
        let alternative = |text: &str| Some(CertificateName::Alternative(text.into()));
        assert_eq!(CertificateName::read("dns:Scorer.Bank.example"), alternative("dns:scorer.bank.example"));
        assert_eq!(CertificateName::read("uri:spiffe://bank/Scorer"), alternative("uri:spiffe://bank/Scorer"));
        assert_eq!(CertificateName::read("subject:CN=scorer, O=a:b"), Some(CertificateName::Subject("CN=scorer, O=a:b".into())));
        for text in ["", "dns", "dns:", "uri: x", "ip:1.2.3.4", "DNS:a", "subject:a\nb"] {
            assert_eq!(CertificateName::read(text), None, "{text}");
        }
    }

    #[test]
    fn an_issuer_is_a_url_and_nothing_behind_it() {
        for text in ["https://synod.example", "http://127.0.0.1:8080", "https://a.example/synod"] {
            assert!(is_issuer(text), "{text}");
        }
        for text in ["", "urn:synod", "https://", "https:///a", "https://a/", "https://a?b", "https://a#b", "https://a b", "api-key"] {
            assert!(!is_issuer(text), "{text}");
        }
    }
}
