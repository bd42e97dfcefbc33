//! Whose signatures of models count.

use super::{Checker, is_name};
use crate::config::text;
use crate::signing::KeyId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// Most keys of either kind: they are read at every load.
const MOST: usize = 100;

/// Whose signatures count, and whether there must be one.
#[derive(Debug, Clone, Default)]
pub struct SignaturesConfig {
    /// Whether what nobody has signed is refused.
    pub required: bool,
    /// Whose signatures count.
    pub trusted: Vec<TrustedKeyConfig>,
    /// Whose do not, whatever else is said.
    pub revoked: Vec<KeyId>,
}

/// A key whose signatures count.
#[derive(Debug, Clone)]
pub struct TrustedKeyConfig {
    /// What it is called in errors and cards.
    pub name: String,
    /// The file that holds it.
    pub public_key_file: PathBuf,
    /// From when on.
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Option<Timestamp>,
}

pub(super) fn signatures(at: &mut Checker<'_>, text: &text::Signatures, folder: &Path) -> SignaturesConfig {
    const KEY: &str = "models.signatures";
    for (name, count) in [("trusted", text.trusted.len()), ("revoked", text.revoked.len())] {
        if count > MOST {
            at.mistake(&format!("{KEY}.{name}"), format!("{count} keys are more than {MOST}"));
        }
    }
    if text.required && text.trusted.is_empty() {
        at.mistake(&format!("{KEY}.trusted"), "there are none, so that no version could ever be used: name whose signatures count");
    }
    let mut names = Vec::new();
    let mut trusted = Vec::new();
    for (place, entry) in text.trusted.iter().enumerate() {
        let key = format!("{KEY}.trusted[{place}]");
        if !is_name(&entry.name) || names.contains(&&entry.name) {
            at.mistake(&format!("{key}.name"), format!("`{}` is no name, or that of another key; write for instance ana-2026", entry.name));
        }
        names.push(&entry.name);
        trusted.push(self::trusted(at, &key, entry, folder));
    }
    let mut revoked = Vec::new();
    for (place, id) in text.revoked.iter().enumerate() {
        match KeyId::try_from(id.clone()) {
            Ok(id) => revoked.push(id),
            Err(why) => at.mistake(&format!("{KEY}.revoked[{place}]"), why),
        }
    }
    SignaturesConfig { required: text.required, trusted, revoked }
}

fn trusted(at: &mut Checker<'_>, key: &str, text: &text::TrustedKey, folder: &Path) -> TrustedKeyConfig {
    if text.public_key_file.is_empty() {
        at.mistake(&format!("{key}.public_key_file"), "is missing: the file of the public key, in PEM, as `synod models keygen` prints it");
    }
    let [from, until] = [("from", &text.from), ("until", &text.until)].map(|(name, text)| {
        let moment = self::moment(text.as_deref()?);
        if moment.is_none() {
            at.mistake(&format!("{key}.{name}"), "is no moment; write for instance 2026-01-31 or 2026-01-31T12:00:00Z");
        }
        moment
    });
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        at.mistake(&format!("{key}.until"), "is not after `from`");
    }
    TrustedKeyConfig { name: text.name.clone(), public_key_file: folder.join(&text.public_key_file), from, until }
}

/// A moment, or the beginning of a day in UTC.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    fn mistakes(signatures: &str) -> Vec<String> {
        let text = format!(
            "version: 1\nmodels: {{signatures: {signatures}}}\nschema: {{fields: {{a: {{type: number}}}}}}\ndetectors: {{one: {{plugin: one}}}}\n"
        );
        let found = read(&text, Path::new("/etc"), Vec::new()).map(|_| ()).err().unwrap_or_default();
        found.iter().map(ToString::to_string).filter(|mistake| mistake.contains("signatures")).collect()
    }

    #[test]
    fn whose_signatures_count_is_checked() {
        let id = "ab".repeat(32);
        let good = format!(
            "{{required: true, trusted: [{{name: ana-2026, public_key_file: ana.pem, from: 2026-01-01, until: '2027-01-01T00:00:00Z'}}, \
             {{name: bob, public_key_file: bob.pem}}], revoked: [{id}]}}"
        );
        assert_eq!(mistakes(&good), Vec::<String>::new());
        for (from, to, expected) in [
            ("name: bob", "name: ana-2026", "models.signatures.trusted[1].name: `ana-2026` is no name, or that of another key"),
            ("name: bob, ", "", "models.signatures.trusted[1].name: `` is no name"),
            (", public_key_file: bob.pem", "", "models.signatures.trusted[1].public_key_file: is missing"),
            ("2026-01-01", "soon", "models.signatures.trusted[0].from: is no moment"),
            ("2026-01-01", "2027-01-01", "models.signatures.trusted[0].until: is not after `from`"),
            ("abab", "ABAB", "models.signatures.revoked[0]: a key's id has 64 hexadecimal digits"),
            ("required", "require", "models.signatures.require: unknown field"),
        ] {
            let found = mistakes(&good.replace(from, to));
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} in {found:#?}");
        }
        assert!(mistakes("{required: true}")[0].contains("models.signatures.trusted: there are none"));
    }
}
