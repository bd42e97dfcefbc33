use super::*;
use crate::ledger::Begin;
use serde_json::Value;
use std::time::Duration;
use synod_store::Record;
use tempfile::TempDir;
use tracing_subscriber::layer::SubscriberExt;

struct Installed {
    events: Arc<Events>,
    queue: Arc<EventQueue>,
    directory: DataDirectory,
    _folder: TempDir,
}

fn installed(maximum: u64) -> Installed {
    let folder = tempfile::tempdir().unwrap();
    let directory = DataDirectory::open(folder.path()).unwrap();
    let queue = Arc::new(EventQueue::default());
    let events = Events::open(Arc::clone(&queue), &directory, maximum).unwrap();
    Installed { events, queue, directory, _folder: folder }
}

impl Installed {
    /// All records, once those that were written can be read: they are synced now and then.
    fn records(&self) -> Vec<Record> {
        let written: u64 = EventKind::ALL.into_iter().map(|kind| self.queue.written_of(kind)).sum();
        let started = Instant::now();
        while self.events.log.head().next <= written {
            assert!(started.elapsed() < Duration::from_secs(20), "it is never synced");
            std::thread::sleep(Duration::from_millis(10));
        }
        let from = self.events.log.reader().first().unwrap_or(1);
        self.events.log.reader().from(from).unwrap().map(Result::unwrap).collect()
    }

    fn values(&self) -> Vec<Value> {
        self.records().iter().map(|record| serde_json::from_slice(&record.payload).unwrap()).collect()
    }
}

fn access(path: &str) -> AccessEvent<'_> {
    AccessEvent {
        request_id: path.into(),
        method: "GET".into(),
        route: "/".into(),
        status: 200,
        duration_ns: 1,
        caller: None,
        tenant: None,
        trace_id: None,
        span_id: None,
    }
}

fn place() -> Place {
    Place { file: "one".into(), name: "one".into(), patience: Duration::MAX, begin: Begin::Earliest }
}

#[test]
fn what_the_code_says_becomes_events_but_what_is_told_elsewhere() {
    let at = installed(1 << 20);
    let subscriber = tracing_subscriber::registry().with(AppLayer::new(Arc::clone(&at.queue)));
    tracing::subscriber::with_default(subscriber, || {
        tracing::warn!(count = 3_u64, share = 0.5, ok = true, by = "4111111111111111", "one {}", "message");
        tracing::info!(target: "access", "not this");
        tracing::info!(target: "audit", "nor this");
    });
    at.events.write_down();
    let values = at.values();
    assert_eq!(values.len(), 1);
    let (value, fields) = (&values[0], &values[0]["fields"]);
    assert_eq!((&value["level"], &value["message"]), (&"warn".into(), &"one message".into()));
    assert_eq!((&fields["count"], &fields["share"], &fields["ok"]), (&3.into(), &0.5.into(), &true.into()));
    assert!(!value.to_string().contains("4111111111111111"), "{value}");
}

#[test]
fn beyond_the_quota_the_latest_are_dropped_and_every_one_is_counted() {
    let at = installed(64 << 10);
    let _followed = at.events.follow(&at.directory, &place()).unwrap();
    let id = "x".repeat(1000);
    let mut put = 0;
    for _ in 0..100 {
        (0..10).for_each(|_| at.queue.put(EventKind::Access, &access(&id)));
        put += 10;
        at.events.write_down();
        at.events.look_at_quota();
    }
    let (written, dropped) = (at.queue.written_of(EventKind::Access), at.queue.dropped_of(EventKind::Access, DropReason::Quota));
    assert_eq!(written + dropped, put);
    assert!(dropped > 500 && written > 40, "{written} {dropped}");
    assert_eq!(at.records().len() as u64, written);
    assert!(at.events.facts().bytes_on_disk < 96 << 10);
    // Somebody takes them: there is room again, and an event says what is missing.
    at.events.followers.follow(&at.events.log, &at.directory, &place()).unwrap();
    at.acknowledge_all();
    at.events.look_at_quota();
    at.events.write_down();
    let told = at.values().pop().unwrap();
    assert_eq!((&told["dropped"]["stream"], &told["dropped"]["count"]), (&"access".into(), &dropped.into()));
    at.events.write_down();
    assert_eq!(at.values().pop().unwrap(), told, "once");
}

impl Installed {
    fn acknowledge_all(&self) {
        let head = self.events.log.head().next;
        self.events.followers.each(|follower| follower.acknowledged(head));
    }
}

#[test]
fn beyond_the_memory_they_are_dropped_as_well() {
    let at = installed(1 << 30);
    let id = "x".repeat(100_000);
    (0..100).for_each(|_| at.queue.put(EventKind::Access, &access(&id)));
    let dropped = at.queue.dropped_of(EventKind::Access, DropReason::Memory);
    assert!((15..25).contains(&dropped), "{dropped}");
    at.events.write_down();
    assert_eq!(at.queue.written_of(EventKind::Access) + dropped, 100);
}

#[test]
fn a_damaged_log_of_events_is_set_aside() {
    let at = installed(1 << 20);
    at.queue.put(EventKind::Access, &access("1"));
    at.events.write_down();
    let Installed { events, queue, directory, _folder } = at;
    drop(events);
    let path = directory.path().join("events").join(format!("{:020}.log", 1));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let events = Events::open(Arc::clone(&queue), &directory, 1 << 20).unwrap();
    assert_eq!(events.log.head().next, 1);
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().any(|name| name.to_string_lossy().starts_with("events-damaged-")), "{names:?}");
}
