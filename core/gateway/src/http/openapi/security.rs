//! Who may call: the ways to prove who one is, and what each operation needs.

use crate::access::{Caller, Permission};
use crate::config::Config;
use crate::http::Needs;
use utoipa::openapi::ComponentsBuilder;
use utoipa::openapi::security::{
    ClientCredentials, Flow, Http, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityRequirement, SecurityScheme,
};

const BEARER: &str = "bearer";
const OAUTH2: &str = "oauth2";
const MUTUAL_TLS: &str = "mutualTLS";

/// What an operation needs, as text; none if anybody may call it.
pub(super) fn permission(needs: &Needs) -> Option<String> {
    match needs {
        Needs::Nothing => None,
        Needs::The(permission) => Some(permission.to_string()),
        Needs::ScoreOfNamedDetector => Some("score:detector/{detector}".into()),
        // The model of the policy wants `score:policy` instead.
        Needs::ScoreOfNamedModel | Needs::ScoreOfModelInMessage => Some("score:detector/{model}".into()),
    }
}

/// What a caller can come with: one of these.
pub(super) fn requirements(config: &Config, needs: &Needs) -> Vec<SecurityRequirement> {
    let Some(permission) = permission(needs) else { return Vec::new() };
    let scope = match needs {
        Needs::Nothing | Needs::The(_) => permission,
        Needs::ScoreOfNamedDetector | Needs::ScoreOfNamedModel | Needs::ScoreOfModelInMessage => Permission::Score.to_string(),
    };
    let none = Vec::<String>::new;
    let ways =
        [SecurityRequirement::new(BEARER, none()), SecurityRequirement::new(OAUTH2, [scope]), SecurityRequirement::new(MUTUAL_TLS, none())];
    let without = may_anybody(config, needs).then(SecurityRequirement::default);
    without.into_iter().chain(ways).collect()
}

/// Whether somebody without a credential may call it here.
fn may_anybody(config: &Config, needs: &Needs) -> bool {
    let anybody = Caller::anonymous(&config.identity.anonymous, &config.identity.roles);
    match needs {
        Needs::Nothing => true,
        Needs::The(permission) => anybody.may(permission),
        Needs::ScoreOfNamedDetector | Needs::ScoreOfNamedModel | Needs::ScoreOfModelInMessage => anybody.may(&Permission::Score),
    }
}

/// Adds the schemes.
pub(super) fn with_schemes(config: &Config, components: ComponentsBuilder) -> ComponentsBuilder {
    let oauth2 = OAuth2::with_description(
        [Flow::ClientCredentials(ClientCredentials::new("/oauth2/token", scopes(config)))],
        "Access tokens of this service. Roles grant permissions; scopes limit a token to some of them.",
    );
    let mutual_tls = SecurityScheme::MutualTls {
        description: Some("A client certificate, where this installation takes them.".into()),
        deprecated: None,
        extensions: None,
    };
    components
        .security_scheme(BEARER, SecurityScheme::Http(bearer()))
        .security_scheme(OAUTH2, SecurityScheme::OAuth2(oauth2))
        .security_scheme(MUTUAL_TLS, mutual_tls)
}

fn bearer() -> Http {
    let description = "An API key, or an access token (a JWT) of this service or of the identity provider that it trusts.";
    HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("API key or JWT").description(Some(description)).build()
}

/// Every permission, and for each detector its own.
fn scopes(config: &Config) -> Scopes {
    let of_detectors = config.detectors.iter().map(|detector| Permission::ScoreDetector(detector.name.clone()));
    let all = [Permission::Score, Permission::ScorePolicy].into_iter().chain(of_detectors).chain(Permission::PLAIN);
    all.map(|permission| (permission.to_string(), format!("Limits the token to {permission}, if its roles grant that"))).collect()
}
