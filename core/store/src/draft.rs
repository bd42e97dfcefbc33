//! Files that appear whole or not at all: a draft beside the target is written, synced and renamed over it, and the folder is synced.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whom the process' file mode mask allows.
    Usual,
    /// The owner alone.
    Owner,
}

/// A file in the making. Dropped before [`Draft::place`], it is removed and the target is as it was.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    path: PathBuf,
    target: PathBuf,
    placed: bool,
}

impl Draft {
    /// Opens a new, empty file in the folder of `target`.
    pub(crate) fn create(target: &Path, readers: Readers) -> io::Result<Self> {
        let path = draft_path(target)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        restrict(&mut options, readers);
        let file = options.open(&path)?;
        Ok(Self { file, path, target: target.to_owned(), placed: false })
    }

    /// Makes the draft the target, replacing what was there. Once it returns, this survives a power failure.
    pub(crate) fn place(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        self.placed = true;
        sync_folder(folder_of(&self.target))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.placed {
            // What stays behind is ignored by every reader and removed by the next writer.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Replaces `target` by a file with these bytes, atomically and durably.
pub(crate) fn write(target: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut draft = Draft::create(target, readers)?;
    draft.write_all(bytes)?;
    draft.place()
}

/// Removes the drafts that interrupted writers left in a folder. The caller holds the lock under which drafts are made there.
pub(crate) fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if is_draft(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Creates a folder, if it is not there, that only its owner can enter. The parent must exist.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens the file that a lock is taken on. What it holds does not matter.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    restrict(&mut options, Readers::Owner);
    options.open(path)
}

/// Reads a file; none if there is nothing. A link, a folder or a pipe under this name is an error: what the registry and the cache wrote
/// are regular files.
pub(crate) fn read_regular(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => fs::read(path).map(Some),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// As [`read_regular`], of a file that others may have put there: no more is read than `most` bytes, and no link is followed even if it takes the
/// file's place in between.
pub(crate) fn read_regular_at_most(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        // A pipe under this name must not make the reader wait.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is a link, and not a regular file ({error})")));
        }
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {most} bytes"))),
        false => Ok(Some(bytes)),
    }
}

fn draft_path(target: &Path) -> io::Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path does not name a file"))?;
    let mut draft = OsString::from(".");
    draft.push(name);
    draft.push(format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    Ok(folder_of(target).join(draft))
}

fn is_draft(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Without this a rename may be undone by a power failure. Only Unix can open a folder to sync it.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg_attr(not(unix), allow(unused_variables))]
fn restrict(options: &mut OpenOptions, readers: Readers) {
    #[cfg(unix)]
    if readers == Readers::Owner {
        std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_that_is_dropped_leaves_the_target_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("live");
        write(&target, b"old", Readers::Usual).unwrap();
        let mut draft = Draft::create(&target, Readers::Usual).unwrap();
        draft.write_all(b"half of the new").unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        drop(draft);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_are_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".live.77-0.tmp", ".lock", "live", "notes.tmp"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_leftovers(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".lock", "live", "notes.tmp"]);
    }

    #[cfg(unix)]
    #[test]
    fn of_what_others_may_have_put_there_little_is_read_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signatures");
        assert_eq!(read_regular_at_most(&path, 3).unwrap(), None);
        fs::write(&path, "123").unwrap();
        assert_eq!(read_regular_at_most(&path, 3).unwrap().as_deref(), Some(&b"123"[..]));
        assert!(read_regular_at_most(&path, 2).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(read_regular_at_most(&link, 3).unwrap_err().to_string().contains("a link"));
        assert!(read_regular_at_most(folder.path(), 3).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("key");
        write(&target, b"secret", Readers::Owner).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
