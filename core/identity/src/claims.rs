//! What a verified payload says (RFC 7519, section 4.1), and whether that holds here and now.

use crate::issuer::Issuer;
use crate::principal::Principal;
use crate::refused::{Claim, Refused};
use crate::strict_json;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The most audiences, roles or scopes that a token may name.
const MOST_ENTRIES: usize = 64;
/// The longest subject, tenant, role or scope, in bytes. OpenID Connect Core 1.0, section 2, allows 255 for a subject.
const LONGEST_TEXT: usize = 255;
/// Times beyond the integers that every reader of JSON reads alike (RFC 8259, section 6) are mistakes.
const LATEST: f64 = 9_007_199_254_740_992.0;

/// The principal that a payload of this issuer is about, at this time in Unix seconds.
pub(crate) fn principal(payload: &[u8], issuer: &Issuer, now: u64) -> Result<Principal, Refused> {
    principal_of(&strict_json::object(payload).ok_or(Refused::Claims)?, issuer, now)
}

/// The principal that these claims are about.
pub(crate) fn principal_of(claims: &Map<String, Value>, issuer: &Issuer, now: u64) -> Result<Principal, Refused> {
    check_issuer(claims, issuer)?;
    check_audience(claims, issuer)?;
    let subject = required_text(claims.get("sub"), Claim::Subject)?;
    let expires = check_times(claims, issuer, now)?;
    let names = &issuer.claims;
    let tenant = names.tenant.as_ref().map(|name| required_text(find(claims, name), Claim::Tenant)).transpose()?;
    let roles = entries(claims, names.roles.as_deref(), Claim::Roles)?;
    let scopes = entries(claims, names.scopes.as_deref(), Claim::Scopes)?;
    Ok(Principal { subject, issuer: issuer.issuer.clone(), tenant, roles, scopes, expires })
}

fn check_issuer(claims: &Map<String, Value>, issuer: &Issuer) -> Result<(), Refused> {
    let named = claims.get("iss").ok_or(Refused::Missing(Claim::Issuer))?;
    let named = named.as_str().ok_or(Refused::Malformed(Claim::Issuer))?;
    if named == issuer.issuer { Ok(()) } else { Err(Refused::OtherIssuer) }
}

fn check_audience(claims: &Map<String, Value>, issuer: &Issuer) -> Result<(), Refused> {
    let audiences = match claims.get("aud").ok_or(Refused::Missing(Claim::Audience))? {
        Value::String(audience) => vec![audience.as_str()],
        Value::Array(list) => texts(list, Claim::Audience)?,
        _ => return Err(Refused::Malformed(Claim::Audience)),
    };
    let ours = |audience: &&str| issuer.audiences.iter().any(|own| own == audience);
    if audiences.iter().any(ours) { Ok(()) } else { Err(Refused::OtherAudience) }
}

/// Checks all times, and returns the end of the token.
fn check_times(claims: &Map<String, Value>, issuer: &Issuer, now: u64) -> Result<u64, Refused> {
    let expires = time(claims, "exp", Claim::Expires)?.ok_or(Refused::Missing(Claim::Expires))?;
    let not_before = time(claims, "nbf", Claim::NotBefore)?;
    let issued_at = time(claims, "iat", Claim::IssuedAt)?;
    let leeway = issuer.leeway.as_secs();
    let latest_start = now.saturating_add(leeway);
    let longest = issuer.maximum_lifetime.as_secs().saturating_add(leeway);
    // A token that was issued long ago has lived since then, however little is left of it.
    let starts = issued_at.map_or(now, |issued_at| issued_at.min(now));
    if now >= expires.saturating_add(leeway) {
        Err(Refused::Expired)
    } else if not_before.is_some_and(|start| start > latest_start) {
        Err(Refused::NotYetValid)
    } else if issued_at.is_some_and(|start| start > latest_start) {
        Err(Refused::IssuedInFuture)
    } else if expires.saturating_sub(starts) > longest {
        Err(Refused::LivesTooLong)
    } else {
        Ok(expires)
    }
}

/// A time in Unix seconds. Providers may give fractions of a second (RFC 7519, section 2, `NumericDate`), which are dropped.
fn time(claims: &Map<String, Value>, name: &str, claim: Claim) -> Result<Option<u64>, Refused> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=LATEST).contains(seconds)).ok_or(Refused::Malformed(claim))?;
    // Below the limit a double holds every whole second, so that nothing is lost but the fraction.
    Ok(Some(seconds as u64))
}

/// The roles or scopes at this name. A token need not have any; if it has, they are a list of texts or one text with spaces.
fn entries(claims: &Map<String, Value>, name: Option<&str>, claim: Claim) -> Result<BTreeSet<String>, Refused> {
    let found = match name.and_then(|name| find(claims, name)) {
        None => return Ok(BTreeSet::new()),
        Some(Value::String(text)) => text.split(' ').filter(|entry| !entry.is_empty()).collect(),
        Some(Value::Array(list)) => texts(list, claim)?,
        Some(_) => return Err(Refused::Malformed(claim)),
    };
    if found.len() > MOST_ENTRIES || !found.iter().all(|entry| is_good(entry)) {
        return Err(Refused::Malformed(claim));
    }
    Ok(found.into_iter().map(str::to_owned).collect())
}

/// The claim of this name, or what the path with dots in it leads to. A claim that has the whole name comes first.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, step| value.as_object()?.get(step))
    })
}

fn texts(list: &[Value], claim: Claim) -> Result<Vec<&str>, Refused> {
    if list.len() > MOST_ENTRIES {
        return Err(Refused::Malformed(claim));
    }
    list.iter().map(|entry| entry.as_str().ok_or(Refused::Malformed(claim))).collect()
}

pub(crate) fn required_text(value: Option<&Value>, claim: Claim) -> Result<String, Refused> {
    let text = value.ok_or(Refused::Missing(claim))?.as_str().ok_or(Refused::Malformed(claim))?;
    if is_good(text) { Ok(text.to_owned()) } else { Err(Refused::Malformed(claim)) }
}

/// Whether a text can be a name: it is shown in logs and kept in records, and two that look alike should be alike.
pub(crate) fn is_good(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_TEXT && !text.contains(char::is_control) && text.trim() == text
}
