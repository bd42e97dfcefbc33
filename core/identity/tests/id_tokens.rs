//! ID tokens: what a login has to be answered with. A case is a row of a table.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{AUDIENCE, ISSUER, NOW, Signer, issuer, verifier};
use synod_identity::{Algorithm, Claim, Refused};

const NONCE: &str = "n-0S6_WzA2Mj";

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "ana", "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW, "nonce": NONCE, "roles": ["analyst"]})
}

#[test]
fn an_id_token_answers_one_login_of_one_client() {
    let cases = [
        ("nonce", Some(json!(NONCE)), None),
        ("nonce", None, Some(Refused::Missing(Claim::Nonce))),
        ("nonce", Some(json!("another")), Some(Refused::OtherNonce)),
        ("nonce", Some(json!("")), Some(Refused::Malformed(Claim::Nonce))),
        ("nonce", Some(json!([NONCE])), Some(Refused::Malformed(Claim::Nonce))),
        ("azp", Some(json!(AUDIENCE)), None),
        ("azp", Some(json!("other")), Some(Refused::OtherParty)),
        ("azp", Some(json!(7)), Some(Refused::Malformed(Claim::AuthorizedParty))),
        ("aud", Some(json!([AUDIENCE])), None),
        ("aud", Some(json!([AUDIENCE, "other"])), Some(Refused::Missing(Claim::AuthorizedParty))),
        ("aud", Some(json!("other")), Some(Refused::OtherAudience)),
        ("iat", None, Some(Refused::Missing(Claim::IssuedAt))),
        ("exp", Some(json!(NOW - 31)), Some(Refused::Expired)),
        ("iss", Some(json!("https://other.example")), Some(Refused::OtherIssuer)),
        ("sub", None, Some(Refused::Missing(Claim::Subject))),
    ];
    let signer = Signer::new(Algorithm::Es256, "key");
    let verifier = verifier(issuer(&[Algorithm::Es256]), &[&signer]);
    for (claim, value, refused) in cases {
        let mut claims = claims();
        match &value {
            Some(value) => drop(claims.as_object_mut().unwrap().insert(claim.into(), value.clone())),
            None => drop(claims.as_object_mut().unwrap().remove(claim)),
        }
        let found = verifier.verify_id_token(&signer.plain_token(Algorithm::Es256, &claims.to_string()), NONCE, NOW);
        assert_eq!(found.err(), refused, "{claim} {value:?}");
    }
    let forged = Signer::new(Algorithm::Es256, "key").plain_token(Algorithm::Es256, &claims().to_string());
    assert_eq!(verifier.verify_id_token(&forged, NONCE, NOW), Err(Refused::Signature));
}

#[test]
fn the_name_is_what_people_know_best() {
    let signer = Signer::new(Algorithm::Es256, "key");
    let verifier = verifier(issuer(&[Algorithm::Es256]), &[&signer]);
    let name = |extra: Value| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        verifier.verify_id_token(&signer.plain_token(Algorithm::Es256, &claims.to_string()), NONCE, NOW).unwrap().name
    };
    assert_eq!(name(json!({})), None);
    assert_eq!(name(json!({"email": "ana@bank.example"})).as_deref(), Some("ana@bank.example"));
    assert_eq!(name(json!({"email": "ana@bank.example", "name": "Ana"})).as_deref(), Some("Ana"));
    assert_eq!(name(json!({"name": 7, "preferred_username": "ana"})).as_deref(), Some("ana"));
    assert_eq!(name(json!({"name": "a\nb"})), None, "what would break a line of a log is no name");
}
