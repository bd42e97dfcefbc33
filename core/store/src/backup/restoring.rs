//! Putting a backup back: into a draft first, which takes its place once it is known to be whole.

use super::reading::{Keeper, read};
use super::{Backup, BackupError, BackupStatement};
use crate::data_directory::{DataDirectory, DataDirectoryError};
use crate::draft::{create_folder, sync_folder};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What may lie in a place that counts as empty: the folder that file systems keep for their own repairs.
const NOTHING: &str = "lost+found";
/// What has to stay free beside the files, for names and folders.
const ROOM: u64 = 16 << 20;

/// A backup that was unpacked beside the place where it is to be, and checked. Dropped before [`Restored::place`], it is removed.
#[derive(Debug)]
pub struct Restored {
    draft: PathBuf,
    target: PathBuf,
    /// Whether the target is there already, and the draft within it: a mounted file system cannot be replaced by another folder.
    within: bool,
    placed: bool,
    backup: Option<Backup>,
}

impl Restored {
    /// Unpacks a backup (`-` is the standard input) for a data directory that is not there yet or is empty, and checks all of it. Files are for
    /// their owner alone, and survive a power failure. `progress` is told how many bytes of how many have been unpacked.
    ///
    /// # Errors
    /// When the place is not empty or has too little room, or the backup cannot be read or is not what was written. Nothing is left then.
    pub fn unpack(input: &Path, target: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Self, BackupError> {
        let target = std::path::absolute(target).map_err(|source| unwritten(target, source))?;
        let within = match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(source) => return Err(BackupError::Read { path: target, source }),
            Ok(_) if is_empty(&target)? => true,
            Ok(_) => return Err(BackupError::Occupied(target)),
        };
        let draft = draft_of(&target, within)?;
        let mut restored = Self { draft, target, within, placed: false, backup: None };
        let mut folder = Folder { draft: &restored.draft, file: None };
        let backup = read(input, &mut folder, progress)?;
        sync_folders(&restored.draft)?;
        restored.backup = Some(backup);
        Ok(restored)
    }

    /// What was unpacked.
    ///
    /// # Panics
    /// Never: only what was unpacked is answered by [`Restored::unpack`].
    pub fn backup(&self) -> &Backup {
        self.backup.as_ref().expect("it is set once it is unpacked")
    }

    /// The data directory where it is now, to be looked into before it is placed.
    ///
    /// # Errors
    /// When its layout is that of another version.
    pub fn directory(&self) -> Result<DataDirectory, DataDirectoryError> {
        DataDirectory::open(&self.draft)
    }

    /// Puts it into its place. Once this returns, it survives a power failure.
    ///
    /// # Errors
    /// When something has come to be there meanwhile, or it cannot be renamed.
    pub fn place(mut self) -> Result<(), BackupError> {
        let placed = if self.within { self.place_within() } else { self.rename() };
        placed?;
        self.placed = true;
        sync_folder(parent_of(&self.target)).map_err(|source| unwritten(&self.target, source))
    }

    fn rename(&self) -> Result<(), BackupError> {
        // An empty folder that was made meanwhile is replaced; anything else refuses.
        fs::rename(&self.draft, &self.target).map_err(|source| unwritten(&self.target, source))
    }

    fn place_within(&self) -> Result<(), BackupError> {
        let failed = |source| unwritten(&self.target, source);
        for name in names(&self.draft)? {
            fs::rename(self.draft.join(&name), self.target.join(&name)).map_err(failed)?;
        }
        fs::remove_dir(&self.draft).and_then(|()| sync_folder(&self.target)).map_err(failed)
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        if !self.placed {
            // What stays behind holds secrets, but has no name that anything reads.
            let _ = fs::remove_dir_all(&self.draft);
        }
    }
}

fn unwritten(path: &Path, source: io::Error) -> BackupError {
    BackupError::Write { path: path.to_owned(), source }
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn names(folder: &Path) -> Result<Vec<std::ffi::OsString>, BackupError> {
    let failed = |source| BackupError::Read { path: folder.to_owned(), source };
    fs::read_dir(folder).map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.file_name())).collect()
}

fn is_empty(folder: &Path) -> Result<bool, BackupError> {
    Ok(folder.is_dir() && names(folder)?.iter().all(|name| name == NOTHING))
}

/// Makes the folder to unpack into. Folders above the target are made.
fn draft_of(target: &Path, within: bool) -> Result<PathBuf, BackupError> {
    let draft = if within {
        target.join(format!(".restoring-{}", std::process::id()))
    } else {
        let parent = parent_of(target);
        fs::create_dir_all(parent).map_err(|source| unwritten(parent, source))?;
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".restoring-{}", std::process::id()));
        parent.join(name)
    };
    if fs::symlink_metadata(&draft).is_ok() {
        return Err(BackupError::Occupied(draft));
    }
    create_folder(&draft).map_err(|source| unwritten(&draft, source))?;
    Ok(draft)
}

/// Syncs a folder and those in it, so that the names of the files survive as well.
fn sync_folders(folder: &Path) -> Result<(), BackupError> {
    for name in names(folder)? {
        let path = folder.join(name);
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    sync_folder(folder).map_err(|source| unwritten(folder, source))
}

/// The draft, as the place where files go.
struct Folder<'a> {
    draft: &'a Path,
    /// The file that is being written, with its path.
    file: Option<(BufWriter<File>, PathBuf)>,
}

impl Folder<'_> {
    fn folder_for(&self, path: &str) -> Result<(), BackupError> {
        let mut folder = self.draft.to_owned();
        for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            create_folder(&folder).map_err(|source| unwritten(&folder, source))?;
        }
        Ok(())
    }
}

impl Keeper for Folder<'_> {
    fn begin(&mut self, statement: &BackupStatement) -> Result<(), BackupError> {
        let system =
            rustix::fs::statvfs(self.draft).map_err(|error| BackupError::Read { path: self.draft.to_owned(), source: error.into() })?;
        let (free, needed) = (system.f_bavail.saturating_mul(system.f_frsize), statement.bytes.saturating_add(ROOM));
        match free >= needed {
            true => Ok(()),
            false => Err(BackupError::NoSpace { path: parent_of(self.draft).to_owned(), free, needed }),
        }
    }

    fn file(&mut self, path: &str) -> Result<Box<dyn Write + '_>, BackupError> {
        self.folder_for(path)?;
        let path = self.draft.join(path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|source| unwritten(&path, source))?;
        let (file, _) = self.file.insert((BufWriter::new(file), path));
        Ok(Box::new(file))
    }

    fn complete(&mut self) -> Result<(), BackupError> {
        let Some((file, path)) = self.file.take() else { return Ok(()) };
        let synced = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        synced.map_err(|source| unwritten(&path, source))
    }
}
