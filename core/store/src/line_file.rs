//! A file of lines that others read while it grows: appended to durably, replaced by a new one when it is long or old enough, old ones compressed
//! and in the end removed. It does not know what a line means.
//!
//! The file keeps its name; one that is complete gets the time at its end: `NAME-20260131T120000.000000Z.EXTENSION`. The newest complete one stays as it
//! is, so that whoever reads slowly comes to its end; older ones are compressed.
//!
//! If somebody else renames or removes the file, as logrotate does, a new one is begun. Somebody who cuts it instead (`copytruncate`) may lose lines.

use crate::draft::{self, Draft, Readers};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Read at a time when the end of a file is looked for.
const PIECE: u64 = 64 << 10;
/// The longest line that is looked at.
const LONGEST_LINE: u64 = 64 << 20;

/// When a file is complete, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// It is longer than this, in bytes.
    pub size: u64,
    /// It was begun longer ago than this.
    pub age: Duration,
    /// So many complete ones are kept.
    pub keep: usize,
    /// Whether older ones are compressed.
    pub compress: bool,
}

/// The file, opened to append to it by the one process that does.
#[derive(Debug)]
pub struct LineFile {
    path: PathBuf,
    rotation: Rotation,
    open: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    /// Which file it is.
    identity: (u64, u64),
    length: u64,
    begun: SystemTime,
}

impl LineFile {
    /// Opens the file, makes it if it is not there, with its folder, for its owner alone, and cuts off a line that a crash left half written.
    ///
    /// # Errors
    /// When it cannot be opened, or is no regular file.
    pub fn open(path: &Path, rotation: Rotation) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
            if let Some(parent) = folder.parent() {
                fs::create_dir_all(parent)?;
            }
            draft::create_folder(folder)?;
        }
        let mut file = Self { path: path.to_owned(), rotation, open: None };
        file.opened()?;
        Ok(file)
    }

    /// The last lines that were written: of the file, and of complete ones that are not compressed, whoever renamed them. In any order.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn last_lines(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        for path in self.relatives()? {
            if path.extension().is_some_and(|extension| extension == "gz") {
                continue;
            }
            // It may be gone meanwhile.
            match File::open(&path).and_then(|file| last_line(&file, file.metadata()?.len())) {
                Ok(line) => lines.extend(line),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lines)
    }

    /// Appends whole lines. Once this returns they survive a power failure.
    ///
    /// # Errors
    /// When they cannot be written: then none of them is there.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.rotate_if_due(lines.len() as u64)?;
        let opened = self.opened()?;
        let written = opened.file.write_all_at(lines, opened.length).and_then(|()| opened.file.sync_data());
        if let Err(error) = written {
            // No half line stays for what comes next to be glued to. If this fails as well, it is done when the file is opened again.
            let _ = opened.file.set_len(opened.length);
            self.open = None;
            return Err(error);
        }
        opened.length += lines.len() as u64;
        Ok(())
    }

    /// The file under this name, opened again if it is another one than before.
    fn opened(&mut self) -> io::Result<&mut Opened> {
        let there = fs::metadata(&self.path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        let opened = match self.open.take() {
            Some(opened) if there == Some(opened.identity) => opened,
            _ => open(&self.path)?,
        };
        Ok(self.open.insert(opened))
    }

    fn rotate_if_due(&mut self, more: u64) -> io::Result<()> {
        let rotation = self.rotation;
        let opened = self.opened()?;
        let age = SystemTime::now().duration_since(opened.begun).unwrap_or_default();
        let is_due = opened.length > 0 && (opened.length + more > rotation.size || age >= rotation.age);
        if !is_due {
            return Ok(());
        }
        self.open = None;
        fs::rename(&self.path, complete_name(&self.path))?;
        draft::sync_folder(folder_of(&self.path))?;
        self.tidy();
        Ok(())
    }

    /// Compresses and removes complete files, beside the one who writes. What goes wrong is done the next time.
    fn tidy(&self) {
        let (path, rotation) = (self.path.clone(), self.rotation);
        let tidied = std::thread::Builder::new().name("rotation".into()).spawn(move || tidy(&path, rotation));
        drop(tidied);
    }

    /// All files that begin with this one's name, this one among them.
    fn relatives(&self) -> io::Result<Vec<PathBuf>> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir(folder_of(&self.path))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.strip_prefix(&stem).is_some_and(|rest| rest.starts_with(['.', '-'])) && entry.file_type()?.is_file() {
                found.push(entry.path());
            }
        }
        Ok(found)
    }
}

fn open(path: &Path) -> io::Result<Opened> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let length = whole_lines(&file, metadata.len())?;
    if length < metadata.len() {
        file.set_len(length)?;
    }
    draft::sync_folder(folder_of(path))?;
    let begun = if length == 0 { SystemTime::now() } else { metadata.created().or_else(|_| metadata.modified())? };
    Ok(Opened { file, identity: (metadata.dev(), metadata.ino()), length, begun })
}

/// Up to where a file of this length has whole lines.
fn whole_lines(file: &File, length: u64) -> io::Result<u64> {
    Ok(position_before(file, length)?.map_or(0, |at| at + 1))
}

/// Where the last line's end before this offset is.
fn position_before(file: &File, mut end: u64) -> io::Result<Option<u64>> {
    let mut piece = vec![0; PIECE as usize];
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let part = &mut piece[..(end - start) as usize];
        file.read_exact_at(part, start)?;
        if let Some(at) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}

/// The last whole line of a file, without its end.
fn last_line(file: &File, length: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(end) = position_before(file, length)? else { return Ok(None) };
    let start = position_before(file, end)?.map_or(0, |at| at + 1);
    if end - start > LONGEST_LINE {
        return Ok(None);
    }
    let mut line = vec![0; (end - start) as usize];
    file.read_exact_at(&mut line, start)?;
    Ok(Some(line))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name for a file that is complete, which no other has.
fn complete_name(path: &Path) -> PathBuf {
    let moment = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ").to_string();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(String::new, |extension| format!(".{}", extension.to_string_lossy()));
    let name = |number: u32| match number {
        0 => path.with_file_name(format!("{stem}-{moment}{extension}")),
        number => path.with_file_name(format!("{stem}-{moment}-{number}{extension}")),
    };
    let is_free = |path: &PathBuf| !path.exists() && !compressed_name(path).exists();
    (0..).map(name).find(is_free).unwrap_or_else(|| name(0))
}

fn compressed_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

/// Compresses and removes complete files. One at a time: between two of its steps a file is there twice, as it was and compressed.
fn tidy(path: &Path, rotation: Rotation) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(complete) = complete_files(path) else { return };
    let mut complete = Vec::from_iter(complete);
    let surplus = complete.len().saturating_sub(rotation.keep);
    for old in complete.drain(..surplus) {
        let _ = fs::remove_file(compressed_name(&old));
        let _ = fs::remove_file(old);
    }
    // The newest may still be read.
    complete.pop();
    for file in complete.iter().filter(|file| rotation.compress && file.exists()) {
        if compress(file).is_ok() {
            let _ = fs::remove_file(file);
        }
    }
}

/// The complete files by our own names, compressed or not, in order; as they are called when they are not.
fn complete_files(path: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let stem = format!("{}-2", path.file_stem().unwrap_or_default().to_string_lossy());
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder_of(path))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(&stem) {
            found.insert(path.with_file_name(name.strip_suffix(".gz").unwrap_or(&name)));
        }
    }
    Ok(found)
}

fn compress(path: &Path) -> io::Result<()> {
    let mut draft = Draft::create(&compressed_name(path), Readers::Owner)?;
    let mut source = File::open(path)?;
    source.seek(SeekFrom::Start(0))?;
    let mut encoder = GzEncoder::new(&mut draft, Compression::default());
    let mut piece = vec![0; PIECE as usize];
    loop {
        match source.read(&mut piece)? {
            0 => break,
            count => encoder.write_all(&piece[..count])?,
        }
    }
    encoder.finish()?;
    draft.place()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use tempfile::TempDir;

    const FOR_EVER: Rotation = Rotation { size: u64::MAX, age: Duration::MAX, keep: 100, compress: false };

    fn folder() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/lines.jsonl");
        (folder, path)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_half_line_is_cut_and_last_lines_are_found_wherever_they_are() {
        let (_folder, path) = folder();
        LineFile::open(&path, FOR_EVER).unwrap().append(b"one\ntwo\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::write(&path, format!("one\ntwo\n{}", "x".repeat(200_000))).unwrap();
        let mut file = LineFile::open(&path, FOR_EVER).unwrap();
        assert_eq!(file.last_lines().unwrap(), [b"two"]);
        file.append(b"three\n").unwrap();
        assert_eq!(text(&path), "one\ntwo\nthree\n");
        // Somebody else renames it.
        fs::rename(&path, path.with_extension("jsonl.1")).unwrap();
        file.append(b"four\n").unwrap();
        assert_eq!((text(&path), text(&path.with_extension("jsonl.1"))), ("four\n".into(), "one\ntwo\nthree\n".into()));
        let mut last = file.last_lines().unwrap();
        last.sort();
        assert_eq!(last, [b"four".to_vec(), b"three".to_vec()]);
        fs::write(&path, "no end").unwrap();
        LineFile::open(&path, FOR_EVER).unwrap();
        assert_eq!(text(&path), "");
    }

    #[test]
    fn long_and_old_files_are_completed_compressed_and_removed() {
        let (_folder, path) = folder();
        let mut file = LineFile::open(&path, Rotation { size: 10, age: Duration::MAX, keep: 3, compress: true }).unwrap();
        for number in 0..7 {
            file.append(format!("line {number}\n").as_bytes()).unwrap();
        }
        drop(file);
        let started = std::time::Instant::now();
        let found = loop {
            let mut found: Vec<String> = fs::read_dir(path.parent().unwrap())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            found.sort();
            if found.len() == 4 && found.iter().filter(|name| name.ends_with(".gz")).count() == 2 || started.elapsed().as_secs() > 20 {
                break found;
            }
            tidy(&path, Rotation { size: 10, age: Duration::MAX, keep: 3, compress: true });
        };
        assert_eq!(found.len(), 4, "{found:?}");
        let mut all = text(&path);
        for name in &found {
            let file = path.with_file_name(name);
            if name.ends_with(".gz") {
                GzDecoder::new(File::open(file).unwrap()).read_to_string(&mut all).unwrap();
            } else if file != path {
                all += &text(&file);
            }
        }
        let mut lines: Vec<&str> = all.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["line 3", "line 4", "line 5", "line 6"]);
        let mut file = LineFile::open(&path, Rotation { age: Duration::ZERO, ..FOR_EVER }).unwrap();
        file.append(b"old\n").unwrap();
        assert_eq!(text(&path), "old\n");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(LineFile::open(folder.path(), FOR_EVER).is_err());
        assert!(LineFile::open(Path::new("/dev/null"), FOR_EVER).is_err());
    }
}
