use super::*;
use crate::access::Permission;
use crate::config;
use crate::identity::keys::{MadeKey, Manager, NewKey};
use std::time::Instant;

const CONFIGURATION: &str = "
version: 1
schema: {fields: {a: {type: number}}}
features: {a: {expression: a}}
detectors: {forest: {plugin: x}}
identity:
  anonymous: [viewer]
  certificates:
    - {name: 'dns:Scorer.bank.example', roles: [scorer], tenant: north, scopes: ['score:detector/forest']}
    - {name: 'uri:spiffe://bank/desk', roles: [analyst]}
    - {name: 'subject:CN=ops,O=bank', roles: [operator]}
";

fn opened() -> (tempfile::TempDir, Arc<Identity>) {
    let folder = tempfile::tempdir().unwrap();
    let config = config::archived(CONFIGURATION, "test").unwrap();
    let identity = Identity::open(&config, &DataDirectory::open(folder.path()).unwrap()).unwrap();
    (folder, identity)
}

fn certificate(subject: &str, names: &[&str], not_after: u64) -> ClientCertificate {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    ClientCertificate { subject: subject.into(), names, sha256: String::new(), not_after: not_after as i64 }
}

async fn caller(identity: &Identity, bearer: Option<&str>, certificate: Option<&ClientCertificate>) -> Result<Caller, &'static str> {
    identity.caller(Credentials { bearer, certificate }).await.map_err(|refused| refused.reason)
}

fn made(identity: &Identity, role: &str) -> MadeKey {
    identity.keys().create(NewKey { roles: vec![role.into()], ..NewKey::default() }, Manager::CommandLine, now()).unwrap()
}

#[tokio::test]
async fn a_certificate_speaks_for_whom_it_names() {
    let (_folder, identity) = opened();
    let later = now() + 60;
    let scorer = caller(&identity, None, Some(&certificate("CN=x", &["email:a@b", "dns:scorer.BANK.example"], later))).await.unwrap();
    assert_eq!((scorer.name(), scorer.tenant()), ("certificate:dns:scorer.bank.example", Some("north")));
    assert!(scorer.may(&Permission::ScoreDetector("forest".into())) && !scorer.may(&Permission::ScorePolicy));
    let desk = caller(&identity, None, Some(&certificate("CN=x", &["uri:spiffe://bank/desk"], later))).await.unwrap();
    assert!(desk.may(&Permission::LabelDecisions) && desk.tenant().is_none());
    let operator = caller(&identity, None, Some(&certificate("CN=ops,O=bank", &[], later))).await.unwrap();
    assert_eq!(operator.name(), "certificate:CN=ops,O=bank");
    // Nobody is named by a part, by another kind, or by other letters of a path.
    for (subject, names) in [
        ("CN=ops", &[][..]),
        ("dns:scorer.bank.example", &[]),
        ("x", &["dns:scorer.bank.example.evil", "uri:spiffe://bank/Desk", "email:CN=ops,O=bank", "uri:dns:scorer.bank.example"]),
    ] {
        let nobody = caller(&identity, None, Some(&certificate(subject, names, later))).await.unwrap();
        assert!(!nobody.is_known() && nobody.name() == "anonymous", "{subject} {names:?}");
    }
    let ended = certificate("CN=ops,O=bank", &[], now() - 1);
    assert_eq!(caller(&identity, None, Some(&ended)).await.unwrap_err(), "certificate_expired");
}

#[tokio::test]
async fn what_is_sent_with_the_request_goes_before_the_certificate() {
    let (_folder, identity) = opened();
    let (mapped, key) = (certificate("CN=ops,O=bank", &[], now() + 60), made(&identity, "scorer"));
    let found = caller(&identity, Some(key.text.reveal()), Some(&mapped)).await.unwrap();
    assert!(found.may(&Permission::ScorePolicy) && !found.may(&Permission::OperateService));
    assert_eq!(caller(&identity, Some("x"), Some(&mapped)).await.unwrap_err(), "not_a_token", "a bad one is not made good by another");
    assert!(!caller(&identity, None, None).await.unwrap().is_known());
}

#[tokio::test]
async fn a_remembered_token_is_refused_once_its_key_is_revoked() {
    let (_folder, identity) = opened();
    let (viewer, other) = (made(&identity, "viewer"), made(&identity, "viewer"));
    let [token, others] = [&viewer, &other].map(|key| identity.issue(&key.entry.id, key.text.reveal(), None).unwrap().token);
    for _ in 0..3 {
        let caller = caller(&identity, Some(&token), None).await.unwrap();
        assert_eq!(caller.name(), format!("api-key:{}", viewer.entry.id), "a token is who its key is");
    }
    identity.keys().revoke(&viewer.entry.id, Manager::CommandLine, now()).unwrap();
    assert_eq!(caller(&identity, Some(&token), None).await.unwrap_err(), "key_revoked");
    assert!(caller(&identity, Some(&others), None).await.is_ok());
    assert!(
        matches!(identity.issue(&viewer.entry.id, viewer.text.reveal(), None), Err(TokenRefused::Client(why)) if why.reason == "key_revoked")
    );
    let of_another = identity.issue(&other.entry.id, viewer.text.reveal(), None);
    assert!(matches!(of_another, Err(TokenRefused::Client(why)) if why.reason == "key_of_another_client"));
}

/// Run with `--release -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "prints what a credential costs, and proves nothing"]
async fn what_a_credential_costs() {
    let (_folder, identity) = opened();
    let key = made(&identity, "scorer");
    let token = identity.issue(&key.entry.id, key.text.reveal(), None).unwrap().token;
    for (name, bearer) in [("none", None), ("an API key", Some(key.text.reveal())), ("a remembered token", Some(token.as_str()))] {
        let (times, started) = (20_000_u32, Instant::now());
        for _ in 0..times {
            caller(&identity, bearer, None).await.unwrap();
        }
        eprintln!("{name}: {:?}", started.elapsed() / times);
    }
    let (times, started) = (500_u32, Instant::now());
    for _ in 0..times {
        let principal = identity.of_own_token(identity.server().unwrap(), &token, now()).unwrap().0;
        std::hint::black_box(Caller::known(principal, identity.roles()));
    }
    eprintln!("a token for the first time: {:?}", started.elapsed() / times);
}
