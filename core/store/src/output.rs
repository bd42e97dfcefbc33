//! Files that people name: what comes out of the commands.

use crate::draft::{self, Draft, Readers};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file whole, replacing what was there only when it is complete. `-` is the standard output; a device or a pipe is written to as
/// it is.
///
/// # Errors
/// When it cannot be written. The error does not name the path; the caller has it.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut output = Output::create(path)?;
    output.write_all(bytes)?;
    output.place()
}

/// Writes a file whole that its owner alone can read, replacing what was there only when it is complete. For secrets; there is no standard output.
///
/// # Errors
/// When it cannot be written. The error does not name the path; the caller has it.
pub fn write_private_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    draft::write(path, bytes, Readers::Owner)
}

/// A file that is being written under a name that a person gave. Dropped before [`Output::place`], it leaves what was there.
#[derive(Debug)]
pub(crate) enum Output {
    Draft(Draft),
    /// A device or a pipe, which cannot be replaced by a rename.
    Direct(File),
    Standard(io::Stdout),
}

impl Output {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Self::create_for(path, Readers::Usual)
    }

    /// As [`Output::create`], for these readers.
    pub(crate) fn create_for(path: &Path, readers: Readers) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Standard(io::stdout()));
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
            Ok(metadata) if !metadata.is_file() => fs::OpenOptions::new().write(true).open(path).map(Self::Direct),
            _ => Draft::create(path, readers).map(Self::Draft),
        }
    }

    pub(crate) fn is_standard(&self) -> bool {
        matches!(self, Self::Standard(_))
    }

    /// Puts the complete file under its name.
    pub(crate) fn place(self) -> io::Result<()> {
        match self {
            Self::Draft(draft) => draft.place(),
            Self::Direct(mut file) => file.flush(),
            Self::Standard(mut output) => output.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Draft(file) => file.write(bytes),
            Self::Direct(file) => file.write(bytes),
            Self::Standard(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Draft(file) => file.flush(),
            Self::Direct(file) => file.flush(),
            Self::Standard(output) => output.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_its_owners_alone_also_where_one_was_that_others_could_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_replaced_and_a_folder_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synod.yaml");
        write_file(&path, b"old").unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(write_file(folder.path(), b"new").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }
}
