//! How a sink follows a log.

use crate::calling::pause;
use crate::ledger::{Followed, Place, Tally};
use crate::listening::chain;
use jiff::Timestamp;
use std::error::Error;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use synod_store::{LogError, Progress, Record, Records};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::sleep;

/// How often the log is looked at while nothing comes.
const ROUND: Duration = Duration::from_millis(100);
/// How often a position is kept: what may be told twice after a crash.
const KEEPING: Duration = Duration::from_secs(1);

/// Why a receiver did not take a parcel. It is tried again.
#[derive(Debug)]
pub(crate) struct Failure {
    /// A stable word for metrics, of the code.
    pub(crate) code: &'static str,
    /// For people; nothing secret.
    pub(crate) reason: String,
    /// When it is tried again; without, after a pause that grows.
    pub(crate) after: Option<Duration>,
}

impl Failure {
    /// A failure, for people in these words.
    pub(crate) fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), after: None }
    }

    /// A failure with all that caused it.
    pub(crate) fn of(code: &'static str, error: &dyn Error) -> Self {
        Self::new(code, chain(error))
    }
}

/// Somebody outside who is told what is in a log.
pub(crate) trait Sink: Send + 'static {
    /// What is made of some records.
    type Parcel;

    /// Records that are packed together, and their bytes: what a sink holds in memory.
    const MOST_RECORDS: usize = 1000;
    /// The bytes of their payloads.
    const MOST_BYTES: usize = 4 << 20;

    /// How many records beyond what was acknowledged may be told before it is noted that they may have been. With 0 that is never noted: whoever is
    /// told something again after a crash must not mind. Else what was noted is told to [`Self::pack`] after a crash.
    const AHEAD: u64 = 0;

    /// Where it follows the log from: the same for the same receiver, whatever else is configured.
    fn place(&self) -> Place;

    /// Makes a parcel of records that come next. It is called once for each record, in their order, unless there is a crash. Records before
    /// `untold` may have been told before a crash.
    fn pack(&mut self, records: Vec<Record>, untold: u64) -> Self::Parcel;

    /// Delivers a parcel, and counts what came of it. What was delivered of it before a failure is taken out of it, and counted then. It may be
    /// dropped before it ends, and the parcel with it.
    async fn deliver(&mut self, parcel: &mut Self::Parcel, tally: &mut Tally) -> Result<(), Failure>;
}

/// Starts the thread of a sink.
pub(super) fn start<S: Sink>(sink: S, followed: Followed, stopped: watch::Receiver<()>) -> std::io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let following = Following::new(sink, followed, stopped);
    std::thread::Builder::new().name("sink".into()).spawn(move || {
        runtime.block_on(following.run());
        // What a receiver keeps up is not waited for.
        runtime.shutdown_background();
    })
}

struct Following<S> {
    sink: S,
    followed: Followed,
    stopped: watch::Receiver<()>,
    /// Where the log is read; none at the beginning and after an error.
    records: Option<Records>,
    /// What is kept of how far it has come, and since when.
    kept: (Progress, Instant),
    /// Whether records may have been told that were not acknowledged.
    in_doubt: bool,
    /// When the last record happened that was acknowledged.
    last: i64,
    failures: u32,
}

impl<S: Sink> Following<S> {
    fn new(sink: S, followed: Followed, stopped: watch::Receiver<()>) -> Self {
        let (next, told) = (followed.follower.next(), followed.untold);
        let (kept, last) = ((Progress { next, told }, Instant::now()), Timestamp::now().as_microsecond());
        Self { sink, followed, stopped, records: None, kept, in_doubt: told > next, last, failures: 0 }
    }

    async fn run(mut self) {
        while !self.is_stopped() {
            match self.read() {
                Ok(records) if records.is_empty() => self.wait(ROUND).await,
                Ok(records) => self.tell(records).await,
                Err(LogError::NotThere { .. }) if self.was_dropped() => self.skip(),
                Err(error) => {
                    // How long it has been so decides how long the log waits for it.
                    self.followed.follower.tells(self.last);
                    self.fail(Failure::of("log", &error)).await;
                }
            }
            self.keep(KEEPING);
        }
        self.keep(Duration::ZERO);
    }

    fn is_stopped(&self) -> bool {
        // An error says that nobody is left who could stop it.
        self.stopped.has_changed().unwrap_or(true)
    }

    /// Waits, but not beyond the end.
    async fn wait(&self, time: Duration) {
        // A clone, for whoever has seen the change is not told of it again.
        let mut stopped = self.stopped.clone();
        tokio::select! {
            _ = stopped.changed() => {}
            () = sleep(time) => {}
        }
    }

    /// The records that come next, as many as are packed together. Those before damage are told before anybody hears of the damage.
    fn read(&mut self) -> Result<Vec<Record>, LogError> {
        let mut reading = match self.records.take() {
            Some(reading) => reading,
            None => self.followed.log.from(self.followed.follower.next())?,
        };
        let (mut records, mut bytes) = (Vec::new(), 0);
        while records.len() < S::MOST_RECORDS && bytes < S::MOST_BYTES {
            match reading.next() {
                None => break,
                Some(Ok(record)) => {
                    bytes += record.payload.len();
                    records.push(record);
                }
                Some(Err(error)) if records.is_empty() => return Err(error),
                // The next look begins behind these, and finds the damage at once.
                Some(Err(_)) => return Ok(records),
            }
        }
        self.records = Some(reading);
        Ok(records)
    }

    /// Whether what comes next was dropped, with all before it, and not lost from the middle of the log.
    fn was_dropped(&self) -> bool {
        // Nothing is there at all for a moment, while segments change.
        self.followed.log.first().is_none_or(|first| first > self.followed.follower.next())
    }

    /// What comes next is not there any more.
    fn skip(&mut self) {
        let follower = &self.followed.follower;
        let (next, first) = (follower.next(), self.followed.log.first().unwrap_or(0));
        // Nothing is there at all for a moment, while segments change.
        let first = first.max(next);
        tracing::warn!(sink = follower.name(), from = next, to = first, "records were dropped before they were delivered");
        follower.told(Tally { skipped: first - next, ..Tally::default() });
        follower.acknowledged(first);
    }

    /// Delivers some records, however long that takes.
    async fn tell(&mut self, records: Vec<Record>) {
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return };
        self.followed.follower.tells(first.at);
        let (next, at) = (last.position.sequence + 1, last.at);
        while let Err(failure) = self.note_ahead(next) {
            self.fail(failure).await;
            if self.is_stopped() {
                return;
            }
        }
        let (mut parcel, mut stopped) = (self.sink.pack(records, self.followed.untold), self.stopped.clone());
        self.in_doubt = true;
        while !self.is_stopped() {
            let mut tally = Tally::default();
            let delivered = tokio::select! {
                _ = stopped.changed() => return,
                delivered = self.sink.deliver(&mut parcel, &mut tally) => delivered,
            };
            self.followed.follower.told(tally);
            match delivered {
                Ok(()) => return self.acknowledge(next, at),
                Err(failure) => self.fail(failure).await,
            }
        }
    }

    /// Before records are told for which that was not noted: notes that they may have been, and some more, so that it is not done each time.
    fn note_ahead(&mut self, next: u64) -> Result<(), Failure> {
        if S::AHEAD == 0 || next <= self.kept.0.told {
            return Ok(());
        }
        let progress = Progress { next: self.followed.follower.next(), told: next + S::AHEAD };
        self.followed.position.keep(progress).map_err(|error| Failure::of("position", &error))?;
        self.kept = (progress, Instant::now());
        Ok(())
    }

    fn acknowledge(&mut self, next: u64, at: i64) {
        let follower = &self.followed.follower;
        (self.failures, self.last, self.in_doubt) = (0, at, false);
        if let Some(down) = follower.recovered() {
            tracing::info!(sink = follower.name(), down_ms = down.as_millis() as u64, "what waited was delivered");
        }
        follower.acknowledged(next);
    }

    /// Notes a failure, and waits before it is tried again.
    async fn fail(&mut self, failure: Failure) {
        self.failures += 1;
        let Failure { code, reason, after } = failure;
        let name = self.followed.follower.name();
        if self.followed.follower.failed(code, reason.clone()) {
            tracing::warn!(sink = name, reason = code, error = reason, "nothing is delivered; it is tried again");
        }
        self.wait(after.unwrap_or_else(|| pause(self.failures))).await;
    }

    /// Keeps the position, if that was not done for so long. If it cannot be kept, more is told twice after a crash.
    fn keep(&mut self, after: Duration) {
        let next = self.followed.follower.next();
        // While much is told it is not noted each time what may have been: that is for what is told next.
        let told = if self.in_doubt || (S::AHEAD > 0 && next != self.kept.0.next) { self.kept.0.told.max(next) } else { next };
        let progress = Progress { next, told };
        if progress == self.kept.0 || self.kept.1.elapsed() < after {
            return;
        }
        if let Err(error) = self.followed.position.keep(progress) {
            tracing::error!(sink = self.followed.follower.name(), error = chain(&error), "the position cannot be kept");
            // What is on disk still says more than this: nothing is told that it does not know of.
            self.kept.1 = Instant::now();
            return;
        }
        self.kept = (progress, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditing::{Action, AuditOutcome, AuditRecord};
    use crate::config::{Config, archived};
    use crate::ledger::{Begin, Ledger};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex, mpsc};
    use synod_store::DataDirectory;
    use tempfile::TempDir;

    /// A receiver that keeps the numbers of the records that it takes, if it takes any.
    struct Receiver {
        taken: Arc<Mutex<Vec<u64>>>,
        is_down: Arc<AtomicBool>,
    }

    impl Sink for Receiver {
        type Parcel = Vec<u64>;

        fn place(&self) -> Place {
            let patience = Duration::from_millis(1);
            Place { file: "receiver".into(), name: "receiver".into(), patience, begin: Begin::Latest }
        }

        fn pack(&mut self, records: Vec<Record>, _: u64) -> Vec<u64> {
            records.iter().map(|record| record.position.sequence).collect()
        }

        async fn deliver(&mut self, parcel: &mut Vec<u64>, tally: &mut Tally) -> Result<(), Failure> {
            if self.is_down.load(Ordering::Acquire) {
                return Err(Failure::new("down", "it is down"));
            }
            tally.delivered += parcel.len() as u64;
            self.taken.lock().unwrap().append(parcel);
            Ok(())
        }
    }

    struct Installed {
        config: Config,
        directory: DataDirectory,
        ledger: Arc<Ledger>,
        taken: Arc<Mutex<Vec<u64>>>,
        is_down: Arc<AtomicBool>,
        _folder: TempDir,
    }

    impl Installed {
        fn new() -> Self {
            let text = "version: 1\nschema: {fields: {a: {type: number}}}\nfeatures: {a: {expression: a}}\ndetectors: {one: {plugin: one}}\n\
                        decisions: {segment: 64KiB, keep_bytes: 64KiB}\n";
            let config = archived(text, "test").unwrap();
            let folder = tempfile::tempdir().unwrap();
            let directory = DataDirectory::open(folder.path()).unwrap();
            let ledger = Arc::clone(&Ledger::open(&config, &directory).unwrap().ledger);
            Self { config, directory, ledger, taken: Arc::default(), is_down: Arc::default(), _folder: folder }
        }

        fn append(&self, count: usize) {
            let (sender, stored) = mpsc::channel();
            for _ in 0..count {
                let sender = sender.clone();
                let record = AuditRecord::new(Action::SERVICE_STARTED, AuditOutcome::Allowed);
                self.ledger.audit(&record, move |result| sender.send(result).unwrap());
            }
            stored.iter().take(count).for_each(|result| result.unwrap());
        }

        /// Starts a sink; it ends when what this answers is dropped.
        fn start(&self) -> (watch::Sender<()>, JoinHandle<()>) {
            self.start_at(Begin::Latest)
        }

        fn start_at(&self, begin: Begin) -> (watch::Sender<()>, JoinHandle<()>) {
            let (stop, stopped) = watch::channel(());
            let sink = Receiver { taken: Arc::clone(&self.taken), is_down: Arc::clone(&self.is_down) };
            let followed = self.ledger.follow(&self.directory, &Place { begin, ..sink.place() }).unwrap();
            (stop, start(sink, followed, stopped).unwrap())
        }

        fn taken(&self) -> Vec<u64> {
            self.taken.lock().unwrap().clone()
        }
    }

    #[track_caller]
    fn wait_for(what: impl Fn() -> bool) {
        let started = Instant::now();
        while !what() {
            assert!(started.elapsed() < Duration::from_secs(30), "it does not come to this");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn it_begins_at_the_end_and_goes_on_where_it_was() {
        let at = Installed::new();
        at.append(3);
        let (stop, thread) = at.start();
        at.append(2);
        wait_for(|| at.taken() == [4, 5]);
        drop(stop);
        thread.join().unwrap();
        at.append(1);
        at.is_down.store(true, Ordering::Release);
        let (stop, thread) = at.start();
        wait_for(|| at.ledger.followers()[1].failures == [("down", 1)]);
        let facts = at.ledger.followers().swap_remove(1);
        assert_eq!((facts.healthy, facts.reason.as_deref(), facts.behind), (false, Some("it is down"), 1));
        at.is_down.store(false, Ordering::Release);
        wait_for(|| at.taken() == [4, 5, 6]);
        wait_for(|| at.ledger.followers()[1].healthy);
        stop.send(()).unwrap();
        thread.join().unwrap();
        let (stop, thread) = at.start();
        at.append(1);
        wait_for(|| at.taken() == [4, 5, 6, 7]);
        drop(stop);
        thread.join().unwrap();
    }

    #[test]
    fn everything_before_damage_is_told_wherever_it_is() {
        let at = Installed::new();
        at.append(40);
        let folder = at.directory.path().join("log");
        let path = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        // Where each record begins: all of them are of one length, or nearly.
        let begins: Vec<usize> = (1..=40_u64)
            .scan(64, |at, _| {
                let begin = *at;
                let length = u32::from_le_bytes(whole[begin..begin + 4].try_into().unwrap()) & 0x7fff_ffff;
                *at += 89 + length as usize;
                Some(begin)
            })
            .collect();
        let mut seed = 7_u64;
        for round in 0..60 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Also just where a record begins.
            let anywhere = 64 + (seed >> 33) as usize % (whole.len() - 64);
            let offset = if round % 10 == 1 { begins[(seed >> 33) as usize % 40] } else { anywhere };
            let mut damaged = whole.clone();
            if round % 2 == 0 {
                damaged[offset] ^= 1 << (seed % 8)
            } else {
                damaged.truncate(offset)
            }
            std::fs::write(&path, damaged).unwrap();
            at.taken.lock().unwrap().clear();
            let _ = std::fs::remove_file(at.directory.path().join("sinks/receiver"));
            let (stop, thread) = at.start_at(Begin::Earliest);
            let before = begins.iter().filter(|begin| **begin <= offset).count() as u64 - 1;
            let expected: Vec<u64> = (1..=before).collect();
            wait_for(|| at.taken().len() >= expected.len());
            wait_for(|| at.ledger.followers().last().is_some_and(|facts| facts.failures.iter().any(|(code, _)| *code == "log")));
            assert_eq!(at.taken(), expected, "damage at {offset}");
            drop(stop);
            thread.join().unwrap();
        }
        // The ledger closes a log that is whole.
        std::fs::write(&path, whole).unwrap();
    }

    #[test]
    fn what_was_dropped_before_it_was_read_is_skipped_and_counted() {
        let at = Installed::new();
        at.is_down.store(true, Ordering::Release);
        let (stop, thread) = at.start();
        // One after the other: what is appended at once is written into one segment, however long that gets.
        (0..20).for_each(|_| at.append(400));
        wait_for(|| !at.ledger.followers()[0].healthy);
        // By now what waits is older than its patience, so that the log does not wait for it any more.
        wait_for(|| {
            at.ledger.retain(&at.config.decisions);
            at.ledger.facts().log.is_some_and(|log| log.segments <= 2)
        });
        at.is_down.store(false, Ordering::Release);
        wait_for(|| at.taken().last() == Some(&8000));
        let (taken, facts) = (at.taken(), at.ledger.followers().swap_remove(0));
        assert!(taken.is_sorted() && facts.told.skipped > 0, "{facts:?}");
        assert_eq!((taken.len() as u64, facts.told.delivered + facts.told.skipped), (facts.told.delivered, 8000));
        drop(stop);
        thread.join().unwrap();
    }
}
