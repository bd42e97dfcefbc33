use super::*;
use crate::config::TrustedKeyConfig;
use crate::signing::key::PrivateKey;
use std::path::PathBuf;

/// Keys, and a configuration that trusts them.
struct Bench {
    folder: tempfile::TempDir,
    config: SignaturesConfig,
}

impl Bench {
    fn new(required: bool) -> Self {
        let config = SignaturesConfig { required, ..SignaturesConfig::default() };
        Self { folder: tempfile::tempdir().unwrap(), config }
    }

    fn trust(&mut self, name: &str) -> PrivateKey {
        let (key, path) = (PrivateKey::generate().unwrap().0, self.path(name));
        std::fs::write(&path, key.public().pem()).unwrap();
        self.config.trusted.push(TrustedKeyConfig { name: name.into(), public_key_file: path, from: None, until: None });
        key
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn judge(&self, signatures: Option<&[u8]>) -> Result<Judged, SignatureError> {
        Trust::open(&self.config).unwrap().judge(&subject(), signatures)
    }

    fn refusal(&self, signatures: Option<&[u8]>) -> String {
        self.judge(signatures).unwrap_err().to_string()
    }
}

fn subject() -> Subject {
    Subject { detector: "forest".into(), manifest: "a".repeat(64), model: "b".repeat(64), plugin: "c".repeat(64) }
}

fn signed(subject: Subject, keys: &[&PrivateKey]) -> Vec<u8> {
    let mut envelope = Statement::new(subject, 7).envelope().unwrap();
    keys.iter().for_each(|key| envelope.sign(key).unwrap());
    envelope.write().unwrap()
}

fn moment(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[test]
fn a_trusted_key_counts_and_no_other_does() {
    let mut bench = Bench::new(true);
    let (ana, other) = (bench.trust("ana"), PrivateKey::generate().unwrap().0);
    let judged = bench.judge(Some(&signed(subject(), &[&other, &ana]))).unwrap();
    assert_eq!((judged.state, judged.proven_serial()), (SignatureState::Valid, Some(7)));
    assert_eq!(judged.by.iter().map(|signer| signer.state).collect::<Vec<_>>(), [SignerState::Unknown, SignerState::Trusted]);
    let refusal = bench.refusal(Some(&signed(subject(), &[&other])));
    assert!(refusal.contains(other.public().id().as_str()) && refusal.contains("synod models sign"), "{refusal}");
    assert!(bench.refusal(None).contains("it is not signed"));
    bench.config.required = false;
    assert_eq!(bench.judge(None).unwrap(), Judged::UNSIGNED);
    assert!(bench.refusal(Some(&signed(subject(), &[&other]))).contains("not trusted here"), "a wrong signature is worse than none");
}

#[test]
fn where_nobody_is_trusted_nothing_is_judged_but_whether_it_belongs_to_the_version() {
    let mut bench = Bench::new(false);
    let (key, _) = PrivateKey::generate().unwrap();
    let judged = bench.judge(Some(&signed(subject(), &[&key]))).unwrap();
    assert_eq!((judged.state, judged.proven_serial()), (SignatureState::Unjudged, None));
    let other = Subject { model: "d".repeat(64), ..subject() };
    assert!(bench.refusal(Some(&signed(other, &[&key]))).contains("about the model dddd"));
    bench.config.revoked.push(key.public().id().clone());
    assert!(bench.refusal(Some(&signed(subject(), &[&key]))).contains("is revoked"));
}

#[test]
fn keys_are_rotated_and_revoked() {
    let mut bench = Bench::new(true);
    let (old, new) = (bench.trust("old"), bench.trust("new"));
    let (by_old, by_new, by_both) = (signed(subject(), &[&old]), signed(subject(), &[&new]), signed(subject(), &[&old, &new]));
    for signatures in [&by_old, &by_new, &by_both] {
        bench.judge(Some(signatures)).unwrap();
    }
    bench.config.trusted[0].until = moment("2026-01-01T00:00:00Z");
    assert!(bench.refusal(Some(&by_old)).contains("the time of the key `old`"));
    bench.judge(Some(&by_both)).unwrap();
    bench.config.trusted[1].from = moment("2999-01-01T00:00:00Z");
    assert!(bench.refusal(Some(&by_both)).contains("begins at 2999-01-01T00:00:00Z"));
    bench.config.trusted.iter_mut().for_each(|trusted| (trusted.from, trusted.until) = (None, None));
    bench.config.revoked.push(old.public().id().clone());
    assert!(bench.refusal(Some(&by_old)).contains("is revoked"));
    assert_eq!(bench.judge(Some(&by_both)).unwrap().by[0].state, SignerState::Revoked);
}

#[test]
fn no_bit_can_be_changed_unseen() {
    let mut bench = Bench::new(true);
    let ana = bench.trust("ana");
    let whole = signed(subject(), &[&ana]);
    let judged = bench.judge(Some(&whole)).unwrap();
    for place in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[place / 8] ^= 1 << (place % 8);
        // White space between the words of JSON means nothing.
        if let Ok(other) = bench.judge(Some(&flipped)) {
            assert!(whole[place / 8].is_ascii_whitespace(), "bit {place}");
            assert_eq!(other, judged);
        }
    }
    for (part, other) in [
        ("detector", Subject { detector: "density".into(), ..subject() }),
        ("manifest", Subject { manifest: "e".repeat(64), ..subject() }),
        ("plugin", Subject { plugin: "e".repeat(64), ..subject() }),
    ] {
        assert!(bench.refusal(Some(&signed(other, &[&ana]))).contains(&format!("about the {part}")), "{part}");
    }
}

#[test]
fn a_signature_says_nothing_about_another_kind_of_thing() {
    let mut bench = Bench::new(true);
    let ana = bench.trust("ana");
    let plugin = PluginSubject { name: "forest".into(), version: "1.0.0".into(), component: "c".repeat(64) };
    let mut envelope = PluginStatement::new(plugin.clone(), 3).envelope().unwrap();
    envelope.sign(&ana).unwrap();
    let signatures = envelope.write().unwrap();
    let trust = Trust::open(&bench.config).unwrap();
    assert_eq!(trust.judge_plugin(&plugin, Some(&signatures)).unwrap().proven_serial(), Some(3));
    assert!(bench.refusal(Some(&signatures)).contains("no statement about a version"));
    let other = PluginSubject { version: "1.0.1".into(), ..plugin.clone() };
    assert!(trust.judge_plugin(&other, Some(&signatures)).unwrap_err().to_string().contains("forest 1.0.1"));
    let of_version = signed(subject(), &[&ana]);
    assert!(trust.judge_plugin(&plugin, Some(&of_version)).is_err() && trust.judge_plugin(&plugin, None).is_err());
}

#[test]
fn a_mark_of_a_key_on_anothers_signature_does_not_help() {
    let mut bench = Bench::new(true);
    let (ana, other) = (bench.trust("ana"), PrivateKey::generate().unwrap().0);
    let text = String::from_utf8(signed(subject(), &[&other])).unwrap();
    let forged = text.replace(other.public().id().as_str(), ana.public().id().as_str());
    assert!(bench.refusal(Some(forged.as_bytes())).contains("does not verify"));
    bench.config.revoked.push(ana.public().id().clone());
    let by_revoked = String::from_utf8(signed(subject(), &[&ana])).unwrap();
    let renamed = by_revoked.replace(ana.public().id().as_str(), other.public().id().as_str());
    assert!(bench.refusal(Some(renamed.as_bytes())).contains("not trusted here"));
}

#[test]
fn a_key_that_cannot_be_read_is_named_with_its_entry() {
    let mut bench = Bench::new(false);
    bench.trust("ana");
    bench.trust("bob");
    std::fs::copy(bench.path("ana"), bench.path("bob")).unwrap();
    let error = Trust::open(&bench.config).unwrap_err().to_string();
    assert!(error.contains("models.signatures.trusted[1]") && error.contains("key of `ana`"), "{error}");
    std::fs::remove_file(bench.path("ana")).unwrap();
    assert!(Trust::open(&bench.config).unwrap_err().to_string().contains("trusted[0].public_key_file: cannot read"));
}
