//! The embedded authorisation server.

use super::{AUTHORISATION, header, json};
use crate::config::Config;
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::shape::{list, named, object, of, one_of, text};
use serde_json::json;
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::{ContentBuilder, Required, Type};

pub(super) fn token(config: &Config) -> Description {
    let words = "Gives an access token to a client that proves to have an API key (RFC 6749, section 4.4): `client_id` is the key's id, \
                 `client_secret` the whole key, both by HTTP Basic or both in the body. What the client does wrong is told as RFC 6749, \
                 section 5.2, has it; a body that is too large or does not arrive in time is an `invalid_request`.";
    let challenge = header("`Basic`: how a client authenticates.");
    Description::new("getToken", AUTHORISATION, "Get an access token", words)
        .body(form())
        .answer(200, json("The token.", named("AccessToken")).header("Cache-Control", header("`no-store`.")))
        .answer(400, json("`invalid_request`, `unsupported_grant_type` or `invalid_scope`.", named("TokenRefusal")))
        .answer(401, json("`invalid_client`.", named("TokenRefusal")).header("WWW-Authenticate", challenge))
        .problems(no_server(config))
}

fn form() -> RequestBody {
    let schema = of(Type::Object)
        .property("grant_type", one_of(["client_credentials"]))
        .property("client_id", text().description(Some("The id of an API key, if it does not come by HTTP Basic.")))
        .property("client_secret", text().description(Some("The whole key, if it does not come by HTTP Basic.")))
        .property("scope", text().description(Some("Permissions, with blanks between them; without it, what the key may do.")))
        .required("grant_type");
    let example = json!({"grant_type": "client_credentials", "client_id": "…", "client_secret": "…", "scope": "score:policy"});
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
    RequestBodyBuilder::new()
        .required(Some(Required::True))
        .description(Some("In at most 16 KiB; no parameter twice."))
        .content("application/x-www-form-urlencoded", content)
        .build()
}

pub(super) fn key_set(config: &Config) -> Description {
    let schema = object([("keys", list(of(Type::Object)).into())]);
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let answer = ResponseBuilder::new()
        .description("The set (RFC 7517).")
        .content("application/jwk-set+json", content)
        .header("Cache-Control", header("For how long it may be kept."));
    Description::new(
        "getKeySet",
        AUTHORISATION,
        "The keys that tokens are verified with",
        "The public keys of this service's access tokens.",
    )
    .answer(200, answer)
    .problems(no_server(config))
}

pub(super) fn metadata(config: &Config) -> Description {
    let texts = || list(text()).into();
    let schema = object([
        ("issuer", text().into()),
        ("token_endpoint", text().into()),
        ("jwks_uri", text().into()),
        ("response_types_supported", texts()),
        ("grant_types_supported", texts()),
        ("token_endpoint_auth_methods_supported", texts()),
        ("scopes_supported", texts()),
    ]);
    let answer = json("The metadata (RFC 8414).", schema).header("Cache-Control", header("For how long it may be kept."));
    Description::new("getServerMetadata", AUTHORISATION, "What the authorisation server can do", "")
        .answer(200, answer)
        .problems(no_server(config))
}

/// Where there is no such server there is nothing at its paths.
fn no_server(config: &Config) -> Option<Problem> {
    config.identity.server.is_none().then(Problem::not_found)
}
