//! Who vouches for a version, in a file beside its manifest, and the highest serial that was ever taken. What stands in the file is the gateway's
//! business; here it is kept whole and small.

use super::{LabelAct, Registry, RegistryError, manifest_path, write};
use crate::draft;
use std::path::{Path, PathBuf};

/// Most bytes of a version's signatures.
pub const LARGEST_SIGNATURES: u64 = 64 << 10;

/// That a version came from elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The version that it is here.
    pub version: u64,
    /// Its serial, if somebody who is trusted has signed it.
    pub serial: Option<u64>,
    /// Whether it may be older than what came before.
    pub older: bool,
    /// Who takes it.
    pub by: &'a str,
    /// One word for it: `import`, `pull`.
    pub act: &'a str,
    /// More about it, for the audit.
    pub about: &'a str,
}

impl Registry {
    /// The signatures of a version; none if nobody has signed it.
    ///
    /// # Errors
    /// When they cannot be read, are no regular file, or too many.
    pub fn signatures(&self, detector: &str, version: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let path = signatures_path(&self.folder(detector)?, version);
        draft::read_regular_at_most(&path, LARGEST_SIGNATURES).map_err(|source| RegistryError::Read { path, source })
    }

    /// Replaces the signatures of a version, at once and so that it survives a power failure.
    ///
    /// # Errors
    /// When there is no such version, there are too many bytes, or the disk fails.
    pub fn put_signatures(&self, detector: &str, version: u64, bytes: &[u8]) -> Result<(), RegistryError> {
        if bytes.len() as u64 > LARGEST_SIGNATURES {
            return Err(RegistryError::Signatures { detector: detector.to_owned(), bytes: bytes.len(), most: LARGEST_SIGNATURES });
        }
        let folder = self.folder(detector)?;
        let _lock = self.lock()?;
        match manifest_path(&folder, version).is_file() {
            true => write(&signatures_path(&folder, version), bytes),
            false => Err(RegistryError::NoVersion { detector: detector.to_owned(), version }),
        }
    }

    /// The highest serial that was ever taken from elsewhere, or given here; none if there was none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn highest_serial(&self, detector: &str) -> Result<Option<u64>, RegistryError> {
        Ok(self.labels_of(detector)?.serial)
    }

    /// Refuses a serial that is not above all that were taken.
    ///
    /// # Errors
    /// When it is not, or it cannot be read which was taken.
    pub fn must_be_newer(&self, detector: &str, serial: u64) -> Result<(), RegistryError> {
        must_be_newer(detector, serial, self.highest_serial(detector)?)
    }

    /// Makes what came from elsewhere the candidate, and remembers its serial: both or neither.
    ///
    /// # Errors
    /// When it is not newer than what was taken before and need be, or the labels cannot be written.
    pub fn take(&self, detector: &str, arrival: &Arrival<'_>) -> Result<(), RegistryError> {
        let Arrival { version, serial, older, by, act, about } = *arrival;
        self.move_labels(&[detector], |_, labels| {
            if let Some(serial) = serial.filter(|_| !older) {
                must_be_newer(detector, serial, labels.serial)?;
            }
            labels.serial = labels.serial.max(serial);
            let from = labels.propose(Some(version), by);
            labels.note_act(LabelAct { from, to: Some(version), about: Some(about.to_owned()), ..LabelAct::new(by, act) });
            Ok(())
        })
    }

    /// Notes that a version was signed here, with this serial.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_signed(&self, detector: &str, version: u64, serial: u64, by: &str, about: &str) -> Result<(), RegistryError> {
        self.move_labels(&[detector], |_, labels| {
            labels.serial = labels.serial.max(Some(serial));
            labels.note_act(LabelAct { to: Some(version), about: Some(about.to_owned()), ..LabelAct::new(by, "sign") });
            Ok(())
        })
    }

    /// Notes that something was not done with a version (or with what would have become one), and why.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_refused(&self, detector: &str, version: Option<u64>, by: &str, act: &str, why: &str) -> Result<(), RegistryError> {
        self.move_labels(&[detector], |_, labels| {
            labels.note_act(LabelAct { to: version, about: Some(why.to_owned()), refused: true, ..LabelAct::new(by, act) });
            Ok(())
        })
    }
}

pub(super) fn signatures_path(folder: &Path, version: u64) -> PathBuf {
    folder.join(format!("{version}.signatures.json"))
}

fn must_be_newer(detector: &str, serial: u64, highest: Option<u64>) -> Result<(), RegistryError> {
    match highest.filter(|highest| serial <= *highest) {
        None => Ok(()),
        Some(highest) => Err(RegistryError::Older { detector: detector.to_owned(), serial, highest }),
    }
}
