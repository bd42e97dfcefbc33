//! Files of documents, one a line, for whoever reads files: a shipper of somebody else's, an archive, `jq`. Decisions and audit records are in one
//! file, access and application events in another.
//!
//! A line is synced before its record is acknowledged. What a crash leaves behind the last position that was kept is in the file already, whole:
//! the numbers of the last lines say which records those are, and they are not written again.

use super::{DocumentSource, Failure, Sink};
use crate::documents::{Documents, Sample, Stream};
use crate::ledger::{Begin, Place, Tally};
use serde::Deserialize;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use synod_store::{LineFile, Record, Rotation};
use thiserror::Error;

/// Which files are written.
#[derive(Debug, Clone)]
pub struct FileConfig {
    /// The folder that they are in.
    pub folder: PathBuf,
    /// What is written.
    pub streams: Vec<Stream>,
    /// When a file is complete.
    pub rotation: Rotation,
    /// Which share is written of what there is too much of.
    pub sample: Sample,
    /// Where it begins the first time.
    pub(crate) begin: Begin,
}

/// Why a file cannot be written.
#[derive(Debug, Error)]
#[error("sinks.file: cannot open {}: {source}", path.display())]
pub struct FileError {
    path: PathBuf,
    source: io::Error,
}

/// A file as a sink of one of the logs.
#[derive(Debug)]
pub(crate) struct LinesSink {
    source: DocumentSource,
    documents: Documents,
    file: LineFile,
    place: Place,
    /// The number of the last record that the file has.
    written: u64,
}

/// Lines that are to be written, and of how many records.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    count: u64,
    /// Records that are there already.
    repeated: u64,
}

#[derive(Deserialize)]
struct Line {
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    sequence: Option<u64>,
}

impl LinesSink {
    /// A sink of one of the logs.
    ///
    /// # Errors
    /// When its file cannot be opened or read.
    pub(super) fn new(config: &FileConfig, source: DocumentSource, documents: Documents) -> Result<Self, FileError> {
        let path = config.folder.join(match source {
            DocumentSource::Log => "decisions.jsonl",
            DocumentSource::Events => "events.jsonl",
        });
        let failed = |source| FileError { path: path.clone(), source };
        let file = LineFile::open(&path, config.rotation).map_err(failed)?;
        let lines = file.last_lines().map_err(failed)?;
        let written = lines.iter().filter_map(|line| serde_json::from_slice::<Line>(line).ok()?.event.sequence).max().unwrap_or(0);
        let name = path.to_string_lossy().into_owned();
        let place = Place {
            file: super::position_of("file", &[&name], source),
            name: source.called("file"),
            patience: Duration::MAX,
            begin: config.begin,
        };
        Ok(Self { source, documents, file, place, written })
    }
}

impl Sink for LinesSink {
    type Parcel = Lines;

    const AHEAD: u64 = 20_000;

    fn place(&self) -> Place {
        self.place.clone()
    }

    fn pack(&mut self, records: Vec<Record>, untold: u64) -> Lines {
        let mut lines = Lines::default();
        for record in records {
            let sequence = record.position.sequence;
            let Some(document) = self.source.document(&self.documents, &record) else { continue };
            if sequence < untold && sequence <= self.written {
                lines.repeated += 1;
                continue;
            }
            lines.bytes.extend_from_slice(&document.json);
            lines.bytes.push(b'\n');
            lines.count += 1;
        }
        lines
    }

    async fn deliver(&mut self, lines: &mut Lines, tally: &mut Tally) -> Result<(), Failure> {
        if lines.count > 0 {
            self.file.append(&lines.bytes).map_err(|error| Failure::of("disk", &error))?;
        }
        tally.delivered += lines.count + lines.repeated;
        tally.repeated += lines.repeated;
        tally.bytes += lines.bytes.len() as u64;
        *lines = Lines::default();
        Ok(())
    }
}
