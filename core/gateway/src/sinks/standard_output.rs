//! Documents on standard output, one a line, for whoever collects what processes write. A reader that stops keeps nobody up but this sink; one that
//! is gone is waited for. After a crash the last second is written again: nobody can say what was read.

use super::{DocumentSource, Failure, Sink};
use crate::documents::{Documents, Sample, Stream};
use crate::ledger::{Begin, Place, Tally};
use std::io::{self, Write};
use std::time::Duration;
use synod_store::Record;

/// What is written.
#[derive(Debug, Clone)]
pub struct OutputConfig {
    /// Which streams.
    pub streams: Vec<Stream>,
    /// Which share of what there is too much of.
    pub sample: Sample,
}

/// Standard output as a sink of one of the logs.
#[derive(Debug)]
pub(crate) struct StandardOutput {
    source: DocumentSource,
    documents: Documents,
}

/// Lines that are to be written, and how many.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    count: u64,
}

impl StandardOutput {
    /// A sink of one of the logs.
    pub(super) fn new(source: DocumentSource, documents: Documents) -> Self {
        Self { source, documents }
    }
}

impl Sink for StandardOutput {
    type Parcel = Lines;

    fn place(&self) -> Place {
        // What was written before this process came was for others.
        Place {
            file: self.source.called("standard-output"),
            name: self.source.called("standard_output"),
            patience: Duration::MAX,
            begin: Begin::Latest,
        }
    }

    fn pack(&mut self, records: Vec<Record>, _: u64) -> Lines {
        let mut lines = Lines::default();
        for document in records.iter().filter_map(|record| self.source.document(&self.documents, record)) {
            lines.bytes.extend_from_slice(&document.json);
            lines.bytes.push(b'\n');
            lines.count += 1;
        }
        lines
    }

    async fn deliver(&mut self, lines: &mut Lines, tally: &mut Tally) -> Result<(), Failure> {
        let bytes = lines.bytes.clone();
        // On a thread that may be kept up for as long as the reader likes.
        let written = tokio::task::spawn_blocking(move || {
            let mut output = io::stdout().lock();
            output.write_all(&bytes).and_then(|()| output.flush())
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Failure::of("closed", &error)),
            Err(error) => return Err(Failure::of("closed", &error)),
        }
        tally.delivered += lines.count;
        tally.bytes += lines.bytes.len() as u64;
        *lines = Lines::default();
        Ok(())
    }
}
