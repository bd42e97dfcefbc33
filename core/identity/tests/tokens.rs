//! Tokens, good and bad. A case is a row of a table.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use support::{AUDIENCE, ISSUER, NOW, Signer, document, encode, good_claims, issuer, verifier};
use synod_identity::{Algorithm, Claim, ClaimNames, KeySet, Principal, Refused, Verifier};

const ES256: Algorithm = Algorithm::Es256;

/// A verifier for one ES256 key, and the key.
fn one_key() -> (Verifier, Signer) {
    let signer = Signer::new(ES256, "first");
    (verifier(issuer(&[ES256]), &[&signer]), signer)
}

fn texts(entries: &[&str]) -> BTreeSet<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

#[test]
fn every_algorithm_makes_the_principal_of_its_token() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm, "key");
        let token = signer.plain_token(algorithm, &good_claims().to_string());
        let found = verifier(issuer(&[algorithm]), &[&signer]).verify(&token, NOW);
        let expected = Principal {
            subject: "robot-7".to_owned(),
            issuer: ISSUER.to_owned(),
            tenant: None,
            roles: texts(&["scorer", "viewer"]),
            scopes: texts(&["score:detector/x", "read"]),
            expires: NOW + 300,
        };
        assert_eq!(found, Ok(expected), "{algorithm}");
        let others: Vec<_> = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        assert_eq!(verifier(issuer(&others), &[&signer]).verify(&token, NOW), Err(Refused::Algorithm), "{algorithm}");
    }
}

/// A claim, what it is replaced by (nothing: it is left out), and why the token is then refused, if it is.
type ClaimCase = (&'static str, Option<Value>, Option<Refused>);

fn time_cases() -> Vec<ClaimCase> {
    vec![
        ("exp", None, Some(Refused::Missing(Claim::Expires))),
        ("exp", Some(json!(null)), Some(Refused::Malformed(Claim::Expires))),
        ("exp", Some(json!((NOW + 300).to_string())), Some(Refused::Malformed(Claim::Expires))),
        ("exp", Some(json!(true)), Some(Refused::Malformed(Claim::Expires))),
        ("exp", Some(json!([NOW + 300])), Some(Refused::Malformed(Claim::Expires))),
        ("exp", Some(json!({})), Some(Refused::Malformed(Claim::Expires))),
        ("exp", Some(json!(-1)), Some(Refused::Malformed(Claim::Expires))),
        ("exp", Some(json!(1e300)), Some(Refused::Malformed(Claim::Expires))),
        ("exp", Some(json!(u64::MAX)), Some(Refused::Malformed(Claim::Expires))),
        ("exp", Some(json!(9_007_199_254_740_992_u64)), Some(Refused::LivesTooLong)),
        ("exp", Some(json!(0)), Some(Refused::Expired)),
        ("exp", Some(json!(NOW - 30)), Some(Refused::Expired)),
        ("exp", Some(json!(NOW - 29)), None),
        ("exp", Some(json!(NOW as f64 - 29.5)), Some(Refused::Expired)),
        ("exp", Some(json!(NOW as f64 + 0.5)), None),
        ("exp", Some(json!(NOW + 86_400 + 20)), None),
        ("exp", Some(json!(NOW + 86_400 + 21)), Some(Refused::LivesTooLong)),
        ("nbf", None, None),
        ("nbf", Some(json!(NOW + 30)), None),
        ("nbf", Some(json!(NOW + 31)), Some(Refused::NotYetValid)),
        ("nbf", Some(json!(NOW as f64 + 31.5)), Some(Refused::NotYetValid)),
        ("nbf", Some(json!("0")), Some(Refused::Malformed(Claim::NotBefore))),
        ("nbf", Some(json!(null)), Some(Refused::Malformed(Claim::NotBefore))),
        ("nbf", Some(json!(1e300)), Some(Refused::Malformed(Claim::NotBefore))),
        ("iat", None, None),
        ("iat", Some(json!(NOW + 30)), None),
        ("iat", Some(json!(NOW + 31)), Some(Refused::IssuedInFuture)),
        ("iat", Some(json!(NOW - 86_130)), None),
        ("iat", Some(json!(NOW - 86_131)), Some(Refused::LivesTooLong)),
        ("iat", Some(json!(0)), Some(Refused::LivesTooLong)),
        ("iat", Some(json!(-5)), Some(Refused::Malformed(Claim::IssuedAt))),
        ("iat", Some(json!([])), Some(Refused::Malformed(Claim::IssuedAt))),
    ]
}

fn name_cases() -> Vec<ClaimCase> {
    vec![
        ("iss", None, Some(Refused::Missing(Claim::Issuer))),
        ("iss", Some(json!(null)), Some(Refused::Malformed(Claim::Issuer))),
        ("iss", Some(json!([ISSUER])), Some(Refused::Malformed(Claim::Issuer))),
        ("iss", Some(json!("")), Some(Refused::OtherIssuer)),
        ("iss", Some(json!(format!("{ISSUER}/"))), Some(Refused::OtherIssuer)),
        ("iss", Some(json!(ISSUER.to_uppercase())), Some(Refused::OtherIssuer)),
        ("aud", None, Some(Refused::Missing(Claim::Audience))),
        ("aud", Some(json!(null)), Some(Refused::Malformed(Claim::Audience))),
        ("aud", Some(json!(7)), Some(Refused::Malformed(Claim::Audience))),
        ("aud", Some(json!({"synod": true})), Some(Refused::Malformed(Claim::Audience))),
        ("aud", Some(json!([])), Some(Refused::OtherAudience)),
        ("aud", Some(json!([AUDIENCE, 7])), Some(Refused::Malformed(Claim::Audience))),
        ("aud", Some(json!([[AUDIENCE]])), Some(Refused::Malformed(Claim::Audience))),
        ("aud", Some(json!(vec![AUDIENCE; 65])), Some(Refused::Malformed(Claim::Audience))),
        ("aud", Some(json!("Synod")), Some(Refused::OtherAudience)),
        ("aud", Some(json!("synod other")), Some(Refused::OtherAudience)),
        ("aud", Some(json!(["other", ""])), Some(Refused::OtherAudience)),
        ("aud", Some(json!([AUDIENCE])), None),
        ("aud", Some(json!(["other", "synod-console"])), None),
        ("sub", None, Some(Refused::Missing(Claim::Subject))),
        ("sub", Some(json!(null)), Some(Refused::Malformed(Claim::Subject))),
        ("sub", Some(json!(7)), Some(Refused::Malformed(Claim::Subject))),
        ("sub", Some(json!("")), Some(Refused::Malformed(Claim::Subject))),
        ("sub", Some(json!(" robot-7")), Some(Refused::Malformed(Claim::Subject))),
        ("sub", Some(json!("robot\n7")), Some(Refused::Malformed(Claim::Subject))),
        ("sub", Some(json!("r".repeat(255))), None),
        ("sub", Some(json!("r".repeat(256))), Some(Refused::Malformed(Claim::Subject))),
        ("sub", Some(json!("Zoë Robot")), None),
        ("roles", None, None),
        ("roles", Some(json!([])), None),
        ("roles", Some(json!("scorer viewer")), None),
        ("roles", Some(json!(null)), Some(Refused::Malformed(Claim::Roles))),
        ("roles", Some(json!({"scorer": true})), Some(Refused::Malformed(Claim::Roles))),
        ("roles", Some(json!(["scorer", 7])), Some(Refused::Malformed(Claim::Roles))),
        ("roles", Some(json!([""])), Some(Refused::Malformed(Claim::Roles))),
        ("roles", Some(json!(["r".repeat(256)])), Some(Refused::Malformed(Claim::Roles))),
        ("roles", Some(json!(vec!["scorer"; 64])), None),
        ("roles", Some(json!(vec!["scorer"; 65])), Some(Refused::Malformed(Claim::Roles))),
        ("roles", Some(json!("scorer\u{0}admin")), Some(Refused::Malformed(Claim::Roles))),
        ("scope", Some(json!(7)), Some(Refused::Malformed(Claim::Scopes))),
        ("scope", Some(json!("s ".repeat(65))), Some(Refused::Malformed(Claim::Scopes))),
        ("other", Some(json!({"anything": [1, 2.5, null]})), None),
    ]
}

#[test]
fn claims_are_judged_as_the_tables_say() {
    let (verifier, signer) = one_key();
    for (name, value, expected) in [time_cases(), name_cases()].concat() {
        let mut claims = good_claims();
        let members = claims.as_object_mut().unwrap();
        match &value {
            Some(value) => members.insert(name.to_owned(), value.clone()),
            None => members.remove(name),
        };
        let found = verifier.verify(&signer.plain_token(ES256, &claims.to_string()), NOW);
        assert_eq!(found.as_ref().err(), expected.as_ref(), "{name}: {value:?}: {found:?}");
    }
}

#[test]
fn payloads_that_are_no_plain_object_are_refused() {
    let (verifier, signer) = one_key();
    let good = good_claims().to_string();
    let with = |start: &str| format!("{start}{}", &good[1..]);
    let nested = with(&format!("{{\"deep\":{}{},", "[".repeat(2_500), "]".repeat(2_500)));
    let refused = [
        String::new(),
        "null".to_owned(),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        with("{\"sub\":\"admin\","),
        with("{\"\\u0073ub\":\"admin\","),
        with("{\"other\":{\"a\":1,\"a\":1},"),
        with("{\"other\":1e400,"),
        with("{\"other\":01,"),
        nested,
    ];
    for payload in refused {
        assert_eq!(verifier.verify(&signer.plain_token(ES256, &payload), NOW), Err(Refused::Claims), "{payload:.60}");
    }
    assert!(verifier.verify(&signer.plain_token(ES256, &with(" {\n\t\"other\" : 1 ,\r\n")), NOW).is_ok());
}

#[test]
fn headers_are_judged_as_the_table_says() {
    let (verifier, signer) = one_key();
    let embedded = signer.public().to_string();
    let cases: Vec<(String, Option<Refused>)> = vec![
        (r#"{"alg":"ES256"}"#.into(), None),
        (r#"{"alg":"ES256","kid":"first","typ":"at+jwt"}"#.into(), None),
        (r#"{"alg":"ES256","kid":"first","typ":"application/at+JWT"}"#.into(), None),
        (" {\n\t\"alg\" : \"ES256\" , \"x5t\":\"\", \"other\":[1] }\r\n".into(), None),
        (r#"{"alg":"ES256","typ":"JOSE"}"#.into(), Some(Refused::Type)),
        (r#"{"alg":"ES256","typ":""}"#.into(), Some(Refused::Type)),
        (r#"{"alg":"ES256","typ":"dpop+jwt"}"#.into(), Some(Refused::Type)),
        (r#"{"alg":"ES256","typ":["JWT"]}"#.into(), Some(Refused::Header)),
        (r#"{"alg":"ES256","typ":null}"#.into(), Some(Refused::Header)),
        (r#"{"alg":"ES256","crit":["exp"],"exp":1}"#.into(), Some(Refused::Critical)),
        (r#"{"alg":"ES256","crit":["unknown"]}"#.into(), Some(Refused::Critical)),
        (r#"{"alg":"ES256","crit":[]}"#.into(), Some(Refused::Critical)),
        (r#"{"alg":"ES256","crit":null}"#.into(), Some(Refused::Critical)),
        (r#"{"alg":"ES256","b64":true}"#.into(), Some(Refused::Unencoded)),
        (r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#.into(), Some(Refused::Critical)),
        (format!(r#"{{"alg":"ES256","kid":"first","jwk":{embedded}}}"#), Some(Refused::EmbeddedKey)),
        (r#"{"alg":"ES256","jku":"https://issuer.example/keys"}"#.into(), Some(Refused::EmbeddedKey)),
        (r#"{"alg":"ES256","x5u":"https://issuer.example/keys"}"#.into(), Some(Refused::EmbeddedKey)),
        (r#"{"alg":"ES256","x5c":[]}"#.into(), Some(Refused::EmbeddedKey)),
        (r#"{"alg":"none"}"#.into(), Some(Refused::Algorithm)),
        (r#"{"alg":"NONE"}"#.into(), Some(Refused::Algorithm)),
        (r#"{"alg":""}"#.into(), Some(Refused::Algorithm)),
        (r#"{"alg":"es256"}"#.into(), Some(Refused::Algorithm)),
        (r#"{"alg":"ES256K"}"#.into(), Some(Refused::Algorithm)),
        (r#"{"alg":"HS256"}"#.into(), Some(Refused::Algorithm)),
        (r#"{"alg":"RS256"}"#.into(), Some(Refused::Algorithm)),
        (r#"{"alg":["ES256"]}"#.into(), Some(Refused::Header)),
        (r#"{"alg":null}"#.into(), Some(Refused::Header)),
        (r#"{"kid":"first"}"#.into(), Some(Refused::Algorithm)),
        (r#"{"alg":"ES256","kid":"second"}"#.into(), Some(Refused::UnknownKey)),
        (r#"{"alg":"ES256","kid":""}"#.into(), Some(Refused::UnknownKey)),
        (r#"{"alg":"ES256","kid":"../../dev/null"}"#.into(), Some(Refused::UnknownKey)),
        (r#"{"alg":"ES256","kid":7}"#.into(), Some(Refused::Header)),
        (r#"{"alg":"ES256","alg":"ES256"}"#.into(), Some(Refused::Header)),
        (r#"{"alg":"ES256","\u0061lg":"none"}"#.into(), Some(Refused::Header)),
        (r#"{"alg":"ES256","kid":"first","kid":"first"}"#.into(), Some(Refused::Header)),
        (r#"{"alg":"ES256"}{}"#.into(), Some(Refused::Header)),
        (r#"["ES256"]"#.into(), Some(Refused::Header)),
        ("{'alg':'ES256'}".into(), Some(Refused::Header)),
        (format!(r#"{{"alg":"ES256","a":{}{}}}"#, "[".repeat(500), "]".repeat(500)), Some(Refused::Header)),
        (r#"{"alg":"ES256","a":1e999}"#.into(), Some(Refused::Header)),
        (String::new(), Some(Refused::Header)),
    ];
    for (header, expected) in cases {
        let found = verifier.verify(&signer.token(ES256, &header, &good_claims().to_string()), NOW);
        assert_eq!(found.as_ref().err(), expected.as_ref(), "{header:.80}: {found:?}");
        assert_eq!(expected.is_some_and(Refused::asks_for_keys), expected == Some(Refused::UnknownKey));
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    for algorithm in [Algorithm::Rs256, ES256, Algorithm::EdDsa] {
        let signer = Signer::new(algorithm, "key");
        let verifier = verifier(issuer(&Algorithm::ALL), &[&signer]);
        for secret in [signer.public_bytes(), signer.public().to_string().into_bytes(), Vec::new()] {
            for name in ["HS256", algorithm.name()] {
                let signed =
                    format!("{}.{}", encode(json!({ "alg": name }).to_string().as_bytes()), encode(good_claims().to_string().as_bytes()));
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
                let expected = if name == "HS256" { Refused::Algorithm } else { Refused::Signature };
                assert_eq!(verifier.verify(&format!("{signed}.{}", encode(tag.as_ref())), NOW), Err(expected), "{algorithm}");
            }
        }
    }
}

#[test]
fn a_key_verifies_its_own_algorithms_only() {
    let signers: Vec<Signer> = Algorithm::ALL.into_iter().map(|algorithm| Signer::new(algorithm, algorithm.name())).collect();
    for (signer, algorithm) in signers.iter().zip(Algorithm::ALL) {
        let verifier = verifier(issuer(&Algorithm::ALL), &[signer]);
        for claimed in Algorithm::ALL.into_iter().filter(|claimed| *claimed != algorithm) {
            let header = json!({"alg": claimed.name(), "kid": signer.id}).to_string();
            let found = verifier.verify(&signer.token(algorithm, &header, &good_claims().to_string()), NOW);
            let is_rsa = |algorithm: Algorithm| !matches!(algorithm, Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa);
            let expected = if is_rsa(algorithm) && is_rsa(claimed) { Refused::Signature } else { Refused::KeyDoesNotFit };
            assert_eq!(found, Err(expected), "{algorithm} as {claimed}");
        }
    }
}

#[test]
fn a_key_that_names_its_algorithm_verifies_no_other() {
    let signer = Signer::new(Algorithm::Ps256, "key");
    let mut public = signer.public();
    public["alg"] = json!("PS256");
    let verifier = Verifier::new(issuer(&Algorithm::ALL), KeySet::read(&document(&[public])).unwrap()).unwrap();
    let judge = |algorithm| verifier.verify(&signer.plain_token(algorithm, &good_claims().to_string()), NOW);
    assert!(judge(Algorithm::Ps256).is_ok());
    for other in [Algorithm::Ps384, Algorithm::Rs256] {
        assert_eq!(judge(other), Err(Refused::KeyDoesNotFit), "{other}");
    }
}

#[test]
fn a_newer_key_set_takes_the_place_of_the_old_one() {
    let (old, new) = (Signer::new(ES256, "old"), Signer::new(ES256, "new"));
    let before = verifier(issuer(&[ES256]), &[&old]);
    let after = before.with_keys(KeySet::read(&document(&[new.public()])).unwrap());
    let [of_old, of_new] = [&old, &new].map(|signer| signer.plain_token(ES256, &good_claims().to_string()));
    assert!(before.verify(&of_old, NOW).is_ok() && after.verify(&of_new, NOW).is_ok());
    assert_eq!((before.verify(&of_new, NOW), after.verify(&of_old, NOW)), (Err(Refused::UnknownKey), Err(Refused::UnknownKey)));
}

#[test]
fn among_several_keys_the_token_names_its_own() {
    let (first, second) = (Signer::new(ES256, "first"), Signer::new(ES256, "second"));
    let verifier = verifier(issuer(&[ES256]), &[&first, &second]);
    let claims = good_claims().to_string();
    assert!(verifier.verify(&first.plain_token(ES256, &claims), NOW).is_ok());
    assert!(verifier.verify(&second.plain_token(ES256, &claims), NOW).is_ok());
    assert_eq!(verifier.verify(&first.token(ES256, r#"{"alg":"ES256"}"#, &claims), NOW), Err(Refused::KeyIdMissing));
    assert_eq!(verifier.verify(&first.token(ES256, r#"{"alg":"ES256","kid":"second"}"#, &claims), NOW), Err(Refused::Signature));
    let third = Signer::new(ES256, "third").plain_token(ES256, &claims);
    assert_eq!(verifier.verify(&third, NOW), Err(Refused::UnknownKey));
}

#[test]
fn a_token_has_one_spelling() {
    let (verifier, signer) = one_key();
    let good = signer.plain_token(ES256, &good_claims().to_string());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    // 64 bytes leave the last of 86 characters four bits that no byte uses.
    let last = signature.chars().last().unwrap();
    let other_bits = char::from(match last as u8 {
        b'A' | b'Q' | b'g' | b'w' => last as u8 + 1,
        other => panic!("{other} is not canonical"),
    });
    let cases = [
        (format!(" {good}"), Refused::Encoding),
        (format!("{good} "), Refused::Encoding),
        (format!("{good}\n"), Refused::Encoding),
        (format!("{header}. {payload}.{signature}"), Refused::Encoding),
        (format!("{header}=.{payload}.{signature}"), Refused::Encoding),
        (format!("{good}=="), Refused::Encoding),
        (format!("{header}.{payload}.{}{other_bits}", &signature[..85]), Refused::Encoding),
        (format!("{header}.{payload}.{}", &signature[..84]), Refused::Signature),
        (format!("{header}.{payload}.{signature}AA"), Refused::Signature),
        (format!("{header}.{payload}."), Refused::Signature),
        (format!("{header}..{signature}"), Refused::Signature),
        (format!(".{payload}.{signature}"), Refused::Header),
        (format!("{header}.{payload}"), Refused::Parts),
        (format!("{good}."), Refused::Parts),
        (format!("{good}.{signature}"), Refused::Parts),
        (format!(".{good}"), Refused::Parts),
        (format!("{header}.{payload}.é"), Refused::Encoding),
        (json!({"protected": header, "payload": payload, "signature": signature}).to_string(), Refused::Parts),
        (String::new(), Refused::Parts),
        ("..".to_owned(), Refused::Header),
    ];
    assert!(verifier.verify(&good, NOW).is_ok());
    for (token, expected) in cases {
        assert_eq!(verifier.verify(&token, NOW), Err(expected), "{token}");
    }
}

#[test]
fn long_tokens_are_refused_unread() {
    let (verifier, signer) = one_key();
    let padded = |length: usize| {
        let mut claims = good_claims();
        claims["padding"] = json!("x".repeat(length));
        signer.plain_token(ES256, &claims.to_string())
    };
    let (fits, long) = (padded(5_700), padded(6_500));
    assert!(fits.len() > 7_900 && fits.len() <= 8_192 && long.len() > 9_000, "{} {}", fits.len(), long.len());
    assert!(verifier.verify(&fits, NOW).is_ok());
    assert_eq!(verifier.verify(&long, NOW), Err(Refused::TooLong));
    assert_eq!(verifier.verify(&".".repeat(8_193), NOW), Err(Refused::TooLong));
    assert_eq!(verifier.verify(&".".repeat(8_192), NOW), Err(Refused::Parts));
}

#[test]
fn roles_and_tenants_are_found_where_the_issuer_keeps_them() {
    let signer = Signer::new(ES256, "first");
    let names =
        |roles: &str, tenant: Option<&str>| ClaimNames { roles: Some(roles.to_owned()), scopes: None, tenant: tenant.map(str::to_owned) };
    let judge = |names: ClaimNames, more: Value| {
        let mut claims = good_claims();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut issuer = issuer(&[ES256]);
        issuer.claims = names;
        verifier(issuer, &[&signer]).verify(&signer.plain_token(ES256, &claims.to_string()), NOW)
    };
    let realm = json!({"realm_access": {"roles": ["admin", "admin", "viewer"]}});
    let found = judge(names("realm_access.roles", None), realm.clone()).unwrap();
    assert_eq!((found.roles, found.scopes, found.tenant), (texts(&["admin", "viewer"]), texts(&[]), None));
    let dotted = json!({"https://bank.example/roles": "admin  viewer", "https://bank": {"example/roles": ["other"]}});
    assert_eq!(judge(names("https://bank.example/roles", None), dotted).unwrap().roles, texts(&["admin", "viewer"]));
    for path in ["realm_access.none", "none.roles", "realm_access.roles.0", "roles.x", "", ".", "realm_access."] {
        assert_eq!(judge(names(path, None), realm.clone()).unwrap().roles, texts(&[]), "{path}");
    }
    assert_eq!(judge(names("realm_access", None), realm), Err(Refused::Malformed(Claim::Roles)));
    let tenant = |more| judge(names("roles", Some("org.name")), more).map(|found| found.tenant);
    assert_eq!(tenant(json!({"org": {"name": "north"}})), Ok(Some("north".to_owned())));
    assert_eq!(tenant(json!({"org": {}})), Err(Refused::Missing(Claim::Tenant)));
    assert_eq!(tenant(json!({"org": {"name": ["north", "south"]}})), Err(Refused::Malformed(Claim::Tenant)));
    assert_eq!(tenant(json!({"org": {"name": ""}})), Err(Refused::Malformed(Claim::Tenant)));
}

#[test]
fn leeway_and_lifetime_are_those_of_the_issuer() {
    let signer = Signer::new(ES256, "first");
    let issuer = synod_identity::Issuer { leeway: Duration::ZERO, maximum_lifetime: Duration::from_secs(310), ..issuer(&[ES256]) };
    let verifier = verifier(issuer, &[&signer]);
    let token = signer.plain_token(ES256, &good_claims().to_string());
    let cases = [(NOW - 11, Some(Refused::NotYetValid)), (NOW - 10, None), (NOW + 299, None), (NOW + 300, Some(Refused::Expired))];
    for (now, expected) in cases {
        assert_eq!(verifier.verify(&token, now).err(), expected, "{now}");
    }
    assert_eq!(verifier.verify(&token, u64::MAX), Err(Refused::Expired));
    assert_eq!(verifier.verify(&token, 0), Err(Refused::NotYetValid));
}

#[test]
fn the_client_learns_nothing_and_the_log_learns_the_reason() {
    let reasons = [Refused::TooLong, Refused::Signature, Refused::Expired, Refused::Missing(Claim::Subject), Refused::UnknownKey];
    let words: BTreeSet<String> = reasons.iter().map(ToString::to_string).collect();
    assert_eq!(words, texts(&["invalid token"]));
    let codes: BTreeSet<&str> = reasons.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, BTreeSet::from(["too_long", "signature", "expired", "missing_sub", "unknown_key"]));
}

/// Every bit of a good token, one at a time, for one algorithm of each family.
#[test]
fn a_flipped_bit_anywhere_is_refused() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps384, ES256, Algorithm::Es384, Algorithm::EdDsa] {
        let signer = Signer::new(algorithm, "key");
        let verifier = verifier(issuer(&Algorithm::ALL), &[&signer]);
        let good = signer.plain_token(algorithm, &good_claims().to_string());
        assert!(verifier.verify(&good, NOW).is_ok());
        for place in 0..good.len() * 8 {
            let mut bytes = good.clone().into_bytes();
            bytes[place / 8] ^= 1 << (place % 8);
            // What is not UTF-8 never becomes a token.
            let refused = std::str::from_utf8(&bytes).map_or(true, |token| verifier.verify(token, NOW).is_err());
            assert!(refused, "{algorithm}: bit {place}");
        }
    }
}

proptest! {
    #[test]
    fn a_flipped_bit_in_any_token_is_refused(subject in "[a-z0-9-]{1,80}", roles in prop::collection::vec("[a-z]{1,12}", 0..8), at: prop::sample::Index, bit in 0..7_u8) {
        let (verifier, signer) = one_key();
        let mut claims = good_claims();
        claims["sub"] = json!(subject);
        claims["roles"] = json!(roles);
        let good = signer.plain_token(ES256, &claims.to_string());
        prop_assert_eq!(verifier.verify(&good, NOW).unwrap().subject, subject);
        let mut bytes = good.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(verifier.verify(std::str::from_utf8(&bytes).unwrap(), NOW).is_err());
    }

    #[test]
    fn any_text_is_refused_without_a_panic(header in any::<Vec<u8>>(), payload in any::<Vec<u8>>(), signature in any::<Vec<u8>>(), text in any::<String>()) {
        let (verifier, signer) = one_key();
        prop_assert!(verifier.verify(&text, NOW).is_err());
        let parts = [&header, &payload, &signature].map(|part| encode(part)).join(".");
        prop_assert!(verifier.verify(&parts, NOW).is_err());
        // Signed by the right key, so that the payload is read.
        let signed = signer.plain_token(ES256, &String::from_utf8_lossy(&payload));
        prop_assert!(verifier.verify(&signed, NOW).is_err());
    }
}
