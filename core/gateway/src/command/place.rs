//! Where a command changes a list of the data directory, with a server that runs there or without.

use super::{CommandError, chain};
use crate::auditing::AuditRecord;
use crate::config::Config;
use crate::ledger::audit_alone;
use synod_store::{DataDirectory, DataDirectoryError, ServerLock};

/// A data directory in which a list is changed. A server that runs there notices what is done, and audits it; where none runs, the command does.
pub(super) struct Place {
    pub(super) config: Config,
    pub(super) directory: DataDirectory,
    /// Held where no server runs, so that none starts in between.
    alone: Option<ServerLock>,
}

impl Place {
    pub(super) fn open(config: Config) -> Result<Self, CommandError> {
        let directory = DataDirectory::open(&config.data_directory)?;
        let alone = match directory.lock_exclusive() {
            Ok(lock) => Some(lock),
            Err(DataDirectoryError::InUse { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { config, directory, alone })
    }

    /// As [`Place::open`], of a data directory that is there already.
    pub(super) fn known(config: Config) -> Result<Self, CommandError> {
        must_be_there(&config)?;
        Self::open(config)
    }

    /// Audits what was done, unless a server does.
    pub(super) fn audit(&self, record: &AuditRecord) -> Result<(), CommandError> {
        if self.alone.is_none() {
            return Ok(());
        }
        let target = record.target().unwrap_or("nothing");
        let audited = audit_alone(&self.config, &self.directory, record);
        audited.map_err(|error| CommandError::Failed(format!("it was done to {target}, and cannot be audited: {}", chain(&error))))
    }

    /// Whether a server runs there.
    pub(super) fn is_served(&self) -> bool {
        self.alone.is_none()
    }
}

/// Refuses a data directory that would only be made now.
pub(super) fn must_be_there(config: &Config) -> Result<(), CommandError> {
    match config.data_directory.join("FORMAT").is_file() {
        true => Ok(()),
        false => Err(CommandError::Usage(format!("{} is no data directory", config.data_directory.display()))),
    }
}
