//! Replay: recorded decisions are judged again, from the log, the archive and the registry alone. What a decision rests on never changes
//! there, so that it must come out again bit for bit, whatever is served today; or the same decisions are judged by a candidate, another
//! configuration, to see what it would have decided.
//!
//! Nothing is written. A server may be running: what it appends after the replay has begun is left out.

mod candidate;
mod columns;
mod comparing;
mod contents;
mod contributing;
mod folding;
mod selecting;
mod typical;
mod versions;

pub use candidate::{Candidate, CandidateReport, Flip, LabelReport, Measures, Way, judge_by};
pub use comparing::Difference;
pub use contents::{ContentsReport, Missing, Unread, Unreadable, check_contents, models_in_use};
pub use contributing::{Contribution, Contributions, explain};
pub use selecting::{Choice, Choosing, Selection};
pub use typical::typical_decision;
pub use versions::{Makers, Versions, patient};

use crate::decision::{Decision, RecordKind};
use crate::ledger::{RecoveryError, newest};
use indexmap::IndexMap;
use serde::Serialize;
use std::time::Instant;
use synod_host::Host;
use synod_store::{ArchiveError, DataDirectory, LogError, LogReader, Record, RegistryError};
use thiserror::Error;
use uuid::Uuid;

/// Decisions that are judged at a time: as many as a detector takes in one call.
const AT_A_TIME: usize = 256;
/// Most differences that a report lists, and most reasons why decisions could not be judged.
const MOST_LISTED: usize = 100;

/// Makes a host for the plugins of a configuration, or says why not.
pub type HostOf<'a> = &'a dyn Fn(&crate::config::Config) -> Result<Host, String>;

/// Hears how many records of how many have been read.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Why a replay cannot be done. What cannot be judged again of single decisions is no such error: the report says it.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The end of the log.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Records cannot be read, so that it is not known what they rest on.
    #[error("the log holds records that cannot be read, and what they rest on is not known: `synod audit verify` says which")]
    Unread,
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The secret.
    #[error(transparent)]
    Secret(#[from] synod_store::SecretError),
    /// The candidate cannot judge these decisions.
    #[error("{0}")]
    Candidate(String),
}

/// The log as far as it goes now.
#[derive(Debug)]
pub struct Recorded {
    reader: LogReader,
    /// The first record that is there.
    pub first: u64,
    /// The last record that there was when this was made; less than `first` in an empty log.
    pub last: u64,
}

impl Recorded {
    /// Looks at the log of a data directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(directory: &DataDirectory) -> Result<Self, ReplayError> {
        let reader = LogReader::open(directory)?;
        let (last, _) = newest(directory)?;
        Ok(Self { first: reader.first().unwrap_or(last + 1), last, reader })
    }

    /// All its records, in order.
    fn records(&self, progress: Progress<'_>) -> Result<impl Iterator<Item = Result<Record, LogError>>, LogError> {
        let (first, last) = (self.first, self.last);
        let records = (first <= last).then(|| self.reader.from(first)).transpose()?;
        let within = move |record: &Result<Record, LogError>| record.as_ref().map_or(true, |record| record.position.sequence <= last);
        Ok(records.into_iter().flatten().take_while(within).inspect(move |record| {
            if let Ok(record) = record
                && record.position.sequence % 1024 == 0
            {
                progress(record.position.sequence - first, last + 1 - first);
            }
        }))
    }
}

/// What a replay came to.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Decisions that were selected.
    pub decisions: u64,
    /// Those that came out again bit for bit.
    pub equal: u64,
    /// Those that did not.
    pub different: u64,
    /// Those that could not be judged again.
    pub not_replayable: u64,
    /// How many decisions each configuration and its models made.
    pub made_by: Vec<MadeBy>,
    /// What differs: the first hundred differences.
    pub differences: Vec<Difference>,
    /// Differences beyond those.
    pub more_differences: u64,
    /// Why decisions could not be judged again.
    pub reasons: Reasons,
    /// What it took.
    pub seconds: f64,
}

/// What decisions were made by.
#[derive(Debug, Serialize)]
pub struct MadeBy {
    /// The configuration and the versions of the models.
    #[serde(flatten)]
    pub versions: Versions,
    /// How many.
    pub decisions: u64,
}

/// Why decisions could not be judged, each reason once.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Reasons(IndexMap<String, Concerned>);

/// Whom a reason concerns.
#[derive(Debug, Serialize)]
pub struct Concerned {
    /// How many decisions.
    pub decisions: u64,
    /// The first one, by its id or by its record's sequence.
    pub first: String,
}

impl Reasons {
    fn note(&mut self, reason: String, first: impl ToString) {
        let full = self.0.len() >= MOST_LISTED;
        let reason = if full && !self.0.contains_key(&reason) { "other reasons".to_owned() } else { reason };
        self.0.entry(reason).or_insert_with(|| Concerned { decisions: 0, first: first.to_string() }).decisions += 1;
    }

    /// Each reason, in the order in which they came up.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Concerned)> {
        self.0.iter().map(|(reason, concerned)| (reason.as_str(), concerned))
    }
}

impl Report {
    /// Whether everything came out again.
    pub fn is_clean(&self) -> bool {
        self.different == 0 && self.not_replayable == 0
    }

    fn note(&mut self, id: Uuid, result: Result<Vec<Difference>, String>) {
        match result {
            Err(reason) => {
                self.not_replayable += 1;
                self.reasons.note(reason, id);
            }
            Ok(differences) if differences.is_empty() => self.equal += 1,
            Ok(mut differences) => {
                self.different += 1;
                let room = MOST_LISTED.saturating_sub(self.differences.len()).min(differences.len());
                self.more_differences += (differences.len() - room) as u64;
                self.differences.extend(differences.drain(..room));
            }
        }
    }

    fn note_versions(&mut self, versions: &Versions, decisions: u64) {
        match self.made_by.iter_mut().find(|known| known.versions == *versions) {
            Some(known) => known.decisions += decisions,
            None => self.made_by.push(MadeBy { versions: versions.clone(), decisions }),
        }
    }
}

/// Judges the selected decisions again by what they were made by. `seen` hears of each of them before it is judged.
///
/// # Errors
/// When the log cannot be read.
pub fn replay(
    recorded: &Recorded,
    selection: &Selection,
    makers: &mut Makers<'_>,
    progress: Progress<'_>,
    seen: &mut dyn FnMut(&Decision),
) -> Result<Report, ReplayError> {
    let started = Instant::now();
    let (mut report, mut choosing) = (Report::default(), selection.choosing());
    let mut pending: Vec<Decision> = Vec::with_capacity(AT_A_TIME);
    let mut of_pending = Versions::default();
    for record in recorded.records(progress)? {
        let record = record?;
        match choosing.choose(&record) {
            Choice::PassedOver => {}
            Choice::Unreadable(why) => {
                (report.decisions, report.not_replayable) = (report.decisions + 1, report.not_replayable + 1);
                report.reasons.note(why, format!("record {}", record.position.sequence));
            }
            Choice::Chosen(decision) => {
                seen(&decision);
                let versions = Versions::of(&decision);
                if pending.len() == AT_A_TIME || versions != of_pending {
                    judge_pending(makers, &of_pending, &mut pending, &mut report);
                    of_pending = versions;
                }
                report.decisions += 1;
                pending.push(*decision);
            }
        }
        if choosing.is_done() {
            break;
        }
    }
    judge_pending(makers, &of_pending, &mut pending, &mut report);
    report.seconds = started.elapsed().as_secs_f64();
    Ok(report)
}

fn judge_pending(makers: &mut Makers<'_>, versions: &Versions, pending: &mut Vec<Decision>, report: &mut Report) {
    if pending.is_empty() {
        return;
    }
    report.note_versions(versions, pending.len() as u64);
    match makers.engine(versions) {
        Ok(engine) => {
            let results = comparing::judge_again(&engine, pending);
            pending.iter().zip(results).for_each(|(decision, result)| report.note(decision.id, result));
        }
        Err(why) => pending.iter().for_each(|decision| report.note(decision.id, Err(why.clone()))),
    }
    pending.clear();
}

fn is_decision(record: &Record) -> bool {
    record.kind == RecordKind::Decision as u8
}
