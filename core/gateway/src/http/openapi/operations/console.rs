//! The console: its pages and its login.

use super::decisions::query;
use super::{CONSOLE, header, json, service};
use crate::access::Permission;
use crate::config::Config;
use crate::http::Problem;
use crate::http::console::pages;
use crate::http::openapi::operation::Description;
use crate::http::openapi::shape::{named, text};
use utoipa::openapi::response::ResponseBuilder;

pub(super) fn page(id: &str, name: &str, words: &str) -> Description {
    Description { tag: CONSOLE, ..service::page(id, name, words) }
}

pub(super) fn asset() -> Description {
    let names: Vec<(&str, &str)> = pages::ASSETS.iter().map(|asset| (asset.name, asset.kind)).collect();
    Description { tag: CONSOLE, ..service::file("getConsoleFile", "A file of the console's pages", &names) }
}

pub(super) fn login(config: &Config) -> Description {
    let return_to = query("return_to", "Where to go when it is done: a path of this service. Without it, the console.", text());
    Description::new("logIn", CONSOLE, "Log in", "Sends the browser to the identity provider (OpenID Connect, with PKCE).")
        .parameters([return_to])
        .answer(303, elsewhere("To the identity provider."))
        .problems([Problem::bad_query("`return_to` must be a path of this service, as /console"), Problem::no_login()])
        .problems(nobody_logs_in(config))
}

pub(super) fn callback(config: &Config) -> Description {
    let words = "Where the identity provider sends the browser back to. Parameters that are not listed here are left alone; none may be there twice.";
    Description::new("finishLogIn", CONSOLE, "Come back from the identity provider", words)
        .parameters([
            query("state", "Which login this is.", text()),
            query("code", "What the provider gives for a token.", text()),
            query("iss", "Who the provider says that it is (RFC 9207).", text()),
            query("error", "Why the provider refused.", text()),
        ])
        .answer(303, elsewhere("To where the login was begun, with a session."))
        .problems([Problem::bad_query("a parameter stands twice"), Problem::login_failed()])
        .problems(nobody_logs_in(config))
}

pub(super) fn session(config: &Config) -> Description {
    let words = "Who calls, by whatever credential, and what they may; for a session, with what requests need that change something. \
                 Somebody who may do nothing without a credential is told 401 where people can log in, else 404.";
    Description::new("getSession", CONSOLE, "Who calls", words)
        .answer(200, json("Who calls.", named("WhoAmI")))
        .problems([Problem::no_credential()])
        .problems(nobody_logs_in(config))
}

pub(super) fn forward_auth() -> Description {
    let words = "For reverse proxies that ask about each request to another service whether its caller may make it (Traefik's forward-auth). They must \
                 be among `listen.proxies`, and say in `X-Forwarded-Method` and `X-Forwarded-Uri` which request they ask about; for everybody else \
                 there is nothing here. The fields of the answer belong into the request that is passed on, in the place of the client's own. \
                 What a session's cookie comes with must be by GET, HEAD or OPTIONS and no websocket, or from a page of this host.";
    let passed = ResponseBuilder::new()
        .description("It may. The body is empty.")
        .header("X-Synod-User", header("Who calls: issuer and subject. What is no visible ASCII character is percent-encoded."))
        .header("X-Synod-Roles", header("The caller's roles, with commas between them."))
        .header("Cookie", header("The cookies of the request without Synod's own, if others are left."));
    let to_login = ResponseBuilder::new()
        .description("Nobody is logged in, and a browser asks for a page: to the login.")
        .header("Location", header("A path of this host."));
    Description::new("getForwardAuth", CONSOLE, "Whether somebody may pass", words)
        .parameters([query("needs", "The permission that it takes, as `operate:service`. It must be there.", text())])
        .answer(200, passed)
        .answer(302, to_login)
        .problems([
            Problem::bad_query("`needs` must be there: a permission, as operate:service"),
            Problem::no_credential(),
            Problem::forbidden(&Permission::OperateService),
            Problem::not_found(),
        ])
}

pub(super) fn logout(config: &Config) -> Description {
    let words = "Ends the session. That of the identity provider goes on. With a session's cookie it needs the session's `x-csrf-token`.";
    let answer = ResponseBuilder::new().description("There is no session any more.").header("Set-Cookie", header("Takes the cookie away."));
    Description::new("logOut", CONSOLE, "Log out", words).answer(204, answer).problems(nobody_logs_in(config))
}

fn elsewhere(words: &str) -> ResponseBuilder {
    ResponseBuilder::new()
        .description(words)
        .header("Location", header("Where."))
        .header("Set-Cookie", header("What the browser is known by."))
}

/// Where no login is configured there is nothing at its paths.
fn nobody_logs_in(config: &Config) -> Option<Problem> {
    config.identity.login.is_none().then(Problem::not_found)
}
