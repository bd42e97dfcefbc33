//! Key sets as providers publish them, and as they should not.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Signer, document, encode};
use synod_identity::{Algorithm, KeySet, KeySetMistake, LeftOut, LeftOutReason};

fn key(algorithm: Algorithm, id: &str) -> Value {
    Signer::new(algorithm, id).public()
}

/// The key with one member replaced.
fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

fn without(mut key: Value, name: &str) -> Value {
    key.as_object_mut().unwrap().remove(name).unwrap();
    key
}

/// A power of 65537, the highest byte first: like the moduli of chips that made their primes from such powers, and longer than 2048 bits.
fn power_of_65537(exponent: usize) -> Vec<u8> {
    // (2^16 + 1)^n: the number, and the number moved by two bytes.
    let times = |number: Vec<u8>, _| {
        let (mut sum, mut carry) = (Vec::new(), 0);
        for place in 0..number.len() + 2 {
            let digit = |at: Option<usize>| at.and_then(|at| number.get(at)).map_or(0, |byte| u16::from(*byte));
            let digits = digit(Some(place)) + digit(place.checked_sub(2)) + carry;
            sum.push((digits % 256) as u8);
            carry = digits / 256;
        }
        sum.extend((carry > 0).then_some(carry as u8));
        sum
    };
    let lowest_first = (0..exponent).fold(vec![1], times);
    lowest_first.into_iter().rev().skip_while(|byte| *byte == 0).collect()
}

#[test]
fn keys_that_can_verify_are_used() {
    let (rsa, curve, edwards) = (key(Algorithm::Rs256, "a"), key(Algorithm::Es384, "b"), key(Algorithm::EdDsa, "c"));
    let unnamed = without(with(curve.clone(), "key_ops", json!(["verify"])), "kid");
    let entries = [
        with(rsa, "alg", json!("PS256")),
        curve,
        edwards,
        unnamed.clone(),
        with(unnamed, "x5c", json!(["a certificate, which is not read"])),
    ];
    let set = KeySet::read(&document(&entries)).unwrap();
    assert_eq!(set.ids().collect::<Vec<_>>(), [Some("a"), Some("b"), Some("c"), None, None]);
    assert!(set.left_out().is_empty());
}

#[test]
fn keys_that_cannot_or_should_not_verify_are_left_out() {
    let (rsa, curve, edwards) = (key(Algorithm::Rs256, "r"), key(Algorithm::Es256, "e"), key(Algorithm::EdDsa, "o"));
    let modulus = |first: u8, length: usize, last: u8| json!(encode(&[&[first], vec![0xa5; length - 2].as_slice(), &[last]].concat()));
    let cases = [
        (json!({"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}), LeftOutReason::KeyType),
        (with(rsa.clone(), "kty", json!("PQC")), LeftOutReason::KeyType),
        (without(rsa.clone(), "kty"), LeftOutReason::Malformed),
        (json!("key"), LeftOutReason::Malformed),
        (with(rsa.clone(), "use", json!("enc")), LeftOutReason::Use),
        (with(rsa.clone(), "use", json!(["sig"])), LeftOutReason::Malformed),
        (with(curve.clone(), "key_ops", json!(["encrypt"])), LeftOutReason::Use),
        (with(curve.clone(), "key_ops", json!([])), LeftOutReason::Use),
        (with(curve.clone(), "key_ops", json!("verify")), LeftOutReason::Malformed),
        (with(rsa.clone(), "alg", json!("HS256")), LeftOutReason::Algorithm),
        (with(rsa.clone(), "alg", json!("ES256")), LeftOutReason::Algorithm),
        (with(curve.clone(), "alg", json!("ES384")), LeftOutReason::Algorithm),
        (with(curve.clone(), "alg", json!("ECDH-ES")), LeftOutReason::Algorithm),
        (with(rsa.clone(), "n", modulus(0xff, 128, 1)), LeftOutReason::WeakRsa),
        (with(rsa.clone(), "n", modulus(0x7f, 256, 1)), LeftOutReason::WeakRsa),
        (with(rsa.clone(), "n", json!(encode(&power_of_65537(128)))), LeftOutReason::WeakRsa),
        (with(rsa.clone(), "n", modulus(0, 257, 1)), LeftOutReason::Malformed),
        (with(rsa.clone(), "n", modulus(0xff, 256, 2)), LeftOutReason::Malformed),
        (with(rsa.clone(), "n", modulus(0xff, 1025, 1)), LeftOutReason::Malformed),
        (with(rsa.clone(), "n", json!("")), LeftOutReason::Malformed),
        (with(rsa.clone(), "n", json!(7)), LeftOutReason::Malformed),
        (with(rsa.clone(), "e", json!("AQ")), LeftOutReason::Malformed),
        (with(rsa.clone(), "e", json!("AQAA")), LeftOutReason::Malformed),
        (with(rsa.clone(), "e", json!("AAEAAQ")), LeftOutReason::Malformed),
        (with(rsa.clone(), "e", json!("AQAB=")), LeftOutReason::Malformed),
        (without(rsa.clone(), "e"), LeftOutReason::Malformed),
        (with(rsa, "d", json!("AQAB")), LeftOutReason::Private),
        (with(curve.clone(), "d", json!("AQAB")), LeftOutReason::Private),
        (with(curve.clone(), "crv", json!("P-384")), LeftOutReason::Malformed),
        (with(curve.clone(), "crv", json!("P-521")), LeftOutReason::Curve),
        (with(curve.clone(), "crv", json!("secp256k1")), LeftOutReason::Curve),
        (with(curve.clone(), "x", json!(encode(&[1; 31]))), LeftOutReason::Malformed),
        (with(curve.clone(), "kid", json!(7)), LeftOutReason::Malformed),
        (without(curve.clone(), "y"), LeftOutReason::Malformed),
        (with(edwards.clone(), "crv", json!("Ed448")), LeftOutReason::Curve),
        (with(edwards.clone(), "crv", json!("X25519")), LeftOutReason::Curve),
        (with(edwards, "x", json!(encode(&[1; 33]))), LeftOutReason::Malformed),
    ];
    for (entry, reason) in cases {
        let id = entry["kid"].as_str().map(str::to_owned);
        let left_out = vec![LeftOut { place: 0, id: id.clone(), reason }];
        let alone = KeySet::read(&document(std::slice::from_ref(&entry)));
        assert_eq!(alone.unwrap_err(), KeySetMistake::NoUsableKey { left_out: left_out.clone() }, "{entry}");
        // Its neighbour is used, even if it has the same id.
        let neighbour = with(key(Algorithm::EdDsa, "good"), "kid", json!(id.as_deref().unwrap_or("good")));
        let set = KeySet::read(&document(&[entry, neighbour])).unwrap();
        assert_eq!((set.left_out(), set.ids().count()), (left_out.as_slice(), 1));
    }
}

#[test]
fn documents_that_could_mean_two_things_are_no_sets() {
    let good = key(Algorithm::Es256, "a");
    let twice = document(&[good.clone(), key(Algorithm::EdDsa, "a")]);
    let mut long = document(std::slice::from_ref(&good));
    long.extend(vec![b' '; 64 * 1024]);
    let many: Vec<Value> = (0..65).map(|number| with(good.clone(), "kid", json!(number.to_string()))).collect();
    let cases: [(&[u8], KeySetMistake); 11] = [
        (b"", KeySetMistake::NotJson),
        (b"[]", KeySetMistake::NotJson),
        (b"{\"keys\":[]", KeySetMistake::NotJson),
        (b"{\"keys\":[],\"keys\":[]}", KeySetMistake::NotJson),
        (b"<html></html>", KeySetMistake::NotJson),
        (b"{}", KeySetMistake::NoList),
        (b"{\"keys\":{}}", KeySetMistake::NoList),
        (b"{\"keys\":[]}", KeySetMistake::NoUsableKey { left_out: vec![] }),
        (&long, KeySetMistake::TooLong),
        (&document(&many), KeySetMistake::TooManyKeys),
        (&twice, KeySetMistake::DuplicateId("a".to_owned())),
    ];
    for (document, mistake) in cases {
        assert_eq!(KeySet::read(document).unwrap_err(), mistake);
    }
    assert_eq!(KeySet::read(&document(&many[..64])).unwrap().ids().count(), 64);
}
