//! Why a token is refused. The reasons are for logs and metrics; whoever sent the token learns only that it is invalid.

use std::fmt;

/// A claim that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// `exp`.
    Expires,
    /// `aud`.
    Audience,
    /// `iss`.
    Issuer,
    /// `sub`.
    Subject,
    /// `nbf`.
    NotBefore,
    /// `iat`.
    IssuedAt,
    /// The claim that the issuer's roles are read from.
    Roles,
    /// The claim that the issuer's scopes are read from.
    Scopes,
    /// The claim that the issuer's tenant is read from.
    Tenant,
    /// `nonce`, of an ID token.
    Nonce,
    /// `azp`, of an ID token.
    AuthorizedParty,
}

/// Why a token is refused: one variant for each reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// Longer than 8 KiB.
    TooLong,
    /// Not three parts with dots between them.
    Parts,
    /// A part is not canonical base64url.
    Encoding,
    /// The header is not a JSON object with each name once, or a parameter that we read has a wrong type.
    Header,
    /// `typ` is neither absent nor that of an access token.
    Type,
    /// `crit`: an extension has to be understood, and none is.
    Critical,
    /// `b64`: the payload would be signed in another form.
    Unencoded,
    /// `jwk`, `jku`, `x5u` or `x5c`: the token brings its own key.
    EmbeddedKey,
    /// `alg` is missing, unknown, or not in the issuer's list.
    Algorithm,
    /// The set has several keys, and the token does not name one.
    KeyIdMissing,
    /// No key of the set has the id that the token names.
    UnknownKey,
    /// The key is of another type, or meant for another algorithm.
    KeyDoesNotFit,
    /// The signature is not that of the key over this header and payload.
    Signature,
    /// The payload is not a JSON object with each name once.
    Claims,
    /// A claim that has to be there is not.
    Missing(Claim),
    /// A claim has a wrong type, is empty, too long or has too many entries.
    Malformed(Claim),
    /// `iss` is another issuer.
    OtherIssuer,
    /// `aud` names none of our audiences.
    OtherAudience,
    /// `nonce` is not the one that the login was begun with.
    OtherNonce,
    /// `azp` names another client.
    OtherParty,
    /// `exp` has passed.
    Expired,
    /// `nbf` has not come yet.
    NotYetValid,
    /// `iat` has not come yet.
    IssuedInFuture,
    /// `exp` is further away than a token may live.
    LivesTooLong,
}

impl Refused {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Parts => "parts",
            Self::Encoding => "encoding",
            Self::Header => "header",
            Self::Type => "type",
            Self::Critical => "critical",
            Self::Unencoded => "unencoded",
            Self::EmbeddedKey => "embedded_key",
            Self::Algorithm => "algorithm",
            Self::KeyIdMissing => "key_id_missing",
            Self::UnknownKey => "unknown_key",
            Self::KeyDoesNotFit => "key_does_not_fit",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Missing(claim) => missing(claim),
            Self::Malformed(claim) => malformed(claim),
            Self::OtherIssuer => "other_issuer",
            Self::OtherAudience => "other_audience",
            Self::OtherNonce => "other_nonce",
            Self::OtherParty => "other_party",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::LivesTooLong => "lives_too_long",
        }
    }

    /// Whether a newer key set could make a difference. Anybody can send such a token, so the caller has to limit how often it asks.
    #[must_use]
    pub fn asks_for_keys(self) -> bool {
        self == Self::UnknownKey
    }
}

fn missing(claim: Claim) -> &'static str {
    match claim {
        Claim::Expires => "missing_exp",
        Claim::Audience => "missing_aud",
        Claim::Issuer => "missing_iss",
        Claim::Subject => "missing_sub",
        Claim::NotBefore => "missing_nbf",
        Claim::IssuedAt => "missing_iat",
        Claim::Roles => "missing_roles",
        Claim::Scopes => "missing_scopes",
        Claim::Tenant => "missing_tenant",
        Claim::Nonce => "missing_nonce",
        Claim::AuthorizedParty => "missing_azp",
    }
}

fn malformed(claim: Claim) -> &'static str {
    match claim {
        Claim::Expires => "malformed_exp",
        Claim::Audience => "malformed_aud",
        Claim::Issuer => "malformed_iss",
        Claim::Subject => "malformed_sub",
        Claim::NotBefore => "malformed_nbf",
        Claim::IssuedAt => "malformed_iat",
        Claim::Roles => "malformed_roles",
        Claim::Scopes => "malformed_scopes",
        Claim::Tenant => "malformed_tenant",
        Claim::Nonce => "malformed_nonce",
        Claim::AuthorizedParty => "malformed_azp",
    }
}

/// The only words that may reach the client, the same for every reason.
impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("invalid token")
    }
}

impl std::error::Error for Refused {}
