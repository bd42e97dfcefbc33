//! Whom a reverse proxy lets through to the tools beside Synod, by API keys. By the console's login the same is asked in `providers.rs`, by a client's
//! certificate in `edge.rs`, and by the real Traefik in `scripts/check-traefik.sh`.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Installation, Server, send};

const NOBODY: (&str, &str) = ("SYNOD_IDENTITY__ANONYMOUS", "[]");
/// The tests' own address is the proxy's.
const TRUSTING: (&str, &str) = ("SYNOD_LISTEN__PROXIES", "[\"127.0.0.1\"]");
const GRAFANA: &str = "/v1/forward-auth?needs=operate:service";

fn installation() -> Installation {
    let at = Installation::new(&patient(&three_numbers("  forest:\n    plugin: isolation-forest\n")));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

fn key(at: &Installation, options: &str) -> String {
    format!("Bearer {}", at.run(&format!("keys create {options}")).ok().output.trim())
}

/// What a proxy that asks about a GET is told.
fn asked(server: &Server, path: &str, fields: &[(&str, &str)]) -> Answer {
    let of_proxy = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/grafana/d/1?a=b"), ("x-forwarded-for", "192.0.2.7")];
    send(server.data, "GET", path, &[&of_proxy, fields].concat(), b"")
}

#[test]
fn who_may_passes_and_no_one_else() {
    let at = installation();
    let [operator, scorer, admin] = ["operator", "scorer", "admin"].map(|role| key(&at, &format!("--role {role}")));
    let of_tenant = key(&at, "--role operator --tenant north");
    let limited = key(&at, "--role operator --scope read:audit");
    let server = Server::start_with(&at, &[NOBODY, TRUSTING]);
    let by = |key: &str, path: &str| asked(&server, path, &[("authorization", key), ("cookie", "sid=1; __Host-synod=x; synod=y")]);

    let passed = by(&operator, GRAFANA);
    assert_eq!((passed.status, passed.body.as_str()), (200, ""));
    assert!(passed.header("x-synod-user").unwrap().starts_with("api-key:"), "{:?}", passed.headers);
    assert_eq!((passed.header("x-synod-roles"), passed.header("cookie")), (Some("operator"), Some("sid=1")));
    assert_eq!((passed.header("authorization"), passed.header("cache-control")), (None, Some("no-store")));
    assert_eq!(by(&admin, GRAFANA).header("x-synod-roles"), Some("admin"));
    assert_eq!(by(&limited, "/v1/forward-auth?needs=read:audit").status, 200);

    for (refused, why) in [(&scorer, "does not have"), (&limited, "does not have"), (&of_tenant, "all tenants")] {
        let answer = by(refused, GRAFANA);
        answer.problem(403, "forbidden");
        assert!(answer.body.contains(why), "{}", answer.body);
        assert_eq!((answer.header("x-synod-user"), answer.header("x-synod-roles"), answer.header("cookie")), (None, None, None));
    }
    by("Bearer guessed", GRAFANA).problem(401, "invalid_credential");
    let unknown =
        asked(&server, GRAFANA, &[("accept", "text/html"), ("x-synod-user", "mallory"), ("cookie", "__Host-synod=guessed; sid=1")]);
    unknown.problem(401, "no_credential");
    assert_eq!((unknown.header("x-synod-user"), unknown.header("location")), (None, None), "there is no login to be sent to");
    let denied = |event: &serde_json::Value| event["action"] == "permission.denied" && event["object"] == "operate:service";
    assert_eq!(server.await_event(denied)["route"], "/v1/forward-auth");

    for (query, said) in [
        ("", "`needs` must be there"),
        ("?needs=", "is no permission"),
        ("?needs=operate", "is no permission"),
        ("?needs=read:audit&needs=read:audit", "stands twice"),
    ] {
        let answer = by(&operator, &format!("/v1/forward-auth{query}"));
        answer.problem(400, "bad_query");
        assert!(answer.body.contains(said), "{}", answer.body);
    }
    server.stop();
}

#[test]
fn only_a_trusted_proxy_is_told_anything() {
    let at = installation();
    let operator = key(&at, "--role operator");
    let server = Server::start_with(&at, &[NOBODY]);
    asked(&server, GRAFANA, &[("authorization", &operator)]).problem(404, "not_found");
    server.stop();
    let server = Server::start_with(&at, &[NOBODY, TRUSTING]);
    // A path of Synod's own, which a proxy passes on as any other: it does not ask, and says nothing of another request.
    for fields in [&[][..], &[("x-forwarded-method", "GET")], &[("x-forwarded-uri", "/grafana/")]] {
        let fields = [&[("authorization", operator.as_str())], fields].concat();
        send(server.data, "GET", GRAFANA, &fields, b"").problem(404, "not_found");
    }
    asked(&server, GRAFANA, &[("authorization", &operator)]);
    server.stop();
}

#[test]
fn a_browser_is_sent_to_the_login_and_a_program_is_not() {
    let at = installation();
    let text = at.read("synod.yaml");
    // Nobody is there: who logs in comes later.
    at.write(
        "synod.yaml",
        text + "identity:\n  issuers: {bank: {issuer: 'https://127.0.0.1:9', audiences: [synod], private: true, roles: {}}}\n  \
                login: {issuer: bank, client_id: synod, redirect: 'http://127.0.0.1:8080/console/callback'}\n",
    );
    let operator = key(&at, "--role operator");
    let server = Server::start_with(&at, &[NOBODY, TRUSTING]);
    let page = ("accept", "text/html,application/xhtml+xml");
    let to = |uri: &str, method: &str, fields: &[(&str, &str)]| {
        let fields = [&[("x-forwarded-method", method), ("x-forwarded-uri", uri)], fields].concat();
        let answer = send(server.data, "GET", GRAFANA, &fields, b"");
        (answer.status, answer.header("location").map(str::to_owned))
    };
    let sent = |path: &str| (302, Some(format!("/console/login?return_to={path}")));
    assert_eq!(to("/grafana/d/1?a=b&c=%2F", "GET", &[page]), sent("%2Fgrafana%2Fd%2F1%3Fa%3Db%26c%3D%252F"));
    assert_eq!(to("/kibana", "GET", &[page, ("cookie", "synod=ended")]), sent("%2Fkibana"));
    for elsewhere in ["//other.example/", "/\\other.example", "https://other.example/", &format!("/{}", "x".repeat(5000))] {
        assert_eq!(to(elsewhere, "GET", &[page]), sent("%2Fconsole"), "{elsewhere}");
    }
    assert_eq!(to("/grafana/", "POST", &[page]), (401, None));
    assert_eq!(to("/grafana/api", "GET", &[("accept", "application/json")]), (401, None));
    assert_eq!(to("/grafana/", "GET", &[page, ("authorization", &operator)]), (200, None));
    server.stop();
}
