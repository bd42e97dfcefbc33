//! `synod models push` and `pull`.

use super::bundle::{bundle, show_arrival, take};
use crate::cli::{Calling, Format, PullModel, PushModel};
use crate::command::audit::print_json;
use crate::command::installation::Installation;
use crate::command::{CommandError, progress};
use crate::oci::{Access, Credential, OciError, Reference, ReferenceMistake};
use serde_json::json;
use std::future::Future;
use tokio::runtime::Builder;

pub(super) fn push(arguments: &PushModel) -> Result<(), CommandError> {
    let (version, reference) = match arguments.what_and_where.as_slice() {
        [reference] => ("live", reference),
        [version, reference] => (version.as_str(), reference),
        _ => return Err(CommandError::Usage("write DETECTOR [VERSION] oci://HOST/REPOSITORY[:TAG]".into())),
    };
    let reference: Reference = reference.parse()?;
    let access = access(&reference, &arguments.calling)?;
    let at = Installation::open(&arguments.common)?;
    let (bundle, published) = bundle(&at, &arguments.detector, version)?;
    let signed = bundle.signatures.is_some();
    let bar = progress::transferring("pushing");
    let pushed = wait(reference.push_version(&access, bundle, &|done, all| progress::update(&bar, (done, all))));
    bar.finish_and_clear();
    let pinned = reference.pinned(&pushed?);
    match arguments.format {
        Format::Json => print_json(&json!({
            "detector": arguments.detector,
            "version": published.version,
            "reference": reference.to_string(),
            "pinned": pinned.to_string(),
            "signed": signed,
        })),
        Format::Table => {
            println!("{}: version {} is at {reference}{}", arguments.detector, published.version, if signed { "" } else { ", unsigned" });
            println!("To get this version and no other: synod models pull {pinned}");
            Ok(())
        }
    }
}

pub(super) fn pull(arguments: &PullModel) -> Result<(), CommandError> {
    let reference: Reference = arguments.reference.parse()?;
    let access = access(&reference, &arguments.calling)?;
    let at = Installation::open(&arguments.common)?;
    let bar = progress::transferring("pulling");
    let pulled = wait(reference.pull_version(&access, &|done, all| progress::update(&bar, (done, all))));
    bar.finish_and_clear();
    let (bundle, digest) = pulled?;
    let pinned = reference.pinned(&digest);
    let arrived = take(&at, bundle, &arguments.taking, "pull", &reference.to_string())?;
    match arguments.format {
        Format::Json => print_json(&json!({
            "detector": arrived.detector,
            "version": arrived.published.version,
            "sha256": arrived.published.digest,
            "pinned": pinned.to_string(),
            "signatures": { "state": arrived.judged.state, "serial": arrived.judged.serial, "by": arrived.judged.by },
        })),
        Format::Table => {
            show_arrival(&arrived);
            if reference.digest().is_none() {
                println!("To get this version and no other: {pinned}");
            }
            Ok(())
        }
    }
}

/// How the registry is called.
pub(in crate::command) fn access(reference: &Reference, calling: &Calling) -> Result<Access, CommandError> {
    let credential = match calling.username.as_ref().zip(calling.password_file.as_ref()) {
        Some((name, password)) => Some(Credential::of_file(name, password)?),
        None => Credential::of_docker(reference)?,
    };
    Ok(Access { credential, root: calling.ca.clone(), insecure: calling.insecure })
}

pub(in crate::command) fn wait<T>(work: impl Future<Output = Result<T, OciError>>) -> Result<T, CommandError> {
    let runtime = Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| CommandError::Failed(format!("cannot start a runtime: {error}")))?.block_on(work)?)
}

impl From<ReferenceMistake> for CommandError {
    fn from(mistake: ReferenceMistake) -> Self {
        Self::Usage(mistake.to_string())
    }
}

impl From<OciError> for CommandError {
    fn from(error: OciError) -> Self {
        let text = crate::command::chain(&error);
        match error {
            OciError::Client(_) | OciError::Password(_) | OciError::Docker { .. } => Self::Usage(text),
            OciError::Digest { .. } | OciError::Shape(_) | OciError::Bundle(_) => Self::Data(text),
            _ => Self::Failed(text),
        }
    }
}
