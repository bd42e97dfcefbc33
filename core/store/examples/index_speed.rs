//! How quick the index is, and how large: folds 1,000,000 decisions in transactions of several sizes and then asks for some.
//!
//! ```text
//! cargo run --release -p synod-store --example index_speed [decisions [tenants]]
//! ```
//!
//! Half of what it folds has an event id that is random (as a client's UUID is) and one in ten a key; an entity has twenty decisions on
//! average, three detectors vote, 3 % are anomalous, and one vote in 20,000 is an abstention of the second detector. With tenants, half of
//! all decisions are the first one's, half of the others the second one's, and so on.

// A measurement that cannot go on should panic.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use synod_store::{Cursor, DataDirectory, DecisionFact, Fact, Filter, Index, IndexReader, LabelFact, Place, VoteFilter, Whose};

/// Bytes of a record in the log, which offsets count.
const RECORD: u64 = 500;
const LOOK_UPS: u64 = 20_000;

static TENANTS: OnceLock<Vec<String>> = OnceLock::new();

fn main() {
    let argument = |place, usual| std::env::args().nth(place).map_or(usual, |count| count.parse().unwrap());
    let decisions = argument(1, 1_000_000);
    TENANTS.set((0..argument(2, 0)).map(|tenant| format!("tenant-{tenant}")).collect()).unwrap();
    println!("transaction | rows a second | CPU µs a row | bytes a row");
    let mut last = None;
    for transaction in [1, 100, 1000] {
        last = Some(fold(decisions, transaction));
    }
    let (_folder, mut index) = last.unwrap();
    look_up(&index.reader().unwrap(), decisions);
    for tenant in [0, TENANTS.get().unwrap().len().wrapping_sub(1)] {
        look_up_of(&index.reader().unwrap(), tenant, decisions);
    }
    let mut labelled = 0;
    for labels in [decisions / 1000, decisions / 100, decisions / 4] {
        label(&mut index, labelled..labels, decisions);
        labelled = labels;
        let reader = index.reader().unwrap();
        let quality = || reader.quality(&Whose::All, Some(0), None).is_ok();
        time(&format!("quality of {labels} labels"), || vec![(); 5], |()| quality());
    }
}

/// Labels decisions here and there.
fn label(index: &mut Index, labels: std::ops::Range<u64>, decisions: u64) {
    let of = |number: u64| {
        let sequence = decisions + number;
        let place = Place { sequence, segment: sequence >> 17, offset: sequence };
        let decision = Row::new(mix(number) % decisions).id();
        Fact::Label(LabelFact { place, decision, label: u8::from(!number.is_multiple_of(3)), by: "ana", at: 0, note: None })
    };
    for number in labels.clone().step_by(1000) {
        let facts: Vec<Fact<'_>> = (number..labels.end.min(number + 1000)).map(of).collect();
        index.fold(&facts, decisions + number + facts.len() as u64).unwrap();
    }
}

fn all() -> Filter {
    Filter::of(Whose::All)
}

/// Folds everything and says what it took. Making the facts up is measured alone and taken off.
fn fold(decisions: u64, transaction: u64) -> (tempfile::TempDir, Index) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let directory = DataDirectory::open(folder.path()).unwrap();
    let (mut index, _) = Index::open(&directory).unwrap();
    let without = measure(|| each(decisions, transaction, |facts, next| _ = black_box((facts, next))));
    let with = measure(|| each(decisions, transaction, |facts, next| index.fold(facts, next).unwrap()));
    // Dropped, it moves the write-ahead log into the file.
    drop(index);
    let bytes = std::fs::metadata(folder.path().join("index.sqlite")).unwrap().len();
    let (rows, wall, cpu) = (decisions as f64, (with.0 - without.0).as_secs_f64(), (with.1 - without.1).as_secs_f64());
    println!("{transaction} | {:.0} | {:.1} | {:.0}", rows / wall, cpu * 1e6 / rows, bytes as f64 / rows);
    let (index, _) = Index::open(&directory).unwrap();
    (folder, index)
}

fn each(decisions: u64, transaction: u64, mut fold: impl FnMut(&[Fact<'_>], u64)) {
    for first in (0..decisions).step_by(transaction as usize) {
        let rows: Vec<Row> = (first..decisions.min(first + transaction)).map(Row::new).collect();
        let votes: Vec<_> = rows.iter().map(Row::votes).collect();
        let facts: Vec<Fact<'_>> = rows.iter().zip(&votes).map(|(row, votes)| Fact::Decision(row.fact(votes))).collect();
        fold(&facts, first + facts.len() as u64);
    }
}

/// Elapsed and CPU time.
fn measure(work: impl FnOnce()) -> (Duration, Duration) {
    let (began, used) = (Instant::now(), cpu_time());
    work();
    (began.elapsed(), cpu_time() - used)
}

fn look_up(reader: &IndexReader, decisions: u64) {
    let any = |turn: u64| Row::new(mix(turn) % decisions);
    let known = || (0..LOOK_UPS).map(any).filter(Row::has_event).map(|row| row.event).collect();
    time("by_event, hit", known, |event: &String| reader.by_event(None, event).unwrap().is_some());
    time(
        "by_event, miss",
        || (0..LOOK_UPS).map(|turn| format!("no such event {turn}")).collect(),
        |event: &String| reader.by_event(None, event).unwrap().is_none(),
    );
    time("by_id", || (0..LOOK_UPS).map(|turn| any(turn).id()).collect(), |id: &[u8; 16]| reader.by_id(&Whose::All, *id).unwrap().is_some());
    time(
        "by_key",
        || (0..LOOK_UPS).map(any).filter(Row::has_key).map(|row| row.key()).collect(),
        |key: &[u8; 32]| !reader.by_key(*key).unwrap().is_empty(),
    );
    let page = |filter: &Filter| reader.decisions(filter, None, 50).is_ok();
    let entity = |turn| Filter { entity: Some(any(turn).entity), ..all() };
    time("first page of 50, entity", || (0..LOOK_UPS / 10).map(entity).collect(), page);
    let vote = |vote| move |_| Filter { vote: Some(("second".to_owned(), vote)), ..all() };
    time("first page of 50, rare vote (abstained)", || (0..500).map(vote(VoteFilter::Abstained)).collect(), page);
    time("first page of 50, yes", || (0..500).map(vote(VoteFilter::Yes)).collect(), page);
    time("first page of 50, no filter", || (0..500).map(|_| all()).collect(), page);
    // What a client would hold that has paged through half of everything.
    let first = reader.decisions(&all(), None, 1).unwrap().next.unwrap().to_string();
    let deep: Cursor = format!("{:016x}{}", decisions / 2, &first[16..]).parse().unwrap();
    time("page of 50 in the middle, no filter", || vec![deep; 500], |deep| reader.decisions(&all(), Some(deep), 50).is_ok());
    let hour = |turn| {
        let from = any(turn).decided;
        Filter { from: Some(from), until: Some(from + 3_600_000_000), ..all() }
    };
    time("first page of 50, an hour in the past", || (0..500).map(hour).collect(), page);
    let nothing = |_| Filter { lowest: Some(2.0), ..all() };
    time("a page that no index helps and nothing fits", || (0..20).map(nothing).collect(), page);
}

/// What one tenant asks: the first has most of the decisions, and the last next to none.
fn look_up_of(reader: &IndexReader, tenant: usize, decisions: u64) {
    let Some(name) = TENANTS.get().unwrap().get(tenant).map(String::as_str) else { return };
    println!("{name}, which has {} decisions", (0..decisions).filter(|row| Row::new(*row).tenant() == Some(name)).count());
    let any = |turn: u64| Row::new(mix(turn) % decisions);
    let own = || Filter::of(Whose::exactly(Some(name)));
    let page = |filter: &Filter| reader.decisions(filter, None, 50).is_ok();
    let events = || (0..LOOK_UPS).map(|turn| any(turn).event).collect();
    time("by_event, of any tenant", events, |event: &String| reader.by_event(Some(name), event).unwrap().is_some());
    time("first page of 50, entity", || (0..2_000).map(|turn| Filter { entity: Some(any(turn).entity), ..own() }).collect(), page);
    let vote = |vote| Filter { vote: Some(("second".to_owned(), vote)), ..own() };
    time("first page of 50, rare vote (abstained)", || vec![vote(VoteFilter::Abstained); 500], page);
    time("first page of 50, yes", || vec![vote(VoteFilter::Yes); 500], page);
    time("first page of 50, blocked", || vec![Filter { outcome: Some(2), ..own() }; 500], page);
    time("first page of 50, no filter", || vec![own(); 500], page);
}

/// Prints the mean CPU time of one call, in microseconds.
fn time<T>(name: &str, questions: impl FnOnce() -> Vec<T>, mut ask: impl FnMut(&T) -> bool) {
    let questions = questions();
    let used = cpu_time();
    let answered = questions.iter().filter(|question| ask(question)).count();
    println!("{name}: {:.1} µs ({answered} answered)", (cpu_time() - used).as_secs_f64() * 1e6 / questions.len() as f64);
}

struct Row {
    sequence: u64,
    event: String,
    entity: String,
    decided: i64,
    random: u64,
}

impl Row {
    fn new(sequence: u64) -> Self {
        let random = mix(sequence);
        Self {
            sequence,
            event: format!("{:016x}-{:016x}", mix(random), random),
            entity: format!("account-{:08}", mix(random ^ 7) % 50_000),
            decided: 1_700_000_000_000_000 + sequence as i64 * 10_000,
            random,
        }
    }

    /// As of a UUID of version 7: the time, then anything.
    fn id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&(self.decided / 1000).to_be_bytes()[2..]);
        id[6..14].copy_from_slice(&self.random.to_be_bytes());
        id
    }

    fn key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        for (index, bytes) in key.chunks_exact_mut(8).enumerate() {
            bytes.copy_from_slice(&mix(self.random ^ index as u64).to_be_bytes());
        }
        key
    }

    fn tenant(&self) -> Option<&'static str> {
        let last = TENANTS.get()?.len().checked_sub(1)?;
        TENANTS.get()?.get((mix(self.random).trailing_ones() as usize).min(last)).map(String::as_str)
    }

    fn has_event(&self) -> bool {
        self.random & 1 << 40 == 0
    }

    fn has_key(&self) -> bool {
        (self.random >> 41).is_multiple_of(10)
    }

    fn is_anomalous(&self) -> bool {
        self.random % 100 < 3
    }

    fn votes(&self) -> [(&'static str, Option<bool>); 3] {
        let yes = self.is_anomalous();
        [("first", Some(yes)), ("second", (self.random % 20_000 != 77).then_some(yes)), ("third", Some(self.random.is_multiple_of(50)))]
    }

    fn fact<'a>(&'a self, votes: &'a [(&'a str, Option<bool>)]) -> DecisionFact<'a> {
        let offset = self.sequence * RECORD;
        DecisionFact {
            place: Place { sequence: self.sequence, segment: offset >> 26, offset: offset & ((1 << 26) - 1) },
            id: self.id(),
            tenant: self.tenant(),
            event: self.has_event().then_some(&self.event),
            key: self.has_key().then(|| self.key()),
            content: self.key(),
            entity: Some(&self.entity),
            at: Some(self.decided),
            decided: self.decided,
            outcome: u8::from(self.is_anomalous()) * 2,
            anomalous: self.is_anomalous(),
            score: (self.random >> 11) as f64 / (1_u64 << 53) as f64,
            votes,
        }
    }
}

/// SplitMix64: numbers that look random and are the same in every run.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// CPU time of this thread, user and system, to the nanosecond.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
