//! Random histories of a log on a disk that loses power and fails, against what the log has promised.

use super::LogSettings;
use super::disk::Disk;
use super::error::{AppendError, LogError};
use super::fault::Anchor;
use super::model_disk::{Injection, ModelDisk, Random};
use super::queue::Call;
use super::reader::LogReader;
use super::record::{Entry, Position, Record};
use super::records::Records;
use super::recovery::recover;
use super::retention::{Retention, retain};
use super::segment::list_segments;
use super::verify::verify;
use super::writer::Writer;
use super::{Log, Recovery};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const HISTORIES: u64 = 8000;

/// A record that was acknowledged.
#[derive(Debug, Clone)]
struct Known {
    entry: Entry,
    position: Option<Position>,
}

/// Records that may follow the first `base` ones.
#[derive(Debug)]
struct Attempt {
    base: usize,
    entries: Vec<Entry>,
}

/// One history: the disk, the log on it, and what is known about both.
struct History {
    random: Random,
    disk: ModelDisk,
    settings: LogSettings,
    writer: Option<Writer>,
    tail: Option<Records>,
    /// Acknowledged, from sequence 1 on.
    known: Vec<Known>,
    /// How many of them are durable.
    durable: usize,
    /// What may follow the durable records although nobody was told so: attempts whose traces may still be on the disk.
    possible: Vec<Attempt>,
    anchors: BTreeMap<u64, [u8; 32]>,
    /// Records below this one may have been dropped, and those below the other have been.
    may_be_dropped: u64,
    dropped: u64,
    cuts: usize,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let settings = LogSettings {
            segment_bytes: [0, 300, 1500][random.below(3)],
            queue_bytes: 1 << 20,
            sync: !random.one_in(4),
            ..LogSettings::default()
        };
        let disk = ModelDisk::new(random.next());
        let (known, possible, anchors) = Default::default();
        Self {
            random,
            disk,
            settings,
            writer: None,
            tail: None,
            known,
            durable: 0,
            possible,
            anchors,
            may_be_dropped: 1,
            dropped: 1,
            cuts: 0,
        }
    }

    fn run(&mut self) {
        self.open();
        for _ in 0..4 + self.random.below(12) {
            if self.random.one_in(4) {
                self.plan_trouble();
            }
            match self.random.below(12) {
                0 => self.power_cut(),
                1 => self.reopen(),
                2 => self.retain(),
                3 => self.settle(),
                _ => self.append(),
            }
            if self.disk.is_off() {
                self.power_cut();
            }
        }
        self.power_cut();
    }

    /// The next operations, or one of those after them, fail.
    fn plan_trouble(&mut self) {
        let from = self.disk.operations() + self.random.below(12) as u64;
        let length = if self.random.one_in(3) { 1 + self.random.below(8) as u64 } else { 1 };
        let injection = match self.random.below(3) {
            0 => Injection::PowerCut,
            1 => Injection::Error(ErrorKind::StorageFull),
            _ => Injection::Error(ErrorKind::Other),
        };
        self.disk.inject(from..from + length, injection);
    }

    /// Opens the log, with as many power cuts and errors on the way as were planned, and compares it with what is known.
    fn open(&mut self) {
        let recovered = loop {
            match recover(&self.disk, 1_000) {
                Ok(recovered) => break recovered,
                Err(LogError::Read { .. } | LogError::Write { .. }) if self.disk.is_off() => self.disk = self.disk.power_cut(),
                Err(LogError::Read { .. } | LogError::Write { .. }) => self.disk.heal(),
                Err(error) => panic!("refused: {error}"),
            }
        };
        self.cuts += usize::from(recovered.recovery.cut.is_some());
        self.compare(&recovered.recovery);
        let writer = Writer::new(Arc::new(self.disk.clone()), self.settings, recovered);
        let reader = LogReader::new(Arc::new(self.disk.clone()), Some(writer.status().clone()));
        self.tail = Some(reader.from(self.known.len() as u64 + 1).unwrap());
        self.writer = Some(writer);
    }

    fn compare(&mut self, recovery: &Recovery) {
        let first = self.check_first();
        let reader = LogReader::new(Arc::new(self.disk.clone()), None);
        assert_eq!(reader.first(), recovery.first);
        let records: Vec<Record> = reader.from(first).unwrap().map(|record| record.unwrap()).collect();
        assert_eq!((records.len() as u64, first + records.len() as u64), (recovery.records, recovery.next));
        let found = first as usize - 1 + records.len();
        assert!(found >= self.durable, "{} records were durable, {found} are there", self.durable);
        self.take_up(found, &records, first);
        for (record, known) in records.iter().zip(&mut self.known[first as usize - 1..]) {
            assert_eq!((record.kind, record.at, &record.payload), (known.entry.kind, known.entry.at, &known.entry.payload));
            assert!(known.position.is_none_or(|position| position == record.position), "a record has moved");
            known.position = Some(record.position);
        }
        self.durable = self.known.len();
        self.possible.clear();
        self.check_verifies(records.last());
    }

    /// Records that were found beyond the acknowledged ones must be from one attempt; acknowledged ones that are missing must not have been
    /// synced.
    fn take_up(&mut self, found: usize, records: &[Record], first: u64) {
        if found < self.known.len() {
            assert!(!self.settings.sync, "acknowledged records are missing");
            self.known.truncate(found);
        }
        let attempts = std::mem::take(&mut self.possible);
        let known = self.known.len();
        if found > known {
            let extra = &records[known + 1 - first as usize..];
            let traces = attempts.iter().filter_map(|attempt| attempt.entries.get(known.checked_sub(attempt.base)?..found - attempt.base));
            let same = |traces: &&[Entry]| traces.iter().zip(extra).all(|(entry, record)| entry.payload == record.payload);
            let found = traces.into_iter().find(same).expect("records that nobody appended").to_vec();
            self.known.extend(found.into_iter().map(|entry| Known { entry, position: None }));
        }
    }

    fn check_first(&self) -> u64 {
        let first = list_segments(&self.disk).unwrap()[0];
        assert!((self.dropped..=self.may_be_dropped).contains(&first), "the log begins with {first}");
        first
    }

    fn check_verifies(&mut self, last: Option<&Record>) {
        if let Some(last) = last {
            self.anchors.insert(last.position.sequence, last.chain);
        }
        let anchors: Vec<Anchor> = self.anchors.iter().map(|(sequence, chain)| Anchor { sequence: *sequence, chain: *chain }).collect();
        let verification = verify(&self.disk, &anchors, Duration::ZERO, &mut |_, _| {}).unwrap();
        assert!(verification.faults.is_empty(), "{:?}", verification.faults);
        assert_eq!(verification.head.is_some(), last.is_some());
        assert_eq!(verification.last, last.map(|last| last.position.sequence));
    }

    fn append(&mut self) {
        let batch: Vec<Vec<Entry>> = (0..1 + self.random.below(3)).map(|_| self.call()).collect();
        let entries: Vec<Entry> = batch.concat();
        let (sender, answers) = mpsc::channel();
        let calls = batch.iter().map(|entries| {
            let sender = sender.clone();
            Call::new(entries.clone(), Box::new(move |answer| sender.send(answer).unwrap()))
        });
        let Some(writer) = &mut self.writer else { return };
        writer.commit(calls.collect(), || {});
        drop(sender);
        let answers: Vec<Result<Vec<Position>, AppendError>> = answers.iter().collect();
        assert_eq!(answers.len(), batch.len(), "every call is answered once");
        self.note_lost(&entries);
        match answers.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(positions) => self.note_acknowledged(entries, positions.concat()),
            Err(AppendError::Disk { .. }) => {
                self.possible.push(Attempt { base: self.known.len(), entries });
            }
            Err(error) => panic!("{error}"),
        }
        self.check_durable();
    }

    fn call(&mut self) -> Vec<Entry> {
        let count = 1 + self.random.below(3);
        (0..count)
            .map(|_| {
                let length = if self.random.one_in(8) { self.random.below(2000) } else { self.random.below(120) };
                Entry::new(self.random.next() as u8, self.random.next() as i64, self.random.bytes(length)).unwrap()
            })
            .collect()
    }

    fn note_acknowledged(&mut self, entries: Vec<Entry>, positions: Vec<Position>) {
        assert_eq!(entries.len(), positions.len());
        for (entry, position) in entries.into_iter().zip(positions) {
            assert_eq!(position.sequence, self.known.len() as u64 + 1);
            self.known.push(Known { entry, position: Some(position) });
        }
    }

    /// Without syncs a sync that fails takes acknowledged records with it. Traces of them, and of what was just written, may be left.
    fn note_lost(&mut self, just_written: &[Entry]) {
        let Some(writer) = &self.writer else { return };
        let lost = std::mem::take(&mut writer.status().lock().facts.lost) as usize;
        assert!(!self.settings.sync || lost == 0, "lost in spite of syncs");
        if lost > 0 {
            let base = self.known.len() - lost;
            let lost: Vec<Entry> = self.known.split_off(base).into_iter().map(|known| known.entry).collect();
            for attempt in self.possible.iter_mut().filter(|attempt| attempt.base > base) {
                attempt.entries.splice(..0, lost[..attempt.base - base].iter().cloned());
                attempt.base = base;
            }
            self.possible.push(Attempt { base, entries: [&lost, just_written].concat() });
        }
    }

    /// After each step: the head is what was acknowledged, readers see just that, and nothing of what was refused is left on a sound disk.
    fn check_durable(&mut self) {
        let Some(writer) = &self.writer else { return };
        let head = writer.status().lock().head;
        assert!(head.next as usize > self.durable && head.next as usize <= self.known.len() + 1);
        self.durable = head.next as usize - 1;
        if writer.is_sound() {
            self.possible.clear();
        }
        if self.disk.is_off() {
            return;
        }
        if let Some(last) = self.known[..self.durable].last().and_then(|known| known.position) {
            let reader = LogReader::new(Arc::new(self.disk.clone()), Some(writer.status().clone()));
            match reader.read(last) {
                Ok(record) => assert_eq!(record.payload, self.known[self.durable - 1].entry.payload),
                Err(error) => assert!(last.sequence < self.may_be_dropped, "{error}"),
            }
            self.anchors.insert(last.sequence, head.chain);
        }
        for record in self.tail.iter_mut().flatten() {
            let record = record.unwrap();
            let known = &self.known[..self.durable][record.position.sequence as usize - 1];
            assert_eq!((Some(record.position), &record.payload), (known.position, &known.entry.payload));
        }
    }

    fn settle(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        let settled = writer.settle();
        self.note_lost(&[]);
        self.check_durable();
        assert!(settled.is_err() || self.durable == self.known.len());
    }

    fn retain(&mut self) {
        let Some(writer) = &self.writer else { return };
        let keep = Retention { age: None, bytes: Some(self.random.below(3000) as u64), now: 0 };
        let needed_from = self.random.below(self.durable + 2) as u64;
        let last_segment = writer.status().lock().segments.last().unwrap().first;
        self.may_be_dropped = self.may_be_dropped.max(needed_from.min(last_segment)).max(1);
        if let Ok(dropped) = retain(&self.disk, writer.status(), keep, needed_from) {
            self.dropped = dropped.last().map_or(self.dropped, |dropped| dropped.last + 1);
        }
        self.tail = None;
    }

    /// Closes the log properly and opens it again, on a disk that has kept its power. Traces of what was refused may be on it if it could
    /// not be closed properly.
    fn reopen(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            let finished = writer.finish();
            self.writer = Some(writer);
            self.note_lost(&[]);
            self.check_durable();
            assert!(finished.is_err() || (self.possible.is_empty() && self.durable == self.known.len()));
        }
        self.writer = None;
        self.open();
    }

    fn power_cut(&mut self) {
        self.writer = None;
        self.disk = self.disk.power_cut();
        self.open();
    }
}

/// All of them, or the one that is named in the environment, to look into a failure.
fn seeds() -> std::ops::Range<u64> {
    let one = std::env::var("SYNOD_LOG_SEED").ok().and_then(|seed| seed.parse().ok());
    one.map_or(0..HISTORIES, |seed| seed..seed + 1)
}

/// The promise: every acknowledged record is there exactly once, in order, with its bytes; nothing that was never appended is there; what
/// was refused and cut off does not come back; the log can be opened and verifies.
#[test]
fn what_was_acknowledged_survives_every_power_cut_and_disk_error() {
    let mut cuts = 0;
    for seed in seeds() {
        let mut history = History::new(seed);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.run()));
        assert!(run.is_ok(), "the history with seed {seed} failed");
        cuts += history.cuts;
    }
    assert!(cuts > HISTORIES as usize / 10, "torn ends were met: {cuts}");
}

/// The same with the thread, the queue and callers at the same time, whose batches fall as they fall.
#[test]
fn what_was_acknowledged_to_many_callers_survives_a_power_cut() {
    for seed in 0..300 {
        let disk = ModelDisk::new(seed);
        let settings = LogSettings { segment_bytes: 2000, queue_bytes: 1 << 20, ..LogSettings::default() };
        let (log, _) = Log::open_on(Arc::new(disk.clone()), settings).unwrap();
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        disk.inject(20 + seed..21 + seed, Injection::PowerCut);
        std::thread::scope(|scope| {
            for caller in 0..3_u8 {
                let (log, acknowledged) = (&log, acknowledged.clone());
                scope.spawn(move || append_until_refused(log, caller, &acknowledged));
            }
        });
        assert!(disk.is_off());
        drop(log);
        let (log, recovery) = Log::open_on(Arc::new(disk.power_cut()), settings).unwrap();
        let reader = log.reader();
        for (position, payload) in acknowledged.lock().unwrap().drain(..) {
            assert_eq!(reader.read(position).unwrap().payload, payload, "seed {seed}");
        }
        assert_eq!(reader.from(1).unwrap().map(Result::unwrap).count() as u64, recovery.records);
    }
}

fn append_until_refused(log: &Log, caller: u8, acknowledged: &Mutex<Vec<(Position, Vec<u8>)>>) {
    for number in 0_u32.. {
        let payload = [&[caller], number.to_le_bytes().as_slice()].concat();
        let (sender, answer) = mpsc::channel();
        log.append(vec![Entry::new(caller, 0, payload.clone()).unwrap()], move |answer| sender.send(answer).unwrap());
        match answer.recv().unwrap() {
            Ok(positions) => acknowledged.lock().unwrap().push((positions[0], payload)),
            Err(_) => return,
        }
    }
}

/// The test above means something only if the model does lose what is not synced.
#[test]
fn the_model_forgets_what_was_not_synced_and_nothing_else() {
    let mut lost = 0;
    for seed in 0..200 {
        let disk = ModelDisk::new(seed);
        let synced = disk.create("synced").unwrap();
        synced.write_at(&[1; 300], 0).unwrap();
        synced.sync_data().unwrap();
        disk.sync_folder().unwrap();
        synced.write_at(&[2; 300], 300).unwrap();
        disk.create("unsynced").unwrap();
        let after = disk.power_cut();
        let contents = after.contents("synced");
        assert_eq!(contents[..300], [1; 300]);
        lost += usize::from(contents[300..] != [2; 300]) + usize::from(!after.names().contains(&"unsynced".to_owned()));
    }
    assert!((100..400).contains(&lost), "{lost}");
}
