//! Reading a backup, whoever wrote it: nothing that it says is believed, and what it can cost is bounded before it is read.

use super::seal::{SEAL_BYTES, Unsealing};
use super::{
    Backup, BackupError, BackupFile, BackupStatement, DATA, FORMAT, LARGEST_LINE, LARGEST_STATEMENT, MANIFEST, MOST_FILES, Manifest,
    STATEMENT, is_known,
};
use crate::digest::{hexadecimal, is_sha256};
use crate::log::{Checked, SegmentCheck, joined, segment_of_name};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What is copied at a time.
const PIECE: usize = 256 << 10;
/// The window of zstd that a backup may ask for, as a power of two: 8 MiB is what decoders must offer (RFC 8878).
const LARGEST_WINDOW: u32 = 23;
/// What may follow an archive: two empty blocks and what fills them up.
const LARGEST_END: u64 = 64 << 10;

type Decoder = zstd::Decoder<'static, io::BufReader<Unsealing<Box<dyn Read>>>>;

/// Where the files of a backup go.
pub(super) trait Keeper {
    /// Is told once, before all files, what the backup says of itself.
    fn begin(&mut self, statement: &BackupStatement) -> Result<(), BackupError>;
    /// A place for the file of this path, which is one that belongs to a backup and comes once.
    fn file(&mut self, path: &str) -> Result<Box<dyn Write + '_>, BackupError>;
    /// The file that was given last is complete.
    fn complete(&mut self) -> Result<(), BackupError>;
}

/// Nobody keeps them.
struct Nowhere;

impl Keeper for Nowhere {
    fn begin(&mut self, _: &BackupStatement) -> Result<(), BackupError> {
        Ok(())
    }

    fn file(&mut self, _: &str) -> Result<Box<dyn Write + '_>, BackupError> {
        Ok(Box::new(io::sink()))
    }

    fn complete(&mut self) -> Result<(), BackupError> {
        Ok(())
    }
}

/// Reads a backup to its end (`-` is the standard input) and checks all of it: its own digest, those of its files, and every record of its log.
/// `progress` is told how many bytes of how many have been unpacked.
///
/// # Errors
/// When it cannot be read, or is not what was written.
pub fn verify_backup(input: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Backup, BackupError> {
    read(input, &mut Nowhere, progress)
}

/// What a backup says of itself. Nothing else of it is read or checked.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn show_backup(input: &Path) -> Result<BackupStatement, BackupError> {
    let mut archive = tar::Archive::new(decoder(input)?);
    let mut entries = archive.entries().map_err(|error| unreadable(input, error))?.raw(true);
    statement(&mut entries, input)
}

/// Reads a backup to its end, checks all of it, and hands its files over.
pub(super) fn read(input: &Path, keeper: &mut dyn Keeper, progress: &mut dyn FnMut(u64, u64)) -> Result<Backup, BackupError> {
    let mut archive = tar::Archive::new(decoder(input)?);
    let mut entries = archive.entries().map_err(|error| unreadable(input, error))?.raw(true);
    let statement = statement(&mut entries, input)?;
    keeper.begin(&statement)?;
    let mut reading = Reading { input, statement: &statement, keeper, progress, seen: BTreeMap::new(), segments: Vec::new(), bytes: 0 };
    let manifest: Manifest = loop {
        let entry = next(&mut entries, input)?;
        if *entry.path_bytes() == *MANIFEST.as_bytes() {
            break json(entry, MANIFEST, LARGEST_STATEMENT + reading.seen.len() as u64 * LARGEST_LINE, input)?;
        }
        reading.file(entry)?;
    };
    let first = reading.compare(&manifest)?;
    let (files, bytes) = (reading.seen.len() as u64, reading.bytes);
    let (sha256, archive_bytes) = end(archive.into_inner(), input)?;
    Ok(Backup { statement, first, files, bytes, sha256, archive_bytes })
}

fn decoder(input: &Path) -> Result<Decoder, BackupError> {
    let source: Box<dyn Read> = match input == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(File::open(input).map_err(|source| BackupError::Read { path: input.to_owned(), source })?),
    };
    let decoder = zstd::Decoder::with_buffer(io::BufReader::with_capacity(PIECE, Unsealing::new(source)));
    let limited = decoder.and_then(|mut decoder| decoder.window_log_max(LARGEST_WINDOW).map(|()| decoder));
    limited.map_err(|error| unreadable(input, error))
}

/// What went wrong while it was read. What the bytes are is the backup's fault, everything else the disk's.
fn unreadable(input: &Path, error: io::Error) -> BackupError {
    match error.raw_os_error() {
        Some(_) => BackupError::Read { path: input.to_owned(), source: error },
        None => refused(input, error),
    }
}

fn refused(input: &Path, why: impl std::fmt::Display) -> BackupError {
    BackupError::Refused(format!("{} is no backup, or not what was written: {why}", input.display()))
}

/// The next entry, which must be there and be a file.
fn next<'a, R: Read>(entries: &mut tar::Entries<'a, R>, input: &Path) -> Result<tar::Entry<'a, R>, BackupError> {
    let entry = entries.next().ok_or_else(|| refused(input, format!("`{MANIFEST}` is missing at its end")))?;
    let entry = entry.map_err(|error| unreadable(input, error))?;
    match entry.header().entry_type() {
        tar::EntryType::Regular => Ok(entry),
        other => Err(refused(input, format!("{:?} is no file, but {other:?}", name_of(&entry)))),
    }
}

fn name_of<R: Read>(entry: &tar::Entry<'_, R>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).chars().take(200).collect()
}

fn json<T: DeserializeOwned>(entry: tar::Entry<'_, impl Read>, name: &str, most: u64, input: &Path) -> Result<T, BackupError> {
    if entry.size() > most {
        return Err(refused(input, format!("`{name}` has {} bytes, more than {most}", entry.size())));
    }
    let mut bytes = Vec::new();
    entry.take(most).read_to_end(&mut bytes).map_err(|error| unreadable(input, error))?;
    serde_json::from_slice(&bytes).map_err(|error| refused(input, format!("`{name}`: {error}")))
}

/// The part of a statement that every version reads.
#[derive(Deserialize)]
struct Stated {
    format: u32,
}

fn statement<R: Read>(entries: &mut tar::Entries<'_, R>, input: &Path) -> Result<BackupStatement, BackupError> {
    let entry = next(entries, input)?;
    if *entry.path_bytes() != *STATEMENT.as_bytes() {
        return Err(refused(input, format!("where `{STATEMENT}` should be is {:?}", name_of(&entry))));
    }
    let stated: serde_json::Value = json(entry, STATEMENT, LARGEST_STATEMENT, input)?;
    let Stated { format } = Stated::deserialize(&stated).map_err(|error| refused(input, format!("`{STATEMENT}`: {error}")))?;
    if format > FORMAT {
        let what = format!("{} has format {format}, and this version of Synod knows format {FORMAT}", input.display());
        return Err(BackupError::Refused(format!("{what}: use the version that wrote it")));
    }
    let statement = BackupStatement::deserialize(stated).map_err(|error| refused(input, format!("`{STATEMENT}`: {error}")))?;
    match statement.files <= MOST_FILES && is_sha256(&statement.chain) {
        true => Ok(statement),
        false => Err(refused(input, format!("`{STATEMENT}` states what cannot be"))),
    }
}

/// Reads what follows the archive, so that the last bytes are checked as well.
fn end(mut decoder: Decoder, input: &Path) -> Result<(String, u64), BackupError> {
    let mut rest = Vec::new();
    (&mut decoder).take(LARGEST_END + 1).read_to_end(&mut rest).map_err(|error| unreadable(input, error))?;
    if rest.len() as u64 > LARGEST_END || rest.iter().any(|byte| *byte != 0) {
        return Err(refused(input, "something follows its end"));
    }
    let unsealing = decoder.finish().into_inner();
    let sealed = unsealing.seal().map(|sha256| (sha256.to_owned(), unsealing.given() + SEAL_BYTES as u64));
    sealed.ok_or_else(|| refused(input, "something follows its end"))
}

struct Reading<'a> {
    input: &'a Path,
    statement: &'a BackupStatement,
    keeper: &'a mut dyn Keeper,
    progress: &'a mut dyn FnMut(u64, u64),
    /// The files so far, by their paths.
    seen: BTreeMap<String, BackupFile>,
    segments: Vec<Checked>,
    bytes: u64,
}

impl Reading<'_> {
    fn file<R: Read>(&mut self, entry: tar::Entry<'_, R>) -> Result<(), BackupError> {
        let (path, bytes) = (self.path_of(&entry)?, entry.size());
        if bytes > self.statement.bytes.saturating_sub(self.bytes) || self.seen.len() as u64 >= self.statement.files {
            return Err(self.refused("it holds more than it states"));
        }
        let check = path.strip_prefix("log/").and_then(segment_of_name).map(SegmentCheck::of);
        let sha256 = self.copy(&path, entry, check)?;
        self.keeper.complete()?;
        self.seen.insert(path.clone(), BackupFile { path, bytes, sha256 });
        Ok(())
    }

    fn path_of<R: Read>(&self, entry: &tar::Entry<'_, R>) -> Result<String, BackupError> {
        let name = entry.path_bytes();
        let path = std::str::from_utf8(&name).ok().and_then(|name| name.strip_prefix(DATA));
        let Some(path) = path.filter(|path| is_known(path)) else {
            return Err(self.refused(format!("{:?} does not belong to one", name_of(entry))));
        };
        match self.seen.contains_key(path) {
            true => Err(self.refused(format!("`{path}` is in it twice"))),
            false => Ok(path.to_owned()),
        }
    }

    /// Hands a file over, and answers its digest.
    fn copy<R: Read>(&mut self, path: &str, mut entry: tar::Entry<'_, R>, mut check: Option<SegmentCheck>) -> Result<String, BackupError> {
        let (mut piece, mut hasher, mut left) = (vec![0; PIECE], Sha256::new(), entry.size());
        let input = self.input;
        let mut file = self.keeper.file(path)?;
        while left > 0 {
            let count = match entry.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(input, error)),
                Ok(0) => return Err(refused(input, format!("it ends within `{path}`"))),
                Ok(count) => count,
            };
            hasher.update(&piece[..count]);
            if let Some(check) = &mut check {
                check.push(&piece[..count]).map_err(|fault| refused(input, format!("`{path}`: {fault}")))?;
            }
            file.write_all(&piece[..count]).map_err(|source| BackupError::Write { path: PathBuf::from(path), source })?;
            left -= count as u64;
            self.bytes += count as u64;
            (self.progress)(self.bytes, self.statement.bytes);
        }
        drop(file);
        if let Some(check) = check {
            self.segments.push(check.finish().map_err(|fault| refused(input, format!("`{path}`: {fault}")))?);
        }
        Ok(hexadecimal(&hasher.finalize()))
    }

    /// Compares what was read with what was written. Answers the first record of the log.
    fn compare(&mut self, manifest: &Manifest) -> Result<Option<u64>, BackupError> {
        if manifest.statement != *self.statement || manifest.files.len() != self.seen.len() {
            return Err(self.refused(format!("`{STATEMENT}`, `{MANIFEST}` and what lies between them do not belong together")));
        }
        if let Some(wrong) = manifest.files.iter().find(|file| self.seen.get(&file.path) != Some(*file)) {
            return Err(self.refused(format!("`{}` is not the file that was written", wrong.path)));
        }
        if !self.seen.contains_key("FORMAT") {
            return Err(self.refused("`FORMAT` is missing"));
        }
        let segments = std::mem::take(&mut self.segments);
        let first = segments.iter().map(|checked| checked.start.next).min().filter(|first| *first <= self.statement.sequence);
        let end = joined(segments).map_err(|why| self.refused(why))?;
        match end.next.checked_sub(1) == Some(self.statement.sequence) && hexadecimal(&end.chain) == self.statement.chain {
            true => Ok(first),
            false => Err(self.refused(format!("its log does not end with the record {} that it states", self.statement.sequence))),
        }
    }

    fn refused(&self, why: impl std::fmt::Display) -> BackupError {
        refused(self.input, why)
    }
}
