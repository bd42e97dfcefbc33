//! What the records of a log say, and whether all that they rest on is there: every payload must be readable, every configuration and
//! plugin that it names must be in the archive, every model in the registry, each with the digest that is named.

use super::{MOST_LISTED, Progress, ReplayError};
use crate::auditing::AuditRecord;
use crate::command::chain;
use crate::decision::{Decision, LabelRecord, RecordKind, ShadowRecord};
use crate::ledger::{RecoveryError, newest, segments};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use synod_store::{Archive, DataDirectory, LogReader, Record, Registry, RegistryError};

/// What was found in the records of a log.
#[derive(Debug, Default, Serialize)]
pub struct ContentsReport {
    /// Decisions that could be read.
    pub decisions: u64,
    /// Labels that could be read.
    pub labels: u64,
    /// Audit records that could be read.
    pub audits: u64,
    /// Records that are none of these: the first hundred.
    pub unreadable: Vec<Unreadable>,
    /// Such records beyond those.
    pub more_unreadable: u64,
    /// What decisions rest on and is not there.
    pub missing: Vec<Missing>,
    /// Where records were not looked into, because they stand behind damaged bytes.
    pub unread: Vec<Unread>,
}

/// A record that says nothing.
#[derive(Debug, Serialize)]
pub struct Unreadable {
    /// The record.
    pub sequence: u64,
    /// What is wrong with it.
    pub why: String,
}

/// Something that decisions rest on, and that is not there as they name it.
#[derive(Debug, Serialize)]
pub struct Missing {
    /// What it is, with its digest.
    pub what: String,
    /// What there is in its place.
    pub why: String,
    /// How many decisions name it.
    pub decisions: u64,
    /// The first of their records.
    pub first: u64,
}

/// Records that were not looked into.
#[derive(Debug, Serialize)]
pub struct Unread {
    /// The segment, by its first sequence.
    pub segment: u64,
    /// The first record that could not be read.
    pub from: u64,
    /// Why not.
    pub why: String,
}

/// What a decision names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Configuration(String),
    Plugin(String),
    /// Of an abstention only the version is known.
    Model(String, u64, Option<String>),
}

/// How many decisions name something, and the first of their records.
#[derive(Debug, Clone, Copy)]
struct Uses {
    decisions: u64,
    first: u64,
}

impl ContentsReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.unreadable.is_empty() && self.missing.is_empty() && self.unread.is_empty()
    }

    fn unreadable(&mut self, sequence: u64, why: String) {
        if self.unreadable.len() < MOST_LISTED {
            self.unreadable.push(Unreadable { sequence, why });
        } else {
            self.more_unreadable += 1;
        }
    }
}

/// Reads all records, also beside a running server, and looks for what they name. Damage in one segment does not hide the next one.
///
/// # Errors
/// When a folder cannot be read.
pub fn check_contents(
    directory: &DataDirectory,
    archive: &Archive,
    registry: &Registry,
    progress: Progress<'_>,
) -> Result<ContentsReport, ReplayError> {
    let (mut report, named) = read_all(directory, progress)?;
    let missing = |(named, uses): (Named, Uses)| {
        let why = named.look_for(archive, registry).err()?;
        Some(Missing { what: named.to_string(), why, decisions: uses.decisions, first: uses.first })
    };
    report.missing = merged(named).into_iter().filter_map(missing).collect();
    Ok(report)
}

/// The versions of models that kept decisions rest on, by detector. Reads all records, also beside a running server.
///
/// # Errors
/// When a folder cannot be read, or not every record can: then it is not known what they rest on.
pub fn models_in_use(directory: &DataDirectory, progress: Progress<'_>) -> Result<HashSet<(String, u64)>, ReplayError> {
    let (report, named) = read_all(directory, progress)?;
    if !report.unread.is_empty() || !report.unreadable.is_empty() {
        return Err(ReplayError::Unread);
    }
    let model = |named: Named| if let Named::Model(detector, version, _) = named { Some((detector, version)) } else { None };
    Ok(named.into_keys().filter_map(model).collect())
}

fn read_all(directory: &DataDirectory, progress: Progress<'_>) -> Result<(ContentsReport, BTreeMap<Named, Uses>), ReplayError> {
    let (mut report, mut named) = (ContentsReport::default(), BTreeMap::new());
    let reader = LogReader::open(directory)?;
    let segments = segments(directory).map_err(RecoveryError::from)?;
    let all = newest(directory).map_or(0, |(sequence, _)| sequence);
    let first = segments.first().copied().unwrap_or(1);
    for segment in segments {
        read_segment(&reader, segment, &mut report, &mut named, &mut |sequence| {
            progress(sequence.saturating_sub(first), (all + 1).saturating_sub(first));
        });
    }
    Ok((report, named))
}

/// The uses of a model by abstentions count among those by votes, which name its digest, if there are any.
fn merged(mut named: BTreeMap<Named, Uses>) -> BTreeMap<Named, Uses> {
    let vague = |named: &Named| matches!(named, Named::Model(_, _, None));
    let of_abstentions: Vec<(Named, Uses)> = named.extract_if(.., |named, _| vague(named)).collect();
    for (name, uses) in of_abstentions {
        let Named::Model(detector, version, _) = &name else { continue };
        let known = named.iter_mut().find(|(known, _)| matches!(known, Named::Model(other, of, _) if other == detector && of == version));
        match known {
            Some((_, known)) => *known = Uses { decisions: known.decisions + uses.decisions, first: known.first.min(uses.first) },
            None => drop(named.insert(name, uses)),
        }
    }
    named
}

fn read_segment(
    reader: &LogReader,
    segment: u64,
    report: &mut ContentsReport,
    named: &mut BTreeMap<Named, Uses>,
    progress: &mut dyn FnMut(u64),
) {
    let mut next = segment;
    let records = match reader.from(segment) {
        Ok(records) => records,
        Err(error) => return report.unread.push(Unread { segment, from: next, why: chain(&error) }),
    };
    for record in records {
        let record = match record {
            Ok(record) if record.position.segment != segment => return,
            Ok(record) => record,
            Err(error) => return report.unread.push(Unread { segment, from: next, why: chain(&error) }),
        };
        next = record.position.sequence + 1;
        read_record(&record, report, named);
        if next.is_multiple_of(1024) {
            progress(next);
        }
    }
}

fn read_record(record: &Record, report: &mut ContentsReport, named: &mut BTreeMap<Named, Uses>) {
    let sequence = record.position.sequence;
    if record.kind == RecordKind::Decision as u8 {
        match serde_json::from_slice::<Decision>(&record.payload) {
            Err(error) => report.unreadable(sequence, format!("it is no decision that this version can read: {error}")),
            Ok(decision) => {
                report.decisions += 1;
                for name in names(decision) {
                    named.entry(name).or_insert(Uses { decisions: 0, first: sequence }).decisions += 1;
                }
            }
        }
    } else if record.kind == RecordKind::Label as u8 {
        match serde_json::from_slice::<LabelRecord>(&record.payload) {
            Err(error) => report.unreadable(sequence, format!("it is no label that this version can read: {error}")),
            Ok(_) => report.labels += 1,
        }
    } else if record.kind == RecordKind::Audit as u8 {
        match serde_json::from_slice::<AuditRecord>(&record.payload) {
            Err(error) => report.unreadable(sequence, format!("it is no audit record that this version can read: {error}")),
            Ok(_) => report.audits += 1,
        }
    } else if record.kind == RecordKind::Shadow as u8 {
        if let Err(error) = serde_json::from_slice::<ShadowRecord>(&record.payload) {
            report.unreadable(sequence, format!("it is no record of shadows that this version can read: {error}"));
        }
    } else {
        report.unreadable(sequence, format!("this version knows no records of the kind {}", record.kind));
    }
}

/// What a decision names, each once.
fn names(decision: Decision) -> std::collections::BTreeSet<Named> {
    let votes = decision
        .votes
        .into_iter()
        .flat_map(|vote| [Named::Plugin(vote.plugin_digest), Named::Model(vote.detector, vote.model_version, Some(vote.model_digest))]);
    let abstentions = decision.abstentions.into_iter().map(|abstention| Named::Model(abstention.detector, abstention.model_version, None));
    votes.chain(abstentions).chain([Named::Configuration(decision.configuration)]).collect()
}

impl Named {
    /// # Errors
    /// What is wrong with it, in words.
    fn look_for(&self, archive: &Archive, registry: &Registry) -> Result<(), String> {
        match self {
            Self::Configuration(digest) | Self::Plugin(digest) => archive.get(digest).map(drop).map_err(|error| chain(&error)),
            Self::Model(detector, version, digest) => {
                let loaded: Result<synod_store::Stored<serde::de::IgnoredAny>, RegistryError> = registry.load(detector, Some(*version));
                let found = loaded.map_err(|error| chain(&error))?.digest;
                match digest {
                    Some(digest) if *digest != found => Err(format!("the registry has {found} as this version")),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Configuration(digest) => write!(f, "configuration {digest}"),
            Self::Plugin(digest) => write!(f, "plugin {digest}"),
            Self::Model(detector, version, None) => write!(f, "model of {detector}, version {version}"),
            Self::Model(detector, version, Some(digest)) => write!(f, "model of {detector}, version {version}: {digest}"),
        }
    }
}
