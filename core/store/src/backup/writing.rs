//! Writing a backup, and keeping the latest ones of a folder.

use super::plan::{Plan, Planned, Source, open_regular};
use super::seal::Sealing;
use super::{Backup, BackupError, BackupFile, BackupStatement, DATA, MANIFEST, Manifest, STATEMENT};
use crate::data_directory::DataDirectory;
use crate::digest::hexadecimal;
use crate::draft::Readers;
use crate::log::{Checked, SegmentCheck, joined};
use crate::output::Output;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How hard compression tries. Most of a backup is JSON, which it takes to a tenth.
const LEVEL: i32 = 3;
const BEGINNING: &str = "synod-";
const ENDING: &str = ".tar.zst";
/// A draft that was not written for so long belongs to nobody: its backup was interrupted.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes a backup of a data directory, also beside a running server. `output` is a file, which appears when it is complete and that its owner
/// alone can read; `-` is the standard output; in a folder the backup gets a name of its time. `synod` is the version that the backup states.
/// `progress` is told how many bytes of how many have been copied. Answers where the backup is.
///
/// # Errors
/// When something cannot be read or written, or the log is damaged. Then there is no new file, and an older one of its name is as it was.
pub fn write_backup(
    directory: &DataDirectory,
    output: &Path,
    synod: &str,
    taken: Timestamp,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(PathBuf, Backup), BackupError> {
    let path = if output.is_dir() { output.join(name_of(taken)) } else { output.to_owned() };
    let backup = write_plan(Plan::make(directory, synod, taken)?, directory, &path, progress)?;
    Ok((path, backup))
}

pub(super) fn write_plan(
    plan: Plan,
    directory: &DataDirectory,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Backup, BackupError> {
    let failed = |source| BackupError::Write { path: path.to_owned(), source };
    let target = Output::create_for(path, Readers::Owner).map_err(failed)?;
    let compressed = zstd::Encoder::new(Sealing::new(BufWriter::with_capacity(1 << 20, target)), LEVEL).and_then(|mut encoder| {
        encoder.include_checksum(true)?;
        Ok(encoder)
    });
    let tar = tar::Builder::new(compressed.map_err(failed)?);
    let mut writing = Writing { tar, path, root: directory.path(), total: plan.statement.bytes, done: 0, progress };
    let (statement, files, first) = writing.all(plan)?;
    let sealed = writing.tar.into_inner().and_then(zstd::Encoder::finish).and_then(Sealing::seal);
    let (target, sha256, archive_bytes) = sealed.map_err(failed)?;
    target.into_inner().map_err(io::IntoInnerError::into_error).and_then(Output::place).map_err(failed)?;
    let bytes = files.iter().map(|file| file.bytes).sum();
    Ok(Backup { statement, first, files: files.len() as u64, bytes, sha256, archive_bytes })
}

struct Writing<'a, W: Write> {
    tar: tar::Builder<W>,
    /// Where the backup is written.
    path: &'a Path,
    /// The data directory.
    root: &'a Path,
    total: u64,
    done: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<W: Write> Writing<'_, W> {
    /// Writes all entries. Answers the first record of the log as well.
    fn all(&mut self, plan: Plan) -> Result<(BackupStatement, Vec<BackupFile>, Option<u64>), BackupError> {
        let Plan { statement, files, .. } = &plan;
        self.json(STATEMENT, statement)?;
        let (mut written, mut segments, mut dropped) = (Vec::new(), Vec::new(), false);
        for planned in files {
            if let Source::Segment(first) = planned.from {
                let copied = if dropped { None } else { self.segment(planned, first)? };
                match copied {
                    Some((file, checked)) => {
                        written.push(file);
                        segments.push(checked);
                    }
                    None => dropped = true,
                }
            } else {
                written.push(self.file(planned)?);
            }
        }
        let first = self.check_joints(segments, statement)?;
        self.json(MANIFEST, &Manifest { statement: statement.clone(), files: written.clone() })?;
        Ok((statement.clone(), written, first))
    }

    fn json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<(), BackupError> {
        let text = serde_json::to_vec_pretty(value).map_err(|error| self.unwritten(error.into()))?;
        let mut header = header(text.len() as u64);
        self.tar.append_data(&mut header, name, &text[..]).map_err(|source| self.unwritten(source))
    }

    fn file(&mut self, planned: &Planned) -> Result<BackupFile, BackupError> {
        let path = self.root.join(&planned.path);
        match &planned.from {
            Source::Memory(bytes) => self.copy(planned, &bytes[..], None),
            Source::Open(file) => self.copy(planned, file, None),
            Source::Disk | Source::Segment(_) => {
                let failed = |source| BackupError::Read { path: path.clone(), source };
                let file = open_regular(&path).map_err(failed)?;
                match file.metadata().map_err(failed)?.len() == planned.bytes {
                    true => self.copy(planned, file, None),
                    false => Err(BackupError::Changed(path)),
                }
            }
        }
    }

    /// Copies a segment, and checks it on the way; none if it is gone.
    fn segment(&mut self, planned: &Planned, first: u64) -> Result<Option<(BackupFile, Checked)>, BackupError> {
        let path = self.root.join(&planned.path);
        let file = match open_regular(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|source| BackupError::Read { path: path.clone(), source })?,
        };
        let mut check = SegmentCheck::of(first);
        let file = self.copy(planned, file, Some(&mut check))?;
        let checked = check.finish().map_err(|fault| BackupError::Damaged { path, what: fault.to_string() })?;
        Ok(Some((file, checked)))
    }

    fn copy(&mut self, planned: &Planned, from: impl Read, check: Option<&mut SegmentCheck>) -> Result<BackupFile, BackupError> {
        let mut header = header(planned.bytes);
        let told = (self.done, self.total);
        let mut passing =
            Passing { from: from.take(planned.bytes), hasher: Sha256::new(), check, read: 0, failed: None, told, progress: self.progress };
        let appended = self.tar.append_data(&mut header, format!("{DATA}{}", planned.path), &mut passing);
        let Passing { hasher, read, failed, .. } = passing;
        let path = || self.root.join(&planned.path);
        match (failed, appended) {
            (Some(Unread::Disk(source)), _) => return Err(BackupError::Read { path: path(), source }),
            (Some(Unread::Damaged(what)), _) => return Err(BackupError::Damaged { path: path(), what }),
            (None, Err(source)) => return Err(self.unwritten(source)),
            (None, Ok(())) if read < planned.bytes => return Err(BackupError::Changed(path())),
            (None, Ok(())) => {}
        }
        self.done += read;
        Ok(BackupFile { path: planned.path.clone(), bytes: read, sha256: hexadecimal(&hasher.finalize()) })
    }

    fn check_joints(&self, segments: Vec<Checked>, statement: &BackupStatement) -> Result<Option<u64>, BackupError> {
        let damaged = |what| BackupError::Damaged { path: self.root.join("log"), what };
        let first = segments.iter().map(|checked| checked.start.next).min().filter(|first| *first <= statement.sequence);
        let end = joined(segments).map_err(damaged)?;
        match end.next == statement.sequence + 1 && hexadecimal(&end.chain) == statement.chain {
            true => Ok(first),
            false => Err(damaged(format!("it ends before record {}, which was there", statement.sequence))),
        }
    }

    fn unwritten(&self, source: io::Error) -> BackupError {
        BackupError::Write { path: self.path.to_owned(), source }
    }
}

/// Why a file could not be read to its end.
enum Unread {
    Disk(io::Error),
    Damaged(String),
}

/// What passes from a file into the archive: it is hashed, checked and counted.
struct Passing<'a, R> {
    from: R,
    hasher: Sha256,
    check: Option<&'a mut SegmentCheck>,
    read: u64,
    failed: Option<Unread>,
    told: (u64, u64),
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<R: Read> Read for Passing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.from.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                self.failed = Some(Unread::Disk(error));
                return Err(io::Error::other("a file cannot be read"));
            }
        };
        self.hasher.update(&buffer[..count]);
        if let Some(Err(fault)) = self.check.as_mut().map(|check| check.push(&buffer[..count])) {
            self.failed = Some(Unread::Damaged(fault.to_string()));
            return Err(fault.into());
        }
        self.read += count as u64;
        (self.progress)(self.told.0 + self.read, self.told.1);
        Ok(count)
    }
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

/// The name of a backup of this time. Names order as times do.
fn name_of(taken: Timestamp) -> String {
    let stamp = taken.strftime("%Y%m%dT%H%M%S%3fZ");
    format!("{BEGINNING}{stamp}{ENDING}")
}

/// Whether a file has the name of a backup, and none that a person gave it.
fn is_name(name: &str) -> bool {
    let stamp = name.strip_prefix(BEGINNING).and_then(|rest| rest.strip_suffix(ENDING));
    stamp.is_some_and(|stamp| stamp.len() == 19 && stamp.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z')))
}

/// The newest backup of a folder by its name; none if there is none.
///
/// # Errors
/// When the folder cannot be read.
pub fn latest_backup(folder: &Path) -> Result<Option<PathBuf>, BackupError> {
    Ok(names(folder)?.into_iter().filter(|name| is_name(name)).max().map(|name| folder.join(name)))
}

/// Removes the oldest backups of a folder, so that as many as `keep` stay, and drafts that an interrupted backup left a day ago or
/// earlier. Files with other names are left alone. Answers what was removed.
///
/// # Errors
/// When the folder cannot be read, or a file cannot be removed.
pub fn prune_backups(folder: &Path, keep: usize) -> Result<Vec<PathBuf>, BackupError> {
    let (mut backups, others): (Vec<String>, Vec<String>) = names(folder)?.into_iter().partition(|name| is_name(name));
    backups.sort_unstable();
    backups.truncate(backups.len().saturating_sub(keep));
    let drafts = others.into_iter().filter(|name| is_draft(name) && is_abandoned(&folder.join(name)));
    let mut removed = Vec::new();
    for name in backups.into_iter().chain(drafts) {
        let path = folder.join(name);
        fs::remove_file(&path).map_err(|source| BackupError::Write { path: path.clone(), source })?;
        removed.push(path);
    }
    Ok(removed)
}

fn is_draft(name: &str) -> bool {
    let named = name.strip_prefix('.').and_then(|name| name.split_once(ENDING));
    named.is_some_and(|(stem, rest)| is_name(&format!("{stem}{ENDING}")) && rest.ends_with(".tmp"))
}

fn is_abandoned(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
    written.elapsed().is_ok_and(|age| age > ABANDONED)
}

fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let failed = |source| BackupError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    Ok(names)
}
