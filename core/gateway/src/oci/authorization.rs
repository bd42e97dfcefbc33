//! What a caller shows to a registry: a name and a password, or a token of the place that the registry names (distribution, "Token authentication").

use super::client::{Doing, Request, SMALL};
use super::{Client, Credential, OciError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::{ChallengeRef, parse_challenges};
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use url::Url;

/// What a place for tokens answers.
#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: Option<String>,
}

impl Client {
    /// What a caller has to show, by the registry's own words; none if there is nothing to show.
    pub(super) async fn authorized(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, OciError> {
        let texts: Vec<&str> = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).collect();
        let challenges: Vec<ChallengeRef<'_>> = texts.iter().filter_map(|text| parse_challenges(text).ok()).flatten().collect();
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme));
        match (of("bearer"), of("basic")) {
            (Some(challenge), _) => self.token(challenge).await.map(Some),
            (None, Some(_)) => Ok(self.credential.as_ref().map(basic)),
            (None, None) => Ok(None),
        }
    }

    /// Asks for a token where the registry says (distribution, "Token authentication").
    async fn token(&self, challenge: &ChallengeRef<'_>) -> Result<HeaderValue, OciError> {
        let given =
            |name: &str| challenge.params.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_unescaped());
        let realm = given("realm").and_then(|realm| Url::parse(&realm).ok()).filter(|url| matches!(url.scheme(), "http" | "https"));
        let mut realm = realm.ok_or_else(|| self.answer("asks for a token, and does not say from where"))?;
        self.may_lead_to(&realm)?;
        let actions = if self.doing == Doing::Push { "pull,push" } else { "pull" };
        let mut query = realm.query_pairs_mut();
        given("service").map(|service| query.append_pair("service", &service));
        query.append_pair("scope", &format!("repository:{}:{actions}", self.repository));
        drop(query);
        let request = Request {
            method: Method::GET,
            url: realm,
            headers: HeaderMap::new(),
            body: Vec::new(),
            what: "the question for a token",
            bytes: 0,
        };
        let response = self.once(&request, self.credential.as_ref().map(basic).as_ref()).await?;
        let response = self.must_be(response, &[StatusCode::OK], request.what).await?;
        let bytes = self.read(response, SMALL, |_| {}).await?;
        let token = serde_json::from_slice::<Token>(&bytes).ok().and_then(|answer| answer.token).filter(|token| !token.is_empty());
        let mut value = token
            .and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok())
            .ok_or_else(|| self.answer("no token is given"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn basic(credential: &Credential) -> HeaderValue {
    let text = STANDARD.encode(format!("{}:{}", credential.name, credential.password));
    let mut value = HeaderValue::from_str(&format!("Basic {text}")).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
