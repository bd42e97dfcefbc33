//! What fuzzers try: everything that reads bytes which somebody else wrote. A target takes any bytes; it must not panic, must end soon, and must
//! find that what it read keeps its promises. `corpus/` has inputs that were found worth keeping; the tests run all of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::sync::LazyLock;
use synod_detection::{Field, Kind, Schema, TimeFormat, decode_rows};
use synod_gateway::config;
use synod_gateway::decision::Decision;
use synod_gateway::manifest::Manifest;
use synod_identity::{Algorithm, Issuer, KeySet, PresentedApiKey, Verifier};
use synod_store::{DataDirectory, Log, LogReader, LogSettings, verify};

/// A target's name, which is that of its corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 7] = [
    ("configuration", configuration),
    ("rows", rows),
    ("token", token),
    ("key_set", key_set),
    ("manifest", manifest),
    ("decision", decision),
    ("log", log),
];

/// A configuration is read, or all of its mistakes are told, each with a key or a place.
///
/// # Panics
/// When a promise is broken.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match config::archived(text, "fuzzed.yaml") {
        Ok(config) => assert!(!config.detectors.is_empty() && !config.schema.fields().is_empty(), "an empty configuration was taken"),
        Err(error) => assert!(!error.to_string().is_empty(), "a mistake without words"),
    }
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let fields = vec![
        Field { length: Some(32), ..Field::new("id", Kind::Text) },
        Field::new("account", Kind::Integer),
        Field { format: TimeFormat::EpochSeconds, ..Field::new("at", Kind::Time) },
        Field { minimum: Some(0.0), maximum: Some(1e6), ..Field::new("amount", Kind::Number) },
        Field { required: false, ..Field::new("balance", Kind::Number) },
        Field { required: false, values: vec!["atm".into(), "online".into()], ..Field::new("channel", Kind::Text) },
        Field { required: false, ..Field::new("abroad", Kind::Boolean) },
        Field { required: false, ..Field::new("when", Kind::Time) },
    ];
    let schema = Schema::new(fields).and_then(|schema| schema.with_id("id")).and_then(|schema| schema.with_entity("account"));
    schema.and_then(|schema| schema.with_time("at")).expect("the fuzzers' schema is right")
});

/// Rows are taken or refused one by one; what is taken is within the schema.
///
/// # Panics
/// When a promise is broken.
pub fn rows(bytes: &[u8]) {
    const LIMIT: usize = 50;
    let Ok(decoded) = decode_rows(&SCHEMA, bytes, LIMIT) else { return };
    assert!(decoded.rows.len() <= LIMIT, "more rows than the limit");
    let taken: Vec<usize> = decoded.rows.iter().filter_map(|row| row.as_ref().ok().copied()).collect();
    assert_eq!(taken, (0..decoded.batch.rows()).collect::<Vec<_>>(), "each row that is taken has the next place");
    for row in taken {
        let amount = decoded.batch.number(3, row);
        assert!((0.0..=1e6).contains(&amount), "{amount} is out of bounds");
        assert!(decoded.batch.text(0, row).is_some_and(|id| id.len() <= 32), "the id is missing or too long");
        assert!(decoded.batch.text(5, row).is_none_or(|channel| ["atm", "online"].contains(&channel)), "a value that is not allowed");
        assert!(!decoded.batch.number(4, row).is_infinite(), "an infinite balance");
    }
}

const ISSUER: &str = "https://issuer.example";
const NOW: u64 = 1_800_000_000;

/// An issuer whose secret key is known to everybody: with it a fuzzer gets past the signature, to the claims.
static SIGNER: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("32 bytes are a seed"));

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let public = URL_SAFE_NO_PAD.encode(SIGNER.public_key().as_ref());
    let keys = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": public, "alg": "EdDSA", "kid": "known"}]});
    let keys = KeySet::read(keys.to_string().as_bytes()).expect("the fuzzers' key set is right");
    Verifier::new(Issuer::new(ISSUER, &["synod"], &[Algorithm::EdDsa]), keys).expect("the fuzzers' issuer is right")
});

/// No bytes are a token of somebody whose key they do not have; and signed claims are taken only if they say what they must.
///
/// # Panics
/// When a promise is broken.
pub fn token(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = PresentedApiKey::parse(text);
        assert!(VERIFIER.verify(text, NOW).is_err() || is_signed(text), "a forged token was taken");
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","kid":"known"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let signature = URL_SAFE_NO_PAD.encode(SIGNER.sign(signed.as_bytes()).as_ref());
    let Ok(principal) = VERIFIER.verify(&format!("{signed}.{signature}"), NOW) else { return };
    let claims: Value = serde_json::from_slice(bytes).expect("claims that were taken are JSON");
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"].as_str(), Some(principal.subject.as_str()));
    assert!(claims["aud"] == "synod" || claims["aud"].as_array().is_some_and(|list| list.contains(&"synod".into())), "{claims}");
    assert!(claims["exp"].as_f64().is_some_and(|end| end > (NOW - 30) as f64 - 1.0), "{claims}");
    assert!(claims.get("nbf").is_none_or(|start| start.as_f64().is_some_and(|start| start < (NOW + 31) as f64)), "{claims}");
}

/// Whether a token is one that the fuzzers' own key signed, as some of the corpus are.
fn is_signed(text: &str) -> bool {
    let Some((signed, signature)) = text.rsplit_once('.') else { return false };
    let own = SIGNER.sign(signed.as_bytes());
    URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| signature == own.as_ref())
}

/// A key set is read, or refused; what is read has keys of different ids.
///
/// # Panics
/// When a promise is broken.
pub fn key_set(bytes: &[u8]) {
    let Ok(keys) = KeySet::read(bytes) else { return };
    let mut ids: Vec<_> = keys.ids().flatten().collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "two keys of one id");
    assert!(keys.ids().count() > 0, "a set without keys");
}

/// A manifest is read, or refused; what is read is written and read again as the same.
///
/// # Panics
/// When a promise is broken.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(bytes) else { return };
    let written = serde_json::to_vec(&manifest).expect("a manifest can be written");
    let again: Manifest = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&again).expect("a manifest can be written"), written, "a manifest changed by being written");
    let score = manifest.calibration.score(0.5).score;
    assert!((0.0..=1.0).contains(&score), "a score of {score}");
}

/// A decision is read, or refused; what is read is written and read again as the same.
///
/// # Panics
/// When a promise is broken.
pub fn decision(bytes: &[u8]) {
    let Ok(decision) = serde_json::from_slice::<Decision>(bytes) else { return };
    let written = serde_json::to_vec(&decision).expect("a decision can be written");
    assert_eq!(serde_json::from_slice::<Decision>(&written).expect("what was written can be read"), decision);
}

/// A segment of the log with these bytes is opened, or refused; what is opened verifies and is read to its end.
///
/// # Panics
/// When a promise is broken.
pub fn log(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let directory = DataDirectory::open(folder.path().join("data")).expect("a data directory");
    std::fs::write(directory.path().join("log/00000000000000000001.log"), bytes).expect("the temporary folder takes files");
    if let Ok(reader) = LogReader::open(&directory)
        && let Ok(records) = reader.from(1)
    {
        // Whatever is wrong ends it.
        let _ = records.count();
    }
    let settings = LogSettings { sync: false, ..LogSettings::default() };
    let Ok((log, recovery)) = Log::open(&directory, settings) else { return };
    let head = log.head();
    log.close().expect("a log that was opened can be closed");
    let verified = verify(&directory, &[], &mut |_, _| {}).expect("a log that was opened can be verified");
    assert!(verified.faults.is_empty(), "opened with {recovery:?}, and then {:?}", verified.faults);
    let read = LogReader::open(&directory).and_then(|reader| reader.from(1)).map(|records| records.filter_map(Result::ok).count());
    assert_eq!(read.ok().map(|count| count as u64 + 1), Some(head.next), "not every record can be read");
}
