use super::*;
use crate::access::Roles;
use synod_identity::ApiKeyTerms;

const NOW: u64 = 1_800_000_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn config(algorithm: SigningAlgorithm) -> TokenServer {
    TokenServer { issuer: "https://synod.example".into(), token_lifetime: Duration::from_mins(10), algorithm }
}

fn directory() -> (tempfile::TempDir, DataDirectory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(folder.path()).unwrap();
    (folder, directory)
}

fn opened(directory: &DataDirectory, now: u64) -> AuthorisationServer {
    AuthorisationServer::open(config(SigningAlgorithm::Es256), directory, now).unwrap()
}

fn key(expires: u64) -> ApiKey {
    let roles = BTreeSet::from(["scorer".to_owned()]);
    ApiKey::generate(ApiKeyTerms { roles, tenant: Some("north".into()), expires, ..ApiKeyTerms::default() }).unwrap().0
}

fn issue(server: &AuthorisationServer, scope: Option<&str>, now: u64) -> Result<Issued, NotIssued> {
    server.issue(&key(NOW + 100 * DAY), &Roles::default().grants(["scorer"], []), scope, now)
}

fn part(token: &str, part: usize) -> serde_json::Value {
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(part).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn ids(server: &AuthorisationServer) -> Vec<String> {
    let set: serde_json::Value = serde_json::from_slice(&server.published()).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn signer(server: &AuthorisationServer, now: u64) -> String {
    part(&issue(server, None, now).unwrap().token, 0)["kid"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_says_what_the_standard_wants() {
    let (_folder, directory) = directory();
    for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa] {
        let server = AuthorisationServer::open(config(algorithm), &directory, NOW).unwrap();
        let issued = issue(&server, Some("score:policy read:scores"), NOW).unwrap();
        let (header, claims) = (part(&issued.token, 0), part(&issued.token, 1));
        assert_eq!(header, json!({ "alg": Algorithm::from(algorithm).name(), "typ": "at+jwt", "kid": ids(&server).last().unwrap() }));
        assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some("https://synod.example"), Some("https://synod.example")));
        assert_eq!((claims["iat"].as_u64(), claims["exp"].as_u64()), (Some(NOW), Some(NOW + 600)));
        assert_eq!((claims["sub"].as_str(), claims["tenant"].as_str()), (claims["client_id"].as_str(), Some("north")));
        assert_eq!((claims["roles"].clone(), claims["scope"].as_str()), (json!(["scorer"]), Some("read:scores score:policy")));
        assert_eq!((issued.expires_in, issued.scope.as_str()), (600, "read:scores score:policy"));
        let (principal, until) = server.verify(&issued.token, NOW).unwrap();
        assert_eq!((principal.scopes.len(), until), (2, NOW + 630));
        let other = issue(&server, None, NOW).unwrap();
        assert_ne!(part(&other.token, 1)["jti"], claims["jti"]);
    }
}

#[test]
fn a_token_ends_with_its_key() {
    let (_folder, directory) = directory();
    let server = opened(&directory, NOW);
    let issued = server.issue(&key(NOW + 7), &Roles::default().grants(["scorer"], []), None, NOW).unwrap();
    assert_eq!((issued.expires_in, part(&issued.token, 1)["exp"].as_u64()), (7, Some(NOW + 7)));
}

#[test]
fn a_scope_narrows_and_never_widens() {
    let (_folder, directory) = directory();
    let server = opened(&directory, NOW);
    assert_eq!(issue(&server, None, NOW).unwrap().scope, "read:detectors read:scores score");
    assert_eq!(issue(&server, Some("score:detector/x"), NOW).unwrap().scope, "score:detector/x");
    for scope in ["manage:keys", "score manage:keys", "openid", "score:detector/", "score:detector/\n", "score:detector/é", " ", "SCORE"] {
        assert!(matches!(issue(&server, Some(scope), NOW), Err(NotIssued::Scope(_))), "{scope}");
    }
    let many = (0..65).map(|name| format!("score:detector/{name}")).collect::<Vec<_>>().join(" ");
    assert!(matches!(issue(&server, Some(&many), NOW), Err(NotIssued::Scope(_))));
    let long = (0..60).map(|name| format!("score:detector/{name}{}", "x".repeat(100))).collect::<Vec<_>>().join(" ");
    assert!(matches!(issue(&server, Some(&long), NOW), Err(NotIssued::Scope(_))), "it could not be sent");
    let nothing = server.issue(&key(NOW + DAY), &Roles::default().grants(["viewer"], ["score"]), None, NOW);
    assert!(matches!(nothing, Err(NotIssued::Scope(_))), "a token without a scope would be limited by nothing");
}

#[test]
fn the_signing_keys_are_kept() {
    let (_folder, directory) = directory();
    let token = issue(&opened(&directory, NOW), None, NOW).unwrap().token;
    let again = opened(&directory, NOW + 1);
    assert!(again.verify(&token, NOW + 1).is_ok() && ids(&again).len() == 1);
    let (_other_folder, other) = self::directory();
    assert_eq!(opened(&other, NOW).verify(&token, NOW).unwrap_err(), Refused::UnknownKey);
}

#[test]
fn a_key_is_published_before_it_signs_and_after() {
    let (_folder, directory) = directory();
    let server = opened(&directory, NOW);
    let old = signer(&server, NOW);
    server.look(false, NOW + 30 * DAY - 1);
    assert_eq!(ids(&server), [old.as_str()]);
    let due = NOW + 30 * DAY;
    server.look(false, due);
    assert_eq!((ids(&server).len(), signer(&server, due + 599)), (2, old.clone()), "it is published, and does not sign yet");
    let token = issue(&server, None, due + 599).unwrap().token;
    assert_ne!(signer(&server, due + 600), old);
    server.look(false, due + 600 + 24 * HOUR + 29);
    assert_eq!(ids(&server).len(), 2);
    assert!(server.verify(&token, due + 601).is_ok(), "tokens of the old key hold until they end");
    server.look(false, due + 600 + 24 * HOUR + 30);
    assert_eq!(ids(&server), [signer(&server, due + 601)]);
    assert_eq!(opened(&directory, due + 2 * DAY).published(), server.published());
}

#[test]
fn a_running_server_follows_a_rotation_by_command() {
    let (_folder, directory) = directory();
    let server = opened(&directory, NOW);
    let (old, generation) = (signer(&server, NOW), server.generation());
    let next = rotate_signing(&directory, SigningAlgorithm::Es256, false, NOW).unwrap();
    server.look(false, NOW + 1);
    assert_eq!(ids(&server), [old.clone(), next.clone()]);
    assert!(signer(&server, NOW + 599) == old && signer(&server, NOW + 600) == next && server.generation() > generation);
    let token = issue(&server, None, NOW + 1).unwrap().token;
    let only = rotate_signing(&directory, SigningAlgorithm::EdDsa, true, NOW + 2).unwrap();
    server.look(false, NOW + 2);
    assert_eq!((ids(&server), signer(&server, NOW + 2)), (vec![only.clone()], only));
    assert_eq!(server.verify(&token, NOW + 2).unwrap_err(), Refused::UnknownKey);
}

#[test]
fn another_algorithm_makes_another_key() {
    let (_folder, directory) = directory();
    let token = issue(&opened(&directory, NOW), None, NOW).unwrap().token;
    let server = AuthorisationServer::open(config(SigningAlgorithm::EdDsa), &directory, NOW + 1).unwrap();
    assert!(server.verify(&token, NOW + 1).is_ok());
    assert_eq!(part(&issue(&server, None, NOW + 1).unwrap().token, 0)["alg"], "EdDSA");
}

#[test]
fn a_broken_file_keeps_the_keys_and_stops_a_start() {
    let (folder, directory) = directory();
    let server = opened(&directory, NOW);
    let token = issue(&server, None, NOW).unwrap().token;
    let path = folder.path().join("signing-keys.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let secret = good.split('"').find(|text| text.len() > 100).unwrap().to_owned();
    for broken in ["{", &good.replace(&secret, "AAAA"), &good.replace("ES256", "ES512"), r#"{"format": 1, "entries": []}"#] {
        std::fs::write(&path, broken).unwrap();
        server.look(true, NOW);
        assert!(server.verify(&token, NOW).is_ok(), "{broken}");
        if !broken.contains("[]") {
            let error = AuthorisationServer::open(config(SigningAlgorithm::Es256), &directory, NOW).unwrap_err().to_string();
            assert!(error.contains("signing-keys.json") && !error.contains(&secret[..20]), "{error}");
        }
    }
}
