//! Who vouches for a version. What is signed is a statement (`statement.rs`) of the detector, the digests of manifest, model and plugin, and a
//! serial that grows; it stands in an envelope (`envelope.rs`) with one signature or several, by keys that openssl makes and reads (`key.rs`).
//! Whose signatures count is what the configuration says in `models.signatures` (`trust.rs`).
//!
//! What is checked is what is used: a version is read once, compared with its digests, and judged in memory ([`load`]). The plugin is compared with
//! the digest in the manifest where it is loaded. Replays do not come this way: they judge what was decided long ago by what decided then, whoever
//! is trusted today, and decide nothing.

mod envelope;
mod judged;
mod key;
mod plugin;
mod statement;
mod trust;

pub use envelope::{Envelope, EnvelopeError, Signature};
pub use judged::{Judged, SignatureState, Signatures, Signer, SignerState};
pub use key::{KeyError, KeyId, PrivateKey, PublicKey};
pub use plugin::sign_plugin;
pub use statement::{PLUGIN_TYPE, PluginStatement, PluginSubject, Statement, Subject, VERSION_TYPE, serial_after};
pub use trust::{SignatureError, Trust, TrustError};

use crate::config::Config;
use crate::manifest::{Manifest, WrittenManifest};
use synod_store::{Registry, RegistryError, Stored};
use thiserror::Error;

/// Why a version is not used.
#[derive(Debug, Error)]
pub enum VersionError {
    /// It cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It cannot be told whose signatures count.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Nobody who counts vouches for it.
    #[error("version {version}: {source}")]
    Signature {
        /// Which.
        version: u64,
        /// Why not.
        source: SignatureError,
    },
}

/// A version as it was published, if its signatures are as this installation asks for.
///
/// # Errors
/// When it is missing or damaged, or nobody vouches for it who has to.
pub fn load(config: &Config, registry: &Registry, detector: &str, version: u64) -> Result<Stored<Manifest>, VersionError> {
    let (stored, _) = judged(&Trust::open(&config.models.signatures)?, registry, detector, version)?;
    let Stored { version, digest, manifest, artifact } = stored;
    Ok(Stored { version, digest, manifest: manifest.into_manifest(), artifact })
}

/// Whether a version may be used. If nobody vouches for it who has to, that is noted to be audited, as something that was asked for by somebody, in one
/// word.
///
/// # Errors
/// As [`load`].
pub fn vouched(config: &Config, registry: &Registry, detector: &str, version: u64, (by, act): (&str, &str)) -> Result<(), VersionError> {
    let found =
        Trust::open(&config.models.signatures).map_err(VersionError::from).and_then(|trust| judged(&trust, registry, detector, version));
    if let Err(VersionError::Signature { source, .. }) = &found {
        registry.note_refused(detector, Some(version), by, act, &source.to_string())?;
    }
    found.map(|_| ())
}

/// A version as it was published, and what is said of its signatures.
///
/// # Errors
/// As [`load`].
pub fn judged(trust: &Trust, registry: &Registry, detector: &str, version: u64) -> Result<(Stored<WrittenManifest>, Judged), VersionError> {
    let stored: Stored<WrittenManifest> = registry.load(detector, Some(version))?;
    let signatures = registry.signatures(detector, version)?;
    let subject = Subject::of(detector, &stored.manifest, &stored.digest);
    let judged = trust.judge(&subject, signatures.as_deref());
    Ok((stored, judged.map_err(|source| VersionError::Signature { version, source })?))
}

/// What is said of a version's signatures, whether it may be used or not. The model itself is not looked at: its digest is taken as the registry
/// has it.
///
/// # Errors
/// When manifest or signatures cannot be read.
pub fn told(trust: &Trust, registry: &Registry, detector: &str, version: u64) -> Result<Signatures, RegistryError> {
    let (published, manifest) = registry.manifest::<WrittenManifest>(detector, Some(version))?;
    let subject = Subject::of(detector, &manifest, &published.digest);
    Ok(trust.tell(&subject, registry.signatures(detector, version)?.as_deref()))
}
