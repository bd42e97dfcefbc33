//! `synod models keygen`, `sign` and `verify`.

use super::bundle::plugin;
use crate::cli::{Format, MakeKey, OneModel, SignModel};
use crate::command::audit::print_json;
use crate::command::installation::Installation;
use crate::command::publishing::user;
use crate::command::{CommandError, chain};
use crate::manifest::WrittenManifest;
use crate::signing::{
    Envelope, EnvelopeError, Judged, KeyError, PrivateKey, SignatureError, SignatureState, Signatures, Statement, Subject, Trust,
    serial_after, told,
};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use synod_store::Stored;

pub(super) fn keygen(arguments: &MakeKey) -> Result<(), CommandError> {
    if arguments.output.symlink_metadata().is_ok() {
        return Err(CommandError::Usage(format!(
            "--output: {} is there already, and a key is not overwritten",
            arguments.output.display()
        )));
    }
    let (key, text) = PrivateKey::generate()?;
    synod_store::write_private_file(&arguments.output, text.as_bytes()).map_err(|error| CommandError::file(&arguments.output, error))?;
    let failed = |error| CommandError::Failed(format!("standard output: {error}"));
    std::io::stdout().write_all(key.public().pem().as_bytes()).map_err(failed)?;
    eprintln!("{}: the private part, for you alone; the public part is on standard output", arguments.output.display());
    eprintln!("key id: {}", key.public().id());
    Ok(())
}

pub(super) fn sign(arguments: &SignModel) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.which.common)?;
    let keys = keys(&at, &arguments.key)?;
    let detector = &arguments.which.detector;
    let version = at.registry.resolve(detector, &arguments.which.version)?;
    let judged = sign_version(&at, detector, version, &keys, arguments.serial)?;
    println!("{detector}: version {version} is signed: {}", judged.words());
    Ok(())
}

/// The private keys in these files. What they sign would count here.
pub(in crate::command) fn keys(at: &Installation, files: &[PathBuf]) -> Result<Vec<PrivateKey>, CommandError> {
    let trust = Trust::open(&at.config.models.signatures)?;
    files.iter().map(|path| key(&trust, path)).collect()
}

/// The private key in this file. What it signs would count for those who trust so.
pub(in crate::command) fn key(trust: &Trust, path: &Path) -> Result<PrivateKey, CommandError> {
    warn_of_readers(path);
    let key = PrivateKey::open(path)?;
    match trust.useless(key.public()) {
        None => Ok(key),
        Some(why) => Err(CommandError::Usage(format!("{}: what it signs would not count here: {why}", path.display()))),
    }
}

/// A private key that others can read is not private.
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    if path.metadata().is_ok_and(|metadata| metadata.mode() & 0o077 != 0) {
        eprintln!("warning: others can read {}: chmod 600 {0}", path.display());
    }
}

/// Signs a version, beside those who have signed it already. Signatures that would not count here are not kept.
pub(in crate::command) fn sign_version(
    at: &Installation,
    detector: &str,
    version: u64,
    keys: &[PrivateKey],
    serial: Option<u64>,
) -> Result<Judged, CommandError> {
    let trust = Trust::open(&at.config.models.signatures)?;
    let stored: Stored<WrittenManifest> = at.registry.load(detector, Some(version))?;
    let subject = Subject::of(detector, &stored.manifest, &stored.digest);
    let refused = |error: SignatureError| CommandError::Usage(format!("{detector}, version {version} is not signed: {error}"));
    let mut envelope = match at.registry.signatures(detector, version)? {
        Some(known) => {
            continued(&known, &subject, serial).map_err(|why| CommandError::Usage(format!("{detector}, version {version}: {why}")))?
        }
        None => started(at, detector, subject.clone(), serial)?,
    };
    for key in keys {
        envelope.sign(key).map_err(|error| refused(error.into()))?;
    }
    let bytes = envelope.write().map_err(|error| refused(error.into()))?;
    let judged = trust.judge(&subject, Some(&bytes)).map_err(refused)?;
    at.registry.put_signatures(detector, version, &bytes)?;
    let serial = judged.serial.unwrap_or_default();
    for key in keys {
        let about = format!("serial {serial}, by the key {}", key.public().id());
        at.registry.note_signed(detector, version, serial, &user(), &about)?;
    }
    if !trust.is_anybody_trusted() {
        eprintln!("note: no key is trusted here, so that nothing is checked: name whose signatures count in `models.signatures.trusted`");
    }
    Ok(judged)
}

/// A statement that nobody has signed yet.
fn started(at: &Installation, detector: &str, subject: Subject, serial: Option<u64>) -> Result<Envelope, CommandError> {
    let highest = at.registry.highest_serial(detector)?;
    if let Some((serial, highest)) = serial.zip(highest).filter(|(serial, highest)| serial <= highest) {
        return Err(CommandError::Usage(format!("--serial: {serial} is not above {highest}, the highest of this detector")));
    }
    let statement = Statement::new(subject, serial.unwrap_or_else(|| serial_after(highest)));
    statement.envelope().map_err(|error| CommandError::Failed(error.to_string()))
}

/// The statement that others have signed, if it is about this version.
fn continued(known: &[u8], subject: &Subject, serial: Option<u64>) -> Result<Envelope, String> {
    let envelope = Envelope::read(known).map_err(|error: EnvelopeError| error.to_string())?;
    let statement = Statement::read(&envelope)?;
    if statement.subject() != *subject {
        return Err("the signatures beside it are about something else: remove them, and find out who changed what".into());
    }
    match serial.filter(|serial| *serial != statement.serial) {
        None => Ok(envelope),
        Some(_) => Err(format!("--serial: it is signed already, with serial {}", statement.serial)),
    }
}

pub(super) fn verify(arguments: &OneModel) -> Result<(), CommandError> {
    let (at, detector) = (Installation::open(&arguments.which.common)?, &arguments.which.detector);
    let version = at.registry.resolve(detector, &arguments.which.version)?;
    let trust = Trust::open(&at.config.models.signatures)?;
    // Model and manifest are compared by this, and the plugin by the next.
    let stored: Stored<WrittenManifest> = at.registry.load(detector, Some(version)).map_err(|error| CommandError::Data(chain(&error)))?;
    plugin(&at, stored.manifest.manifest()).map_err(|error| CommandError::Data(error.to_string()))?;
    let signatures = told(&trust, &at.registry, detector, version)?;
    match arguments.format {
        Format::Json => {
            let subject = Subject::of(detector, &stored.manifest, &stored.digest);
            print_json(
                &json!({ "version": version, "subject": subject, "signatures": signatures, "usable": signatures.reason.is_none() }),
            )?;
        }
        Format::Table => print!("{}", lines(detector, version, &signatures)),
    }
    match &signatures.reason {
        None => Ok(()),
        Some(reason) => Err(CommandError::Data(format!("{detector}, version {version} is not used: {reason}"))),
    }
}

fn lines(detector: &str, version: u64, signatures: &Signatures) -> String {
    let mut lines = format!("{detector}, version {version}: model and plugin have the digests of the manifest\n");
    if let Some(serial) = signatures.serial {
        lines += &format!("serial {serial}\n");
    }
    for signer in &signatures.by {
        let name = signer.name.as_deref().unwrap_or("-");
        let state = serde_json::to_value(signer.state).ok().and_then(|state| state.as_str().map(str::to_owned)).unwrap_or_default();
        lines += &format!("signed by {} {name}: {state}\n", signer.key);
    }
    match signatures.state {
        SignatureState::Unsigned if signatures.reason.is_none() => {
            lines + "not signed, which `models.signatures.required` does not ask for\n"
        }
        SignatureState::Unjudged => {
            lines + "no key is trusted here (`models.signatures.trusted`), so that the signatures were not checked\n"
        }
        _ => lines,
    }
}

impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Form { .. } => Self::Usage(error.to_string()),
            error => Self::Failed(error.to_string()),
        }
    }
}
