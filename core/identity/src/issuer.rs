//! What is expected of the tokens of one identity provider.

use crate::algorithm::Algorithm;
use crate::api_key::API_KEY_ISSUER;
use crate::principal::CERTIFICATE_ISSUER;
use std::time::Duration;

/// Clocks that differ by more are broken, and a token that lives on after its end is a risk.
const MOST_LEEWAY: Duration = Duration::from_mins(5);

/// One identity provider, and what its tokens have to say. [`Issuer::new`] fills in what is seldom changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What `iss` has to be, letter by letter.
    pub issuer: String,
    /// What `aud` has to name at least one of.
    pub audiences: Vec<String>,
    /// The algorithms that a token may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// How far the issuer's clock may be off; whole seconds count. 30 s by default, at most 5 minutes.
    pub leeway: Duration,
    /// How far apart `iat` (or now, if there is none) and `exp` may be; whole seconds count. 24 h by default.
    pub maximum_lifetime: Duration,
    /// Where roles, scopes and tenant are found.
    pub claims: ClaimNames,
}

impl Issuer {
    /// An issuer with the usual leeway, lifetime and claims.
    #[must_use]
    pub fn new(issuer: &str, audiences: &[&str], algorithms: &[Algorithm]) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audiences: audiences.iter().map(|audience| (*audience).to_owned()).collect(),
            algorithms: algorithms.to_vec(),
            leeway: Duration::from_secs(30),
            maximum_lifetime: Duration::from_hours(24),
            claims: ClaimNames::default(),
        }
    }

    /// Whether tokens of this issuer could be checked at all.
    ///
    /// # Errors
    /// The first mistake, since each would let the wrong tokens pass or none.
    pub fn check(&self) -> Result<(), IssuerMistake> {
        let empty = |list: &[String]| list.is_empty() || list.iter().any(String::is_empty);
        if self.issuer.is_empty() || [API_KEY_ISSUER, CERTIFICATE_ISSUER].contains(&self.issuer.as_str()) {
            Err(IssuerMistake::Issuer)
        } else if empty(&self.audiences) {
            Err(IssuerMistake::Audiences)
        } else if self.algorithms.is_empty() {
            Err(IssuerMistake::Algorithms)
        } else if self.leeway > MOST_LEEWAY {
            Err(IssuerMistake::Leeway)
        } else if self.maximum_lifetime.as_secs() == 0 {
            Err(IssuerMistake::Lifetime)
        } else {
            Ok(())
        }
    }
}

/// Where an issuer keeps what we want to know. A name is that of a claim (`https://example.com/roles`) or, if there is no such claim, a path
/// through objects with dots between its steps (`realm_access.roles`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// A list of texts, or one text with spaces between the roles. `roles` by default.
    pub roles: Option<String>,
    /// A list of texts, or one text with spaces between the scopes. `scope` by default (RFC 8693, section 4.2).
    pub scopes: Option<String>,
    /// One text, which every token then has to have. No tenant by default.
    pub tenant: Option<String>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { roles: Some("roles".to_owned()), scopes: Some("scope".to_owned()), tenant: None }
    }
}

/// Why no token of an issuer could be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerMistake {
    /// The issuer is empty, or the name under which API keys or certificates are known.
    #[error("the issuer is empty, \"{API_KEY_ISSUER}\" or \"{CERTIFICATE_ISSUER}\"")]
    Issuer,
    /// There is no audience, or an empty one.
    #[error("there is no audience, or an empty one")]
    Audiences,
    /// There is no algorithm.
    #[error("there is no algorithm")]
    Algorithms,
    /// The leeway is longer than five minutes.
    #[error("the leeway is longer than five minutes")]
    Leeway,
    /// The maximum lifetime is shorter than a second.
    #[error("the maximum lifetime is shorter than a second")]
    Lifetime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_found() {
        let good = Issuer::new("https://issuer.example", &["synod"], &[Algorithm::Es256]);
        assert_eq!(good.check(), Ok(()));
        type Spoil = fn(&mut Issuer);
        let cases: [(Spoil, IssuerMistake); 8] = [
            (|issuer| issuer.issuer.clear(), IssuerMistake::Issuer),
            (|issuer| issuer.issuer = API_KEY_ISSUER.to_owned(), IssuerMistake::Issuer),
            (|issuer| issuer.issuer = CERTIFICATE_ISSUER.to_owned(), IssuerMistake::Issuer),
            (|issuer| issuer.audiences.clear(), IssuerMistake::Audiences),
            (|issuer| issuer.audiences.push(String::new()), IssuerMistake::Audiences),
            (|issuer| issuer.algorithms.clear(), IssuerMistake::Algorithms),
            (|issuer| issuer.leeway = Duration::from_secs(301), IssuerMistake::Leeway),
            (|issuer| issuer.maximum_lifetime = Duration::from_millis(999), IssuerMistake::Lifetime),
        ];
        for (spoil, mistake) in cases {
            let mut issuer = good.clone();
            spoil(&mut issuer);
            assert_eq!(issuer.check(), Err(mistake));
        }
    }
}
