//! `synod models export` and `import`, and what they share with `push` and `pull`.

use crate::arriving::{ArrivalError, Arrived, Arriving};
use crate::bundle::{Bundle, BundleError};
use crate::cli::{ExportModel, ImportModel, Taking};
use crate::command::installation::Installation;
use crate::command::publishing::user;
use crate::command::{CommandError, chain};
use crate::manifest::{Manifest, WrittenManifest};
use std::fs::File;
use std::io::BufReader;
use synod_store::{Archive, Published, Stored};

pub(super) fn export(arguments: &ExportModel) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.which.common)?;
    let (bundle, published) = bundle(&at, &arguments.which.detector, &arguments.which.version)?;
    let mut bytes = Vec::new();
    bundle.write(&mut bytes).map_err(|error| CommandError::file(&arguments.output, error))?;
    if arguments.output.exists() {
        return Err(CommandError::Usage(format!("{} is there already", arguments.output.display())));
    }
    synod_store::write_file(&arguments.output, &bytes).map_err(|error| CommandError::file(&arguments.output, error))?;
    println!("{}: {} version {}, {} bytes", arguments.output.display(), arguments.which.detector, published.version, bytes.len());
    Ok(())
}

/// A version with all that belongs to it.
pub(super) fn bundle(at: &Installation, detector: &str, version: &str) -> Result<(Bundle, Published), CommandError> {
    let version = at.registry.resolve(detector, version)?;
    let Stored { digest, manifest, artifact, .. }: Stored<WrittenManifest> = at.registry.load(detector, Some(version))?;
    let plugin = plugin(at, manifest.manifest())?;
    let published = Published { version, digest, size: artifact.len() as u64 };
    let signatures = at.registry.signatures(detector, version)?;
    Ok((Bundle { manifest, model: artifact, plugin, signatures }, published))
}

/// The component that fitted a model: from the archive, or from the file that is configured.
pub(super) fn plugin(at: &Installation, manifest: &Manifest) -> Result<Vec<u8>, CommandError> {
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
    let bundle = Bundle::read(BufReader::new(file)).map_err(|error| refused(arguments, &error))?;
    show_arrival(&take(&at, bundle, &arguments.taking, "import", &arguments.file.display().to_string())?);
    Ok(())
}

fn refused(arguments: &ImportModel, error: &BundleError) -> CommandError {
    CommandError::Data(format!("{}: {error}", arguments.file.display()))
}

/// Takes a version that came from there.
pub(super) fn take(at: &Installation, bundle: Bundle, taking: &Taking, act: &str, from: &str) -> Result<Arrived, CommandError> {
    let arriving = Arriving {
        config: &at.config,
        registry: &at.registry,
        archive: &Archive::open(&at.directory)?,
        by: &user(),
        act,
        detector: taking.detector.as_deref(),
        older: taking.allow_older,
    };
    arriving.take(bundle).map_err(|error| match error {
        ArrivalError::Trust(error) => CommandError::Usage(error.to_string()),
        error if error.is_refusal() => CommandError::Data(format!("{from}: {error}")),
        error => CommandError::Failed(format!("{from}: {}", chain(&error))),
    })
}

/// Says what has come, and what comes next.
pub(super) fn show_arrival(Arrived { detector, published, judged, signed_as }: &Arrived) {
    println!(
        "{detector}: version {} ({}) is the candidate: {}",
        published.version,
        crate::engine::short(&published.digest),
        judged.words()
    );
    if let Some(name) = signed_as {
        println!("It was signed for the detector `{name}`; those signatures say nothing about `{detector}`, and are not kept.");
    }
    println!("It judges nothing until it is promoted: synod models promote {detector}={}", published.version);
}
