//! The latest label of a decision. It stands anywhere behind the decision in the log, so that all labels are looked through beforehand; kept
//! is where each one stands, and of so many decisions at a time that memory is bounded.

use super::super::super::CommandError;
use super::recorded::Recorded;
use crate::decision::{LabelRecord, RecordKind};
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use synod_store::{Position, Record};
use uuid::Uuid;

/// Labelled decisions that are kept at a time: about 60 MB.
const MOST_KEPT: usize = 1_000_000;
/// Decisions made at once do not stand in the order of their ids. Whoever looks for one soon looks for some that were made a little earlier.
const EARLIER: u64 = 600_000;

/// Where labels stand.
#[derive(Debug)]
pub(super) struct Labels<'a> {
    recorded: &'a Recorded,
    /// Labels from this record on are left out.
    end: u64,
    kept: BTreeMap<Uuid, Position>,
    /// From which id to which all are kept.
    known: Option<(Uuid, Uuid)>,
    most: usize,
}

impl<'a> Labels<'a> {
    /// The labels before a record.
    pub(super) fn new(recorded: &'a Recorded, end: u64) -> Self {
        Self { recorded, end, kept: BTreeMap::new(), known: None, most: MOST_KEPT }
    }

    /// The latest label of a decision, if there is one.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn of(&mut self, decision: Uuid) -> Result<Option<LabelRecord>, CommandError> {
        if !self.known.is_some_and(|(from, to)| (from..=to).contains(&decision)) {
            self.look_around(decision)?;
        }
        let Some(position) = self.kept.get(&decision) else { return Ok(None) };
        let record = self.recorded.at(*position)?;
        Ok(serde_json::from_slice(&record.payload).ok())
    }

    /// Reads the log for the labels of this decision and of as many after it as can be kept. Ids begin with the time (UUIDv7), so that the
    /// decisions that are asked for next are among them; one that is not is looked for again, whatever the order.
    fn look_around(&mut self, decision: Uuid) -> Result<(), CommandError> {
        let first_look = self.known.is_none();
        let mut from = if first_look { Uuid::nil() } else { earlier(decision) };
        loop {
            self.collect(from)?;
            // So many labels within so little time: begin with the decision itself.
            match self.known {
                Some((_, to)) if to < decision => from = decision,
                _ => return Ok(()),
            }
        }
    }

    fn collect(&mut self, from: Uuid) -> Result<(), CommandError> {
        let (kept, most, mut to) = (&mut self.kept, self.most, Uuid::max());
        kept.clear();
        self.recorded.read_before(self.end, &ProgressBar::hidden(), |record| {
            if let Some(decision) = labelled(&record).filter(|decision| (from..=to).contains(decision)) {
                kept.insert(decision, record.position);
                if kept.len() > most
                    && let Some((beyond, _)) = kept.pop_last()
                {
                    to = Uuid::from_u128(beyond.as_u128() - 1);
                }
            }
            Ok(())
        })?;
        self.known = Some((from, to));
        Ok(())
    }
}

/// Which decision a record labels. One that cannot be read labels nothing; `synod audit verify` names it.
fn labelled(record: &Record) -> Option<Uuid> {
    if record.kind != RecordKind::Label as u8 {
        return None;
    }
    serde_json::from_slice::<LabelRecord>(&record.payload).ok().map(|label| label.decision)
}

/// The first id of the time some minutes before this one's.
fn earlier(id: Uuid) -> Uuid {
    let milliseconds = (id.as_u128() >> 80) as u64;
    Uuid::from_u128(u128::from(milliseconds.saturating_sub(EARLIER)) << 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Label;
    use synod_store::{DataDirectory, Entry, Log, LogSettings};

    /// A decision made in this minute.
    fn id(minute: u64) -> Uuid {
        Uuid::from_u128((u128::from(1_769_860_800_000 + minute * 60_000) << 80) | 7)
    }

    fn label(minute: u64, note: &str) -> Entry {
        let record = LabelRecord {
            decision: id(minute),
            label: Label::Fraud,
            by: "ana".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            note: Some(note.into()),
        };
        Entry::new(RecordKind::Label as u8, 0, serde_json::to_vec(&record).unwrap()).unwrap()
    }

    #[test]
    fn the_latest_label_is_found_in_any_order_however_few_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let directory = DataDirectory::open(folder.path()).unwrap();
        let (log, _) = Log::open(&directory, LogSettings::default()).unwrap();
        // Every other decision is labelled, twice, in another order than they were made.
        let early = (0..100).map(|number| label(number * 74 % 200, "early"));
        let late = (0..100).map(|number| label(number * 122 % 200, "late"));
        log.append(early.chain(late).chain([label(1, "after the end")]).collect(), drop);
        log.close().unwrap();
        let recorded = Recorded::open(&directory).unwrap();
        for most in [1, 3, 7, 1000] {
            let mut labels = Labels { most, ..Labels::new(&recorded, 201) };
            for minute in (0..200).chain((0..200).rev()).chain((0..200).map(|number| number * 67 % 200)) {
                let note = labels.of(id(minute)).unwrap().and_then(|label| label.note);
                assert_eq!(note.as_deref(), minute.is_multiple_of(2).then_some("late"), "minute {minute}, {most} are kept");
                assert!(labels.kept.len() <= most);
            }
        }
    }
}
