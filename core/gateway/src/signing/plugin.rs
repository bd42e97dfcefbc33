//! Signing a plugin alone: its name, its version and the digest of the component. The signatures lie in a file of their own, for a component is what it
//! was built as. That a model is used with the plugin that fitted it is part of the version's own statement; this is for those who carry plugins.

use super::envelope::Envelope;
use super::judged::Judged;
use super::key::PrivateKey;
use super::statement::{PluginStatement, PluginSubject};
use super::trust::{SignatureError, Trust};
use crate::hexadecimal::digest_of_bytes;

impl PluginSubject {
    /// Of a component that calls itself so.
    pub fn of(name: &str, version: &str, component: &[u8]) -> Self {
        Self { name: name.to_owned(), version: version.to_owned(), component: digest_of_bytes(component) }
    }
}

/// Signs a plugin, beside those who have signed it already (`known`), and answers the signatures. `serial` counts if nobody has. Signatures that
/// would not count here are not given.
///
/// # Errors
/// When what is known is about another plugin, or the signatures would not count.
pub fn sign_plugin(
    trust: &Trust,
    subject: &PluginSubject,
    known: Option<&[u8]>,
    keys: &[PrivateKey],
    serial: u64,
) -> Result<(Vec<u8>, Judged), SignatureError> {
    let mut envelope = match known {
        Some(known) => continued(known, subject)?,
        None => PluginStatement::new(subject.clone(), serial).envelope().map_err(|error| SignatureError::Envelope(error.into()))?,
    };
    for key in keys {
        envelope.sign(key)?;
    }
    let bytes = envelope.write()?;
    let judged = trust.judge_plugin(subject, Some(&bytes))?;
    Ok((bytes, judged))
}

/// The statement that others have signed, if it is about this plugin.
fn continued(known: &[u8], subject: &PluginSubject) -> Result<Envelope, SignatureError> {
    let envelope = Envelope::read(known)?;
    let stated = PluginStatement::read(&envelope).map_err(SignatureError::Statement)?.subject();
    if stated != *subject {
        return Err(SignatureError::Another { part: "plugin", stated: stated.to_string(), found: subject.to_string() });
    }
    Ok(envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SignaturesConfig;

    #[test]
    fn a_plugin_is_signed_by_several_and_the_component_is_what_counts() {
        let trust = Trust::open(&SignaturesConfig::default()).unwrap();
        let [ana, bob] = [(); 2].map(|()| PrivateKey::generate().unwrap().0);
        let subject = PluginSubject::of("forest", "1.0.0", b"component");
        let (by_ana, judged) = sign_plugin(&trust, &subject, None, &[ana], 5).unwrap();
        assert_eq!((judged.serial, judged.by.len()), (Some(5), 1));
        let (_, judged) = sign_plugin(&trust, &subject, Some(&by_ana), &[bob], 9).unwrap();
        assert_eq!((judged.serial, judged.by.len()), (Some(5), 2), "the statement stays");
        let other = PluginSubject::of("forest", "1.0.0", b"another component");
        let refused = sign_plugin(&trust, &other, Some(&by_ana), &[], 5).unwrap_err().to_string();
        assert!(refused.contains("the signed statement is about the plugin forest 1.0.0"), "{refused}");
    }
}
