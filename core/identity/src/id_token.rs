//! What an ID token says of a login (OpenID Connect Core 1.0, section 2), and whether it answers the login that was begun.

use crate::claims::{is_good, principal_of, required_text};
use crate::issuer::Issuer;
use crate::principal::Principal;
use crate::refused::{Claim, Refused};
use crate::strict_json;
use serde_json::{Map, Value};

/// Claims that name somebody for people, the better one first (OpenID Connect Core 1.0, section 5.1).
const NAMES: [&str; 3] = ["name", "preferred_username", "email"];

/// Somebody who logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken {
    /// Who it is.
    pub principal: Principal,
    /// What people call them, if the issuer says so. For showing only: it need not be unique.
    pub name: Option<String>,
}

pub(crate) fn read(payload: &[u8], issuer: &Issuer, nonce: &str, now: u64) -> Result<IdToken, Refused> {
    let claims = strict_json::object(payload).ok_or(Refused::Claims)?;
    let principal = principal_of(&claims, issuer, now)?;
    if required_text(claims.get("nonce"), Claim::Nonce)? != nonce {
        return Err(Refused::OtherNonce);
    }
    check_party(&claims, issuer)?;
    if !claims.contains_key("iat") {
        return Err(Refused::Missing(Claim::IssuedAt));
    }
    let name = NAMES.iter().find_map(|name| claims.get(*name)?.as_str().filter(|text| is_good(text)));
    Ok(IdToken { principal, name: name.map(str::to_owned) })
}

/// A token for several audiences has to say for whom it was made; one that says so has to say that it was made for us.
fn check_party(claims: &Map<String, Value>, issuer: &Issuer) -> Result<(), Refused> {
    let several = claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
    match claims.get("azp") {
        None if several => Err(Refused::Missing(Claim::AuthorizedParty)),
        None => Ok(()),
        Some(party) if issuer.audiences.contains(&required_text(Some(party), Claim::AuthorizedParty)?) => Ok(()),
        Some(_) => Err(Refused::OtherParty),
    }
}
