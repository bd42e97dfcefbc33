//! `synod models export` and `import`.

use super::named;
use crate::bundle::{Bundle, BundleError};
use crate::cli::{ExportModel, ImportModel};
use crate::command::CommandError;
use crate::command::installation::Installation;
use crate::command::publishing::user;
use crate::manifest::Manifest;
use std::fs::File;
use std::io::BufReader;
use synod_store::{Archive, Stored};

pub(super) fn export(arguments: &ExportModel) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.which.common)?;
    let (published, _) = named(&at, &arguments.which)?;
    let stored: Stored<Manifest> = at.registry.load(&arguments.which.detector, Some(published.version))?;
    let plugin = plugin(&at, &stored.manifest)?;
    let bundle = Bundle { manifest: stored.manifest, model: stored.artifact, plugin };
    let mut bytes = Vec::new();
    bundle.write(&mut bytes).map_err(|error| CommandError::file(&arguments.output, error))?;
    if arguments.output.exists() {
        return Err(CommandError::Usage(format!("{} is there already", arguments.output.display())));
    }
    synod_store::write_file(&arguments.output, &bytes).map_err(|error| CommandError::file(&arguments.output, error))?;
    println!("{}: {} version {}, {} bytes", arguments.output.display(), arguments.which.detector, published.version, bytes.len());
    Ok(())
}

/// The component that fitted a model: from the archive, or from the file that is configured.
fn plugin(at: &Installation, manifest: &Manifest) -> Result<Vec<u8>, CommandError> {
    let wanted = &manifest.plugin.sha256;
    if let Ok(archived) = Archive::open(&at.directory)?.get(wanted) {
        return Ok(archived);
    }
    let configured = at.config.all_detectors().filter_map(|detector| std::fs::read(&detector.plugin).ok());
    let same = |bytes: &Vec<u8>| crate::hexadecimal::digest_of_bytes(bytes) == *wanted;
    configured.into_iter().find(same).ok_or_else(|| {
        CommandError::Failed(format!("the plugin {wanted} that fitted the model is neither in the archive nor in the configuration"))
    })
}

pub(super) fn import(arguments: &ImportModel) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let file = File::open(&arguments.file).map_err(|error| CommandError::file(&arguments.file, error))?;
    let Bundle { mut manifest, model, plugin } = Bundle::read(BufReader::new(file)).map_err(|error| refused(arguments, &error))?;
    manifest.detector.clone_from(arguments.detector.as_ref().unwrap_or(&manifest.detector.clone()));
    let detector = manifest.detector.clone();
    Archive::open(&at.directory)?.put(&plugin)?;
    let published = at.registry.publish(&detector, &model, |_| &manifest)?;
    at.registry.propose(&detector, Some(published.version), &user())?;
    println!("{detector}: version {} ({}) is the candidate", published.version, crate::engine::short(&published.digest));
    println!("It judges nothing until it is promoted: synod models promote {detector}={}", published.version);
    Ok(())
}

fn refused(arguments: &ImportModel, error: &BundleError) -> CommandError {
    CommandError::Data(format!("{}: {error}", arguments.file.display()))
}
