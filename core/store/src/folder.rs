//! A new folder of files, which appears whole or not at all.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use thiserror::Error;

/// Why there is no new folder. What was begun is removed.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Something is there already, and is left alone.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// A file's path leads out of the folder.
    #[error("{} is no path within a folder", .0.display())]
    Outside(PathBuf),
    /// The disk does not take it.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Writes files into a folder that is not there yet, or is empty. Folders above it are made.
///
/// # Errors
/// When something is there already, a path leads out of the folder, or the disk does not take it.
pub fn write_new_folder(folder: &Path, files: &[(String, String)]) -> Result<(), FolderError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Write { path, source }
    };
    // A name of the folder's own, whatever `.` and a missing parent would make of it.
    let target = std::path::absolute(folder).map_err(failed(folder))?;
    if !is_free(&target).map_err(failed(folder))? {
        return Err(FolderError::Exists(folder.to_owned()));
    }
    if let Some(outside) = files.iter().map(|(path, _)| Path::new(path)).find(|path| !is_within(path)) {
        return Err(FolderError::Outside(outside.to_owned()));
    }
    let parent = target.parent().unwrap_or(&target);
    fs::create_dir_all(parent).map_err(failed(parent))?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let draft = parent.join(name);
    let placed = fill(&draft, files).and_then(|()| place(&draft, &target).map_err(failed(folder)));
    // What is left of it: nothing, if it has become the folder itself.
    let _ = fs::remove_dir_all(&draft);
    placed
}

/// The draft becomes the folder. One that is there stays the same folder, for somebody may stand in it.
fn place(draft: &Path, target: &Path) -> io::Result<()> {
    if !target.is_dir() {
        return fs::rename(draft, target);
    }
    for entry in fs::read_dir(draft)? {
        let entry = entry?;
        fs::rename(entry.path(), target.join(entry.file_name()))?;
    }
    Ok(())
}

fn is_free(folder: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => Ok(fs::read_dir(folder)?.next().is_none()),
        Ok(_) => Ok(false),
    }
}

fn is_within(path: &Path) -> bool {
    path.components().all(|component| matches!(component, Component::Normal(_))) && path.file_name().is_some()
}

fn fill(draft: &Path, files: &[(String, String)]) -> Result<(), FolderError> {
    fs::create_dir(draft).map_err(|source| FolderError::Write { path: draft.to_owned(), source })?;
    for (path, text) in files {
        let path = draft.join(path);
        let folder = path.parent().unwrap_or(draft);
        fs::create_dir_all(folder).and_then(|()| fs::write(&path, text)).map_err(|source| FolderError::Write { path, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> Vec<(String, String)> {
        paths.iter().map(|path| ((*path).to_owned(), format!("of {path}"))).collect()
    }

    #[test]
    fn it_is_written_whole_into_a_place_that_is_free() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        write_new_folder(&folder, &files(&["one", "c/two"])).unwrap();
        assert_eq!(fs::read_to_string(folder.join("c/two")).unwrap(), "of c/two");
        assert!(matches!(write_new_folder(&folder, &files(&["one"])), Err(FolderError::Exists(_))));
        assert_eq!(fs::read_dir(parent.path().join("a")).unwrap().count(), 1, "no draft is left");

        let empty = parent.path().join("empty");
        fs::create_dir(&empty).unwrap();
        write_new_folder(&empty, &files(&["one", "c/two"])).unwrap();
        assert_eq!(fs::read_to_string(empty.join("c/two")).unwrap(), "of c/two");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2, "no draft is left");
        fs::write(parent.path().join("file"), "mine").unwrap();
        assert!(matches!(write_new_folder(&parent.path().join("file"), &files(&["one"])), Err(FolderError::Exists(_))));
        assert_eq!(fs::read_to_string(parent.path().join("file")).unwrap(), "mine");
    }

    #[test]
    fn nothing_is_written_outside_of_it() {
        let parent = tempfile::tempdir().unwrap();
        for path in ["../out", "/tmp/out", "a/../../out", "", "."] {
            let error = write_new_folder(&parent.path().join("new"), &files(&["one", path]));
            assert!(matches!(error, Err(FolderError::Outside(_))), "{path}");
        }
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn what_stands_in_the_way_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", parent.path().join("link")).unwrap();
        assert!(matches!(write_new_folder(&parent.path().join("link"), &files(&["one"])), Err(FolderError::Exists(_))));
        // A name that is a file and a folder cannot be written.
        assert!(matches!(write_new_folder(&parent.path().join("new"), &files(&["a", "a/b"])), Err(FolderError::Write { .. })));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "the draft is removed");
    }
}
