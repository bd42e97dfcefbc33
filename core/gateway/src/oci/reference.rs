//! Where an artifact is: `oci://HOST[:PORT]/REPOSITORY[:TAG]` or `oci://HOST[:PORT]/REPOSITORY@sha256:DIGEST`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use thiserror::Error;
use url::{Host, Url};

const SCHEME: &str = "oci://";
const PREFIX: &str = "sha256:";
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;
/// What is meant where no tag is given.
const LATEST: &str = "latest";

/// Why a text names no artifact.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{text}` {why}: write oci://HOST/REPOSITORY[:TAG] or oci://HOST/REPOSITORY@sha256:DIGEST, as oci://registry.example/fraud/forest:2026-11"
)]
pub struct ReferenceMistake {
    text: String,
    why: &'static str,
}

/// Where an artifact is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The host, and the port if it is not the usual one.
    authority: String,
    local: bool,
    repository: String,
    name: Name,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Tag(String),
    /// Without `sha256:`.
    Digest(String),
}

impl FromStr for Reference {
    type Err = ReferenceMistake;

    fn from_str(text: &str) -> Result<Self, ReferenceMistake> {
        let mistake = |why| ReferenceMistake { text: text.chars().take(200).collect(), why };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| mistake("does not begin with oci://"))?;
        let (rest, digest) = rest.split_once('@').map_or((rest, None), |(rest, digest)| (rest, Some(digest)));
        let (authority, path) = rest.split_once('/').ok_or_else(|| mistake("names no repository"))?;
        let (repository, tag) = path.rsplit_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        if !is_repository(repository) {
            return Err(mistake("names no repository, which is of a-z, 0-9 and `.`, `_`, `-` within, in parts divided by `/`"));
        }
        let name = match (tag, digest) {
            (Some(_), Some(_)) => return Err(mistake("has both a tag and a digest")),
            (None, Some(digest)) => {
                Name::Digest(digest_of(digest).ok_or_else(|| mistake("has a digest that is no sha256:, with 64 digits"))?)
            }
            (Some(tag), None) if !is_tag(tag) => return Err(mistake("has a tag that is none")),
            (tag, None) => Name::Tag(tag.unwrap_or(LATEST).to_owned()),
        };
        let (authority, local) = checked(authority).ok_or_else(|| mistake("has a host that is none"))?;
        Ok(Self { authority, local, repository: repository.to_owned(), name })
    }
}

impl Reference {
    /// The host, and the port if it is not the usual one.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether the host is this machine.
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The digest, 64 hexadecimal digits, if it names one.
    pub fn digest(&self) -> Option<&str> {
        match &self.name {
            Name::Digest(digest) => Some(digest),
            Name::Tag(_) => None,
        }
    }

    /// The name by which the registry knows the artifact: its tag, or its digest.
    pub(super) fn name(&self) -> String {
        match &self.name {
            Name::Digest(digest) => format!("{PREFIX}{digest}"),
            Name::Tag(tag) => tag.clone(),
        }
    }

    /// The same place, by this digest.
    #[must_use]
    pub fn pinned(&self, digest: &str) -> Self {
        Self { name: Name::Digest(digest.to_owned()), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.digest().is_some() { '@' } else { ':' };
        write!(f, "{SCHEME}{}/{}{separator}{}", self.authority, self.repository, self.name())
    }
}

/// The digits of a digest, if it is one that is known here.
pub(super) fn digest_of(text: &str) -> Option<String> {
    let digits = text.strip_prefix(PREFIX)?;
    (digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))).then(|| digits.to_owned())
}

/// A digest as registries write it.
pub(super) fn spelled(digest: &str) -> String {
    format!("{PREFIX}{digest}")
}

/// Whether a URL leads to this machine.
pub(super) fn is_local(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical().is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Host and port as they are written in a URL, and whether they are this machine's.
fn checked(authority: &str) -> Option<(String, bool)> {
    let url = Url::parse(&format!("https://{authority}/")).ok()?;
    let plain = url.path() == "/" && url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let plain = plain && !authority.contains(['@', '\\', '?', '#']) && !authority.contains(char::is_whitespace);
    let host = url.host_str().filter(|host| plain && !host.is_empty())?;
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Some((format!("{host}{port}"), is_local(url.host())))
}

/// Whether it is a repository's name (distribution specification, "Pulling manifests").
fn is_repository(text: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| inner(*first) && inner(*last));
        let words = part.split(|c: char| inner(c as u8) && c.is_ascii());
        ends && part.is_ascii()
            && words
                .filter(|word| !word.is_empty())
                .all(|word| word == "." || word == "_" || word == "__" || word.bytes().all(|byte| byte == b'-'))
    };
    text.len() <= LONGEST_REPOSITORY && text.split('/').all(part)
}

fn is_tag(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=LONGEST_TAG).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_they_are_written() {
        let digest = "ab".repeat(32);
        for (text, authority, repository, name, local) in [
            ("oci://registry.example/fraud/forest:2026-11", "registry.example", "fraud/forest", "2026-11", false),
            ("oci://127.0.0.1:5000/a", "127.0.0.1:5000", "a", "latest", true),
            ("oci://[::1]:5000/a-b/c__d/e.f---g:V_1.0", "[::1]:5000", "a-b/c__d/e.f---g", "V_1.0", true),
            ("oci://localhost/a", "localhost", "a", "latest", true),
            (&format!("oci://r.example:443/a@sha256:{digest}"), "r.example", "a", &format!("sha256:{digest}"), false),
        ] {
            let found: Reference = text.parse().unwrap();
            assert_eq!(
                (found.authority(), found.repository(), found.name().as_str(), found.is_local()),
                (authority, repository, name, local)
            );
            assert_eq!(found.to_string().parse::<Reference>().unwrap(), found);
        }
    }

    #[test]
    fn nothing_leads_elsewhere() {
        for text in [
            "",
            "registry.example/a",
            "https://registry.example/a",
            "oci://registry.example",
            "oci:///a",
            "oci://r.example/",
            "oci://r.example/A",
            "oci://r.example/../a",
            "oci://r.example/a/../b",
            "oci://r.example/a//b",
            "oci://r.example/a b",
            "oci://r.example/a?b",
            "oci://r.example/-a",
            "oci://r.example/a._b",
            "oci://r.example/a:",
            "oci://r.example/a:-b",
            "oci://r.example/a:b/c",
            "oci://ana:secret@r.example/a",
            "oci://r.example/a@sha256:abc",
            "oci://r.example/a@md5:abc",
            "oci://r .example/a",
            "oci://r.example:port/a",
            "oci://r.example#/a",
            &format!("oci://r.example/a:b@sha256:{}", "ab".repeat(32)),
            &format!("oci://r.example/{}", "a".repeat(256)),
            &format!("oci://r.example/a@sha256:{}", "AB".repeat(32)),
            &format!("oci://r.example/a:{}", "b".repeat(129)),
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
