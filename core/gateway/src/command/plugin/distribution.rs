//! `synod plugin sign`, `push` and `pull`: a component with those who vouch for it, in a file beside it and in an OCI registry.

use super::{CommandError, host, read};
use crate::cli::{PullPlugin, PushPlugin, SignPlugin};
use crate::command::audit::print_json;
use crate::command::models::{access, key, wait};
use crate::command::progress;
use crate::config::{self, SignaturesConfig, usual_trial};
use crate::oci::{PluginBundle, Reference};
use crate::signing::{Judged, PluginSubject, Trust, serial_after, sign_plugin};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use synod_host::HostSettings;

pub(super) fn sign(arguments: &SignPlugin) -> Result<(), CommandError> {
    let nobody = Trust::open(&SignaturesConfig::default())?;
    let keys = arguments.key.iter().map(|path| key(&nobody, path)).collect::<Result<Vec<_>, _>>()?;
    let subject = subject(&read(&arguments.component)?, &arguments.component.display().to_string())?;
    let beside = signatures_of(&arguments.component);
    let known = known(&beside)?;
    let refused = |error| CommandError::Data(format!("{}: {error}", beside.display()));
    let (signatures, judged) = sign_plugin(&nobody, &subject, known.as_deref(), &keys, serial_after(None)).map_err(refused)?;
    synod_store::write_file(&beside, &signatures).map_err(|error| CommandError::file(&beside, error))?;
    println!("{}: {subject}, serial {}", beside.display(), judged.serial.unwrap_or_default());
    judged.by.iter().for_each(|signer| println!("signed by {}", signer.key));
    Ok(())
}

pub(super) fn push(arguments: &PushPlugin) -> Result<(), CommandError> {
    let reference: Reference = arguments.reference.parse()?;
    let access = access(&reference, &arguments.calling)?;
    let component = read(&arguments.component)?;
    let subject = subject(&component, &arguments.component.display().to_string())?;
    let signatures = known(&signatures_of(&arguments.component))?;
    // What is not about this component would be refused by everybody who pulls it.
    let judged =
        judged(&Trust::open(&SignaturesConfig::default())?, &subject, signatures.as_deref(), &arguments.component.display().to_string())?;
    let bar = progress::transferring("pushing");
    let named = (subject.name.as_str(), subject.version.as_str());
    let bundle = PluginBundle { component, signatures };
    let pushed = wait(reference.push_plugin(&access, bundle, named, &|done, all| progress::update(&bar, (done, all))));
    bar.finish_and_clear();
    let pinned = reference.pinned(&pushed?);
    if arguments.reporting.is_json() {
        return print_json(&told(&subject, &judged, &pinned));
    }
    println!("{subject} is at {reference}: {}", judged.words());
    println!("To get this component and no other: synod plugin pull {pinned} --output FILE.wasm");
    Ok(())
}

pub(super) fn pull(arguments: &PullPlugin) -> Result<(), CommandError> {
    let reference: Reference = arguments.reference.parse()?;
    let access = access(&reference, &arguments.calling)?;
    let beside = signatures_of(&arguments.output);
    if let Some(there) = [&arguments.output, &beside].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(CommandError::Usage(format!("--output: {} is there already", there.display())));
    }
    let trusting = match &arguments.config {
        Some(path) => config::load(path)?.models.signatures,
        None => SignaturesConfig::default(),
    };
    let trust = Trust::open(&trusting)?;
    let bar = progress::transferring("pulling");
    let pulled = wait(reference.pull_plugin(&access, &|done, all| progress::update(&bar, (done, all))));
    bar.finish_and_clear();
    let (PluginBundle { component, signatures }, digest) = pulled?;
    let (pinned, subject) = (reference.pinned(&digest), subject(&component, &reference.to_string())?);
    let judged = judged(&trust, &subject, signatures.as_deref(), &reference.to_string())?;
    // Signatures first: a component without them would look unsigned.
    for (path, bytes) in [(&beside, signatures.as_deref()), (&arguments.output, Some(component.as_slice()))] {
        let Some(bytes) = bytes else { continue };
        synod_store::write_file(path, bytes).map_err(|error| CommandError::file(path, error))?;
    }
    if arguments.reporting.is_json() {
        return print_json(&told(&subject, &judged, &pinned));
    }
    println!("{}: {subject}: {}", arguments.output.display(), judged.words());
    if reference.digest().is_none() {
        println!("To get this component and no other: {pinned}");
    }
    Ok(())
}

/// What a component says that it is. It is compiled for that, in a process of its own.
fn subject(component: &[u8], from: &str) -> Result<PluginSubject, CommandError> {
    let host = host(HostSettings::default(), usual_trial().compile)?;
    let plugin =
        host.load(component).map_err(|error| CommandError::Data(format!("{from}: it is no plugin: {}", crate::command::chain(&error))))?;
    let description = plugin.description();
    Ok(PluginSubject::of(&description.name, &description.version, component))
}

fn judged(trust: &Trust, subject: &PluginSubject, signatures: Option<&[u8]>, from: &str) -> Result<Judged, CommandError> {
    trust.judge_plugin(subject, signatures).map_err(|error| CommandError::Data(format!("{from}: it is not taken: {error}")))
}

fn told(subject: &PluginSubject, judged: &Judged, pinned: &Reference) -> serde_json::Value {
    json!({
        "plugin": subject.name,
        "version": subject.version,
        "sha256": subject.component,
        "pinned": pinned.to_string(),
        "signatures": { "state": judged.state, "serial": judged.serial, "by": judged.by },
    })
}

/// Where the signatures of a component are: NAME.signatures.json beside NAME.wasm.
fn signatures_of(component: &Path) -> PathBuf {
    component.with_extension("signatures.json")
}

fn known(path: &Path) -> Result<Option<Vec<u8>>, CommandError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CommandError::file(path, error)),
    }
}
