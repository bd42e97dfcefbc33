//! What becomes of a version that comes from elsewhere: by a file, by a request, from a registry. Whoever has to vouches for it, and it is newer than all
//! that came before; then it is published as the next version here, and is the candidate. Nothing is kept of what is refused but that it was.

use crate::bundle::Bundle;
use crate::config::Config;
use crate::manifest::WrittenManifest;
use crate::signing::{Judged, SignatureError, Subject, Trust, TrustError};
use synod_store::{Archive, ArchiveError, Arrival, Published, Registry, RegistryError};
use thiserror::Error;

/// Why a version is not taken.
#[derive(Debug, Error)]
pub enum ArrivalError {
    /// It cannot be told whose signatures count.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Nobody who counts vouches for it.
    #[error("it is not taken: {0}")]
    Signature(#[from] SignatureError),
    /// It is signed for a detector of another name.
    #[error(
        "it is signed for the detector `{signed}`, and as `{wanted}` nobody vouches for it, which `models.signatures.required` asks for: take it as \
         `{signed}`, or have it signed as `{wanted}`"
    )]
    Renamed {
        /// The name in its manifest.
        signed: String,
        /// The name that it should have here.
        wanted: String,
    },
    /// The manifest cannot be written.
    #[error("the manifest cannot be written: {0}")]
    Manifest(#[from] serde_json::Error),
    /// It cannot be kept, or is older than what came before.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Its plugin cannot be kept.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl ArrivalError {
    /// Whether it is refused for what it is, and not for want of room or of a mended configuration.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Signature(_) | Self::Renamed { .. } | Self::Registry(RegistryError::Older { .. }))
    }
}

/// What was taken.
#[derive(Debug)]
pub struct Arrived {
    /// The detector's name here.
    pub detector: String,
    /// Which version it is here.
    pub published: Published,
    /// What is said of its signatures.
    pub judged: Judged,
    /// The name that its signatures, which are not kept, were made for.
    pub signed_as: Option<String>,
}

/// Where versions come to, and how.
#[derive(Debug)]
pub struct Arriving<'a> {
    /// Whose signatures count.
    pub config: &'a Config,
    /// Where versions are kept.
    pub registry: &'a Registry,
    /// Where plugins are kept.
    pub archive: &'a Archive,
    /// Who takes it.
    pub by: &'a str,
    /// One word for it: `import`, `pull`, `upload`.
    pub act: &'a str,
    /// What the detector is called here, if not as in the manifest.
    pub detector: Option<&'a str>,
    /// Whether it may be older than what came before.
    pub older: bool,
}

impl Arriving<'_> {
    /// Takes a version.
    ///
    /// # Errors
    /// Why it is not taken. If that is for what it is, it is noted to be audited.
    pub fn take(&self, bundle: Bundle) -> Result<Arrived, ArrivalError> {
        let own = bundle.manifest.manifest().detector.clone();
        let detector = self.detector.map_or(own, str::to_owned);
        let taken = self.checked(bundle, &detector);
        if let Err(error) = &taken
            && error.is_refusal()
            && self.config.all_detectors().any(|known| known.name == detector)
        {
            self.registry.note_refused(&detector, None, self.by, self.act, &error.to_string())?;
        }
        taken
    }

    fn checked(&self, bundle: Bundle, detector: &str) -> Result<Arrived, ArrivalError> {
        let trust = Trust::open(&self.config.models.signatures)?;
        let (bundle, signed_as) = renamed(&trust, bundle, detector)?;
        let Bundle { manifest, model, plugin, signatures } = bundle;
        let subject = Subject::of(detector, &manifest, &crate::hexadecimal::digest_of_bytes(&model));
        let judged = trust.judge(&subject, signatures.as_deref())?;
        if let Some(serial) = judged.proven_serial().filter(|_| !self.older) {
            self.registry.must_be_newer(detector, serial)?;
        }
        let published = self.keep(detector, &manifest, &model, &plugin, signatures.as_deref(), &judged)?;
        Ok(Arrived { detector: detector.to_owned(), published, judged, signed_as })
    }

    fn keep(
        &self,
        detector: &str,
        manifest: &WrittenManifest,
        model: &[u8],
        plugin: &[u8],
        signatures: Option<&[u8]>,
        judged: &Judged,
    ) -> Result<Published, ArrivalError> {
        self.archive.put(plugin)?;
        let published = self.registry.publish(detector, model, |_| manifest)?;
        if let Some(signatures) = signatures {
            self.registry.put_signatures(detector, published.version, signatures)?;
        }
        let serial = judged.proven_serial();
        let highest = self.registry.highest_serial(detector)?;
        let about = match serial.zip(highest).filter(|(serial, highest)| serial <= highest) {
            Some((_, highest)) => format!("{}, although {highest} was taken before (--allow-older)", judged.words()),
            None => judged.words(),
        };
        let arrival = Arrival { version: published.version, serial, older: self.older, by: self.by, act: self.act, about: &about };
        // Where another one came first meanwhile, this is a version without a label.
        self.registry.take(detector, &arrival)?;
        Ok(published)
    }
}

/// The bundle for a detector of this name. What was signed for another name is not signed for this one.
fn renamed(trust: &Trust, mut bundle: Bundle, detector: &str) -> Result<(Bundle, Option<String>), ArrivalError> {
    let own = bundle.manifest.manifest().detector.clone();
    if own == detector {
        return Ok((bundle, None));
    }
    bundle.manifest = bundle.manifest.renamed(detector)?;
    let signed = bundle.signatures.take().is_some();
    if signed && trust.is_required() {
        return Err(ArrivalError::Renamed { signed: own, wanted: detector.to_owned() });
    }
    Ok((bundle, signed.then_some(own)))
}
