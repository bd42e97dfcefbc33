//! How fast the log is on this machine: `cargo run --release -p synod-store --example log_speed [folder]`.
//!
//! The folder should be on the disk that is to be measured; it is the current one if none is named. It needs 1.5 GiB for a moment.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use synod_store::{AppendError, DataDirectory, Entry, Log, LogFacts, LogSettings, Position, verify};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Answer = Result<Vec<Position>, AppendError>;

const EACH: Duration = Duration::from_secs(4);

fn main() -> Outcome<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = Path::new(&folder).join(format!("log-speed-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&folder);
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn measure(folder: &Path) -> Outcome<()> {
    disk(folder)?;
    println!(
        "{:>7} {:>9} {:>6} {:>10} {:>9} {:>11} {:>9} {:>9}",
        "payload", "appenders", "sync", "rows/s", "syncs/s", "rows/sync", "MB/s", "sync ms"
    );
    for (bytes, appenders, sync) in cases() {
        let directory = DataDirectory::open(folder.join(format!("{bytes}-{appenders}-{sync}")))?;
        appends(&directory, bytes, appenders, sync)?;
        std::fs::remove_dir_all(directory.path())?;
    }
    opening(&DataDirectory::open(folder.join("opening"))?)
}

fn cases() -> impl Iterator<Item = (usize, usize, bool)> {
    let appenders = [1, 16, 256, 10_000];
    let synced = [200, 1500].into_iter().flat_map(move |bytes| appenders.map(|appenders| (bytes, appenders, true)));
    synced.chain([(200, 256, false), (1500, 256, false)])
}

/// What the disk gives without a log: 4 KiB appended and synced, again and again.
fn disk(folder: &Path) -> Outcome<()> {
    use std::io::Write as _;
    let mut file = File::create(folder.join("disk"))?;
    let (begun, mut writes) = (Instant::now(), 0_u32);
    while begun.elapsed() < EACH {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        writes += 1;
    }
    println!("disk: {:.0} times a second 4 KiB and fdatasync, {:.2} ms each", per_second(writes, begun), per_write(begun, writes));
    Ok(())
}

/// As many appends under way as there are appenders: each begins its next when the last is answered. One thread plays them all, so that
/// the log is measured and not the scheduler.
fn appends(directory: &DataDirectory, bytes: usize, appenders: usize, sync: bool) -> Outcome<()> {
    let (log, _) = Log::open(directory, LogSettings { sync, ..LogSettings::default() })?;
    let (sender, answers) = mpsc::channel::<Answer>();
    let append = |number: usize| -> Outcome<()> {
        let sender = sender.clone();
        // Not the same bytes each time, and the hash is part of the price.
        let mut payload = vec![b'x'; bytes];
        payload[..8].copy_from_slice(&number.to_le_bytes());
        log.append(vec![Entry::new(1, 0, payload)?], move |answer| drop(sender.send(answer)));
        Ok(())
    };
    (0..appenders).try_for_each(append)?;
    let (begun, mut rows) = (Instant::now(), 0);
    while begun.elapsed() < EACH {
        answers.recv()??;
        rows += 1;
        append(rows)?;
    }
    let (took, facts) = (begun.elapsed(), log.facts());
    log.close()?;
    row(bytes, appenders, sync, rows, took, &facts);
    Ok(())
}

fn row(bytes: usize, appenders: usize, sync: bool, rows: usize, took: Duration, facts: &LogFacts) {
    let (seconds, syncs) = (took.as_secs_f64(), facts.syncs.max(1) as f64);
    let (rate, synced) = (rows as f64 / seconds, syncs / seconds);
    let megabytes = facts.bytes as f64 / 1e6 / seconds;
    let milliseconds = facts.sync_time.as_secs_f64() * 1e3 / syncs;
    println!("{bytes:>7} {appenders:>9} {sync:>6} {rate:>10.0} {synced:>9.0} {:>11.1} {megabytes:>9.1} {milliseconds:>9.2}", rate / synced);
}

/// Fills a log with 1 GiB of records of 200 to 1,500 bytes, and opens and verifies it.
fn opening(directory: &DataDirectory) -> Outcome<()> {
    let settings = LogSettings { sync: false, ..LogSettings::default() };
    let (log, _) = Log::open(directory, settings)?;
    let (sender, answers) = mpsc::channel::<Answer>();
    while log.facts().bytes_on_disk < 1 << 30 {
        let entries = (0..1000).map(|number| Entry::new(1, 0, vec![b'x'; 200 + number % 14 * 100])).collect::<Result<_, _>>()?;
        let sender = sender.clone();
        log.append(entries, move |answer| drop(sender.send(answer)));
        answers.recv()??;
    }
    log.close()?;
    for round in ["first", "again"] {
        let begun = Instant::now();
        let (log, recovery) = Log::open(directory, settings)?;
        let took = begun.elapsed();
        let bytes = log.facts().bytes_on_disk as f64 / f64::from(1 << 30);
        println!(
            "open {round}: {:.2} s for {bytes:.2} GiB with {} records in {} segments",
            took.as_secs_f64(),
            recovery.records,
            log.facts().segments
        );
    }
    let begun = Instant::now();
    let verification = verify(directory, &[], &mut |_, _| {})?;
    println!("verify: {:.2} s, {} faults", begun.elapsed().as_secs_f64(), verification.faults.len());
    Ok(())
}

fn per_second(count: u32, begun: Instant) -> f64 {
    f64::from(count) / begun.elapsed().as_secs_f64()
}

fn per_write(begun: Instant, count: u32) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3 / f64::from(count)
}
