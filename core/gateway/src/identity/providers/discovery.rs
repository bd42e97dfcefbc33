//! What a provider says about itself (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2).

use super::fetching::{UrlMistake, permitted};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

/// The document, as far as it is read. A name that stands twice is a mistake.
#[derive(Debug, Deserialize)]
struct Text {
    issuer: String,
    jwks_uri: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where a provider does what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::identity) struct Discovered {
    /// Its keys.
    pub(super) key_set: Url,
    /// Where people log in. None if it has no such place.
    pub(in crate::identity) login: Option<Endpoints>,
}

/// What a login needs to know of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::identity) struct Endpoints {
    /// Where the browser is sent.
    pub(in crate::identity) authorization: Url,
    /// Where a code is exchanged.
    pub(in crate::identity) token: Url,
    /// Whether a client's secret has to stand in the form, because it cannot stand in `Authorization`.
    pub(in crate::identity) secret_in_form: bool,
    /// Whether each answer names the provider (RFC 9207, section 3).
    pub(in crate::identity) names_itself: bool,
}

/// Why a document cannot be used.
#[derive(Debug, Error)]
pub(in crate::identity) enum DiscoveryMistake {
    /// It is no document of this kind.
    #[error("the discovery document cannot be read")]
    Text(#[source] serde_json::Error),
    /// It is another provider's.
    #[error("the discovery document is of the issuer `{0}`, which is not letter by letter the configured one")]
    OtherIssuer(String),
    /// It leads where nothing is fetched.
    #[error("the discovery document's {0} cannot be used: {1}")]
    Url(&'static str, String),
}

impl DiscoveryMistake {
    /// A stable word for metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Text(_) => "bad_discovery",
            Self::OtherIssuer(_) => "other_issuer",
            Self::Url(..) => "refused_url",
        }
    }
}

impl Discovered {
    /// Reads the document of this issuer. `private` is whether it may lead to addresses inside of the organisation.
    pub(super) fn read(document: &[u8], issuer: &str, private: bool) -> Result<Self, DiscoveryMistake> {
        let text: Text = serde_json::from_slice(document).map_err(DiscoveryMistake::Text)?;
        if text.issuer != issuer {
            return Err(DiscoveryMistake::OtherIssuer(text.issuer.chars().take(256).collect()));
        }
        let key_set = url("jwks_uri", &text.jwks_uri, private)?;
        let login = match (&text.authorization_endpoint, &text.token_endpoint) {
            (Some(authorization), Some(token)) => Some(Endpoints {
                authorization: url("authorization_endpoint", authorization, private)?,
                token: url("token_endpoint", token, private)?,
                secret_in_form: text.secret_in_form(),
                names_itself: text.authorization_response_iss_parameter_supported,
            }),
            _ => None,
        };
        Ok(Self { key_set, login })
    }
}

impl Text {
    /// The usual way is by `Authorization` (`client_secret_basic`), which is also what is meant if nothing is said.
    fn secret_in_form(&self) -> bool {
        let methods = self.token_endpoint_auth_methods_supported.as_ref();
        let has = |name| methods.is_some_and(|methods| methods.iter().any(|method| method == name));
        has("client_secret_post") && !has("client_secret_basic")
    }
}

fn url(name: &'static str, text: &str, private: bool) -> Result<Url, DiscoveryMistake> {
    let wrong = |why: String| DiscoveryMistake::Url(name, why);
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    permitted(&url, private).map_err(|mistake: UrlMistake| wrong(mistake.to_string()))?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const ISSUER: &str = "https://issuer.example/realms/bank";

    fn document(changes: &Value) -> Vec<u8> {
        let mut document = json!({
            "issuer": ISSUER, "jwks_uri": format!("{ISSUER}/keys"), "authorization_endpoint": format!("{ISSUER}/authorize"),
            "token_endpoint": format!("{ISSUER}/token"), "response_types_supported": ["code"],
        });
        document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        document.to_string().into_bytes()
    }

    #[test]
    fn a_document_says_where_keys_and_login_are() {
        let read = |changes| Discovered::read(&document(&changes), ISSUER, false).unwrap();
        let found = read(json!({}));
        assert_eq!(found.key_set.as_str(), "https://issuer.example/realms/bank/keys");
        let login = found.login.unwrap();
        assert!(!login.secret_in_form && !login.names_itself);
        let login = |changes| read(changes).login.unwrap();
        assert!(login(json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]})).secret_in_form);
        assert!(!login(json!({"token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"]})).secret_in_form);
        assert!(login(json!({"authorization_response_iss_parameter_supported": true})).names_itself);
        assert_eq!(read(json!({"token_endpoint": null})).login, None);
    }

    #[test]
    fn a_document_that_leads_astray_is_refused() {
        let cases = [
            (json!({"issuer": "https://issuer.example/realms/bank/"}), "other_issuer"),
            (json!({"issuer": "https://ISSUER.example/realms/bank"}), "other_issuer"),
            (json!({"issuer": null}), "bad_discovery"),
            (json!({"jwks_uri": null}), "bad_discovery"),
            (json!({"jwks_uri": "keys"}), "refused_url"),
            (json!({"jwks_uri": "http://issuer.example/keys"}), "refused_url"),
            (json!({"jwks_uri": "https://169.254.169.254/latest"}), "refused_url"),
            (json!({"jwks_uri": "https://127.0.0.1/keys"}), "refused_url"),
            (json!({"token_endpoint": "http://issuer.example/token"}), "refused_url"),
            (json!({"authorization_endpoint": "javascript:alert(1)"}), "refused_url"),
        ];
        for (changes, code) in cases {
            assert_eq!(Discovered::read(&document(&changes), ISSUER, false).unwrap_err().code(), code, "{changes}");
        }
        for text in ["", "[]", "{", r#"{"issuer":"a","issuer":"b","jwks_uri":"c"}"#] {
            assert_eq!(Discovered::read(text.as_bytes(), ISSUER, false).unwrap_err().code(), "bad_discovery", "{text}");
        }
    }
}
