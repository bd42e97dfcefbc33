//! What goes into a backup, gathered in the order that makes it one moment; see [`super`].

use super::{BackupError, BackupStatement, FILES, FORMAT, MOST_FILES, is_known};
use crate::data_directory::DataDirectory;
use crate::digest::hexadecimal;
use crate::draft;
use crate::log::{Extent, name_of_segment};
use crate::position::{POSITIONS_OF_EVENTS, in_doubt};
use crate::registry::{BLOBS, Registry, version_of};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A file that is to be copied.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its path in the data directory.
    pub(super) path: String,
    /// How many of its bytes are copied.
    pub(super) bytes: u64,
    pub(super) from: Source,
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum Source {
    /// Read already.
    Memory(Vec<u8>),
    /// Open, for it may be removed, given another name, or grow.
    Open(File),
    /// On disk, and never changed.
    Disk,
    /// A segment of the log with its first sequence. It may be dropped, and those before it.
    Segment(u64),
}

/// All that is to be copied.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) statement: BackupStatement,
    pub(super) files: Vec<Planned>,
    /// While this is held no model is removed.
    _kept: File,
}

impl Plan {
    pub(super) fn make(directory: &DataDirectory, synod: &str, taken: Timestamp) -> Result<Self, BackupError> {
        let registry = Registry::open(directory)?;
        let kept = registry.keep_all()?;
        let mut gathering = Gathering { root: directory.path(), files: Vec::new() };
        gathering.snapshots()?;
        gathering.positions()?;
        let extent = Extent::now(directory)?;
        gathering.small_files()?;
        let live = live_versions(&registry)?;
        gathering.models()?;
        gathering.unchanging("archive")?;
        gathering.segments(&extent)?;
        let files = gathering.files;
        if files.len() as u64 > MOST_FILES {
            return Err(BackupError::refused(format!("{} files are more than the {MOST_FILES} that a backup can hold", files.len())));
        }
        let statement = BackupStatement {
            format: FORMAT,
            synod: synod.to_owned(),
            taken,
            sequence: extent.head.next - 1,
            chain: hexadecimal(&extent.head.chain),
            live,
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
        };
        Ok(Self { statement, files, _kept: kept })
    }
}

fn live_versions(registry: &Registry) -> Result<BTreeMap<String, u64>, BackupError> {
    let mut live = BTreeMap::new();
    for detector in registry.detectors()? {
        if let Some(version) = registry.labels_of(&detector)?.live {
            live.insert(detector, version);
        }
    }
    Ok(live)
}

struct Gathering<'a> {
    root: &'a Path,
    files: Vec<Planned>,
}

impl Gathering<'_> {
    /// Histories up to a record of the log. Older ones are removed when a new one is written.
    fn snapshots(&mut self) -> Result<(), BackupError> {
        let paths = self.list("history")?.into_iter().filter(|path| path.ends_with(".snapshot"));
        paths.into_iter().try_for_each(|path| self.opened(path))
    }

    /// A file as long as it is now, if it is still there.
    fn opened(&mut self, path: String) -> Result<(), BackupError> {
        match open_regular(&self.on_disk(&path)) {
            Ok(file) => {
                let bytes = file.metadata().map_err(|source| self.failed(&path, source))?.len();
                self.add(path, bytes, Source::Open(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(self.failed(&path, source)),
        }
    }

    /// How far those have come who follow the log. Who follows the log of events begins anew, as that log does.
    fn positions(&mut self) -> Result<(), BackupError> {
        for path in self.list("sinks")? {
            if path.ends_with(".jsonl") {
                self.opened(path)?;
            } else if !path.ends_with(POSITIONS_OF_EVENTS) {
                let position = self.read(&path)?.map(|bytes| {
                    // As it is, if it cannot be read: then the restored server says so, as this one would.
                    in_doubt(&bytes).unwrap_or(bytes)
                });
                self.remember(path, position)?;
            }
        }
        Ok(())
    }

    /// Everything that is small and may be replaced at any time.
    fn small_files(&mut self) -> Result<(), BackupError> {
        let own = FILES.map(str::to_owned);
        for path in own.into_iter().chain(self.list("acme")?) {
            let bytes = self.read(&path)?;
            self.remember(path, bytes)?;
        }
        Ok(())
    }

    /// Manifests before the artifacts that they name, which are there first when a version is published.
    fn models(&mut self) -> Result<(), BackupError> {
        let folders = self.entries("models")?.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
        for path in names.filter(|name| name != BLOBS).map(|name| format!("models/{name}")) {
            for path in self.list(&path)? {
                // A version may be signed again, and what is no manifest is small.
                let is_manifest = path.rsplit('/').next().is_some_and(|name| version_of(name).is_some());
                if is_manifest {
                    self.on_disk_as_it_is(path)?;
                } else {
                    let bytes = self.read(&path)?;
                    self.remember(path, bytes)?;
                }
            }
        }
        self.unchanging(&format!("models/{BLOBS}"))
    }

    fn unchanging(&mut self, folder: &str) -> Result<(), BackupError> {
        self.list(folder)?.into_iter().try_for_each(|path| self.on_disk_as_it_is(path))
    }

    /// The newest first, so that what is dropped meanwhile leaves no hole.
    fn segments(&mut self, extent: &Extent) -> Result<(), BackupError> {
        for (place, first) in extent.segments.iter().rev().enumerate() {
            let path = format!("log/{}", name_of_segment(*first));
            match fs::symlink_metadata(self.on_disk(&path)) {
                Ok(_) if place == 0 => self.add(path, extent.end, Source::Segment(*first))?,
                Ok(metadata) => self.add(path, metadata.len(), Source::Segment(*first))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound && place > 0 => return Ok(()),
                Err(source) => return Err(self.failed(&path, source)),
            }
        }
        Ok(())
    }

    fn on_disk_as_it_is(&mut self, path: String) -> Result<(), BackupError> {
        let bytes = fs::metadata(self.on_disk(&path)).map_err(|source| self.failed(&path, source))?.len();
        self.add(path, bytes, Source::Disk)
    }

    fn remember(&mut self, path: String, bytes: Option<Vec<u8>>) -> Result<(), BackupError> {
        bytes.map_or(Ok(()), |bytes| self.add(path, bytes.len() as u64, Source::Memory(bytes)))
    }

    fn add(&mut self, path: String, bytes: u64, from: Source) -> Result<(), BackupError> {
        if !is_known(&path) {
            // Left out, it would be missed only when it is too late.
            let why = io::Error::new(io::ErrorKind::InvalidInput, "this is not a file that Synod has put there: move it away");
            return Err(self.failed(&path, why));
        }
        self.files.push(Planned { path, bytes, from });
        Ok(())
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, BackupError> {
        draft::read_regular(&self.on_disk(path)).map_err(|source| self.failed(path, source))
    }

    /// The files of a folder by their paths in the data directory, in order; none if there is no folder. Drafts and locks begin with a dot.
    fn list(&self, folder: &str) -> Result<Vec<String>, BackupError> {
        let names = self.entries(folder)?.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut paths: Vec<String> = names.filter(|name| !name.starts_with('.')).map(|name| format!("{folder}/{name}")).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    fn entries(&self, folder: &str) -> Result<Vec<fs::DirEntry>, BackupError> {
        match fs::read_dir(self.on_disk(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries.and_then(Iterator::collect).map_err(|source| self.failed(folder, source)),
        }
    }

    fn on_disk(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn failed(&self, path: &str, source: io::Error) -> BackupError {
        BackupError::Read { path: self.on_disk(path), source }
    }
}

/// What Synod wrote are regular files; a link, a folder or a pipe under such a name is somebody else's.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}
