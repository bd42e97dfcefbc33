//! `synod size`: what an installation will take, from its configuration alone. Nothing is opened, and nothing is measured: every figure is
//! computed from what the configuration declares, or is one of the assumptions that the report names.

use super::CommandError;
use super::audit::print_json;
use super::installation::configuration;
use crate::cli::{Format, Size};
use crate::config::Config;
use crate::replaying::typical_decision;
use serde::Serialize;
use std::collections::BTreeSet;
use synod_detection::history::{Aggregate, Bounds, KeySize, Past, Window};
use synod_store::LogSettings;

/// A frame of the log around each record, as `core/store/src/log.rs` has it.
const BYTES_OF_FRAME: f64 = 89.0;
/// Of a decision with an id and an entity; measured with `core/store/examples/index_speed.rs`.
const BYTES_OF_INDEX: f64 = 193.0;
/// A key's events stand in memory that grows by a quarter, so that an eighth of it is empty on average.
const SLACK: f64 = 1.125;
/// Bytes of a key in a snapshot, beside its events.
const BYTES_OF_SNAPSHOT_KEY: f64 = 32.0;
/// Snapshots that are kept.
const SNAPSHOTS: f64 = 2.0;
/// A start checks the log at this pace, and reads a snapshot: bytes a second.
const READ_PACE: f64 = 500e6;
/// A start folds what came after the snapshot at this pace: decisions a second.
const FOLD_PACE: f64 = 25_000.0;
const DAY: f64 = 86_400e6;

/// What one kind of key takes in memory.
#[derive(Debug, Serialize)]
struct OfKey {
    per: Vec<String>,
    keys: u64,
    /// Events that are kept of a key, as far as they can be expected.
    events: f64,
    bytes_of_event: usize,
    bytes_of_key: f64,
    most_bytes_of_key: usize,
    bytes: f64,
    #[serde(skip)]
    snapshot: f64,
}

#[derive(Debug, Serialize)]
struct Disk {
    bytes_of_decision: f64,
    bytes_of_frame: f64,
    bytes_of_index: f64,
    day: f64,
    month: f64,
    year: f64,
    /// What is there after `days`, as far as it is kept.
    after: f64,
    days: f64,
    /// Why not all of it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_by: Option<&'static str>,
    snapshots: f64,
}

#[derive(Debug, Serialize)]
struct Recovery {
    check_log_seconds: f64,
    read_snapshot_seconds: f64,
    fold_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    histories: Vec<OfKey>,
    history_bytes: f64,
    /// While a snapshot is written.
    history_bytes_while_copied: f64,
    disk: Disk,
    /// After the process was killed, at the worst moment, after `days`.
    recovery: Recovery,
    assumptions: Vec<String>,
}

pub(super) fn run(arguments: &Size) -> Result<(), CommandError> {
    let config = configuration(&arguments.common)?;
    let positive = |option: &str, number: f64| match number.is_finite() && number > 0.0 {
        true => Ok(number),
        false => Err(CommandError::Usage(format!("{option}: {number} is not above 0"))),
    };
    positive("--entities", arguments.entities as f64)?;
    positive("--events-per-day", arguments.events_per_day)?;
    positive("--days", arguments.days)?;
    let report = report(&config, arguments)?;
    match arguments.format {
        Format::Json => print_json(&report)?,
        Format::Table => print!("{}", table(&report)),
    }
    Ok(())
}

fn report(config: &Config, arguments: &Size) -> Result<Report, CommandError> {
    let mut assumptions = Vec::new();
    let histories = histories(config, arguments, &mut assumptions)?;
    // A sum of nothing would be -0.
    let sum = |of: &dyn Fn(&OfKey) -> f64| histories.iter().map(of).fold(0.0, |sum, bytes| sum + bytes);
    let (history_bytes, snapshot) = (sum(&|key| key.bytes), sum(&|key| key.snapshot));
    let disk = disk(config, arguments, snapshot, &mut assumptions);
    let log_share = (disk.bytes_of_decision + BYTES_OF_FRAME) / (disk.bytes_of_decision + BYTES_OF_FRAME + BYTES_OF_INDEX);
    let since_snapshot = if histories.is_empty() { 0.0 } else { config.decisions.snapshot_after as f64 };
    let recovery = Recovery {
        check_log_seconds: (disk.after * log_share).min(LogSettings::default().read_at_open as f64) / READ_PACE,
        read_snapshot_seconds: snapshot / READ_PACE,
        fold_seconds: since_snapshot / FOLD_PACE,
    };
    assumptions.push(format!(
        "a start reads {:.0} MB and folds {FOLD_PACE:.0} decisions in a second; this depends on the machine",
        READ_PACE / 1e6
    ));
    Ok(Report { history_bytes, history_bytes_while_copied: history_bytes + snapshot, histories, disk, recovery, assumptions })
}

fn histories(config: &Config, arguments: &Size, assumptions: &mut Vec<String>) -> Result<Vec<OfKey>, CommandError> {
    let bounds = &config.remembering.bounds;
    let sizes = config.history.sizes(bounds);
    let entity = config.schema.entity().map(|entity| config.schema.fields()[entity].name.clone());
    for (fields, _) in &arguments.keys {
        if !sizes.iter().any(|size| size.per.join(",") == *fields) {
            let known: Vec<String> = sizes.iter().map(|size| size.per.join(",")).collect();
            return Err(CommandError::Usage(format!("--keys: no history has the key `{fields}`; there are {}", known.join("; "))));
        }
    }
    let mut of_key = |size: KeySize| {
        let said = arguments.keys.iter().rev().find(|(fields, _)| *fields == size.per.join(",")).map(|(_, keys)| *keys);
        if said.is_none() && size.per.iter().map(Some).ne([entity.as_ref()]) {
            assumptions.push(format!("there are as many keys of {} as entities; --keys says otherwise", size.per.join(" and ")));
        }
        let wanted = said.unwrap_or(arguments.entities).max(1);
        if wanted > bounds.entities as u64 {
            assumptions.push(format!(
                "{wanted} keys of {} are more than `history.entities` allows: those that were not used lately make room",
                size.per.join(" and ")
            ));
        }
        let rate = arguments.events_per_day / wanted as f64;
        let events = expected_events(config.history.sources(), &size.per, bounds, rate, arguments.days);
        of_key(size, wanted.min(bounds.entities as u64), events)
    };
    Ok(sizes.into_iter().map(&mut of_key).collect())
}

fn of_key(size: KeySize, keys: u64, events: f64) -> OfKey {
    let bytes_of_key = (size.key as f64 + (SLACK * events + 1.0).ceil() * size.event as f64).min(size.most as f64);
    OfKey {
        keys,
        events,
        bytes_of_event: size.event,
        bytes_of_key,
        most_bytes_of_key: size.most,
        bytes: keys as f64 * bytes_of_key,
        snapshot: keys as f64 * (BYTES_OF_SNAPSHOT_KEY + events * size.event as f64),
        per: size.per,
    }
}

/// How many events a key keeps that has so many in a day: those that its longest window and the lateness reach, and no more than there were.
fn expected_events(sources: &[Past], per: &[String], bounds: &Bounds, rate: f64, days: f64) -> f64 {
    let lateness = bounds.lateness as f64 / DAY;
    let needed = |past: &Past| match (past.aggregate, past.window) {
        (Aggregate::SinceLast, _) => 1.0 + rate * lateness,
        (_, Window::All) => f64::INFINITY,
        (_, Window::Last(count)) => f64::from(count) + rate * lateness,
        (_, Window::Time(span)) => rate * (span as f64 / DAY + lateness),
    };
    let longest = sources.iter().filter(|past| past.per == per).map(needed).fold(0.0, f64::max);
    // A key stays with its last event until another one needs the room.
    longest.min(rate * days).clamp(1.0, bounds.events as f64)
}

fn disk(config: &Config, arguments: &Size, snapshot: f64, assumptions: &mut Vec<String>) -> Disk {
    let decision = typical_decision(config);
    let bytes_of_decision = serde_json::to_vec(&decision).map_or(0, |bytes| bytes.len()) as f64;
    let of_log = bytes_of_decision + BYTES_OF_FRAME;
    let log_of_day = arguments.events_per_day * of_log;
    let day = log_of_day + arguments.events_per_day * BYTES_OF_INDEX;
    assumptions.push(format!(
        "a decision with {} features and {} votes, texts of 12 characters, without an idempotency key, approved",
        decision.features.len(),
        decision.votes.len()
    ));
    // Whole segments are dropped, so that one more than is asked for stays.
    let segment_days = config.decisions.segment as f64 / log_of_day;
    let limits = [
        (arguments.days, None),
        (config.decisions.keep_for.map_or(f64::INFINITY, |span| span.as_secs_f64() / 86_400.0 + segment_days), Some("decisions.keep_for")),
        (config.decisions.keep_bytes.map_or(f64::INFINITY, |bytes| bytes as f64 / log_of_day + segment_days), Some("decisions.keep_bytes")),
    ];
    let (kept_days, kept_by) = limits.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((arguments.days, None));
    let snapshots = SNAPSHOTS * snapshot;
    Disk {
        bytes_of_decision,
        bytes_of_frame: BYTES_OF_FRAME,
        bytes_of_index: BYTES_OF_INDEX,
        day,
        month: 30.0 * day,
        year: 365.0 * day,
        after: kept_days * day,
        days: arguments.days,
        kept_by,
        snapshots,
    }
}

/// The kinds of keys of a configuration, for `synod check`: bytes of an event, and most bytes of a key.
pub(super) fn bounds_of_histories(config: &Config) -> String {
    let bounds = &config.remembering.bounds;
    let line = |size: KeySize| {
        let most = spelled(size.most as f64);
        let all = spelled(size.most as f64 * bounds.entities as f64);
        let (per, event, entities) = (size.per.join(" and "), size.event, bounds.entities);
        format!("history per {per}: {event} bytes an event, at most {most} a key, at most {all} for {entities} keys\n")
    };
    config.history.sizes(bounds).into_iter().map(line).collect()
}

fn table(report: &Report) -> String {
    let mut text = String::new();
    if !report.histories.is_empty() {
        text += &format!(
            "{:28} {:>10} {:>10} {:>12} {:>12} {:>12}\n",
            "Memory of the histories", "keys", "events", "of a key", "at most", "in all"
        );
        for of in &report.histories {
            text += &format!(
                "  per {:22} {:>10} {:>10.1} {:>12} {:>12} {:>12}\n",
                of.per.join(" and "),
                of.keys,
                of.events,
                spelled(of.bytes_of_key),
                spelled(of.most_bytes_of_key as f64),
                spelled(of.bytes)
            );
        }
        text += &format!(
            "  {:26} {:>59}\n  {:26} {:>59}\n\n",
            "together",
            spelled(report.history_bytes),
            "while a snapshot is taken",
            spelled(report.history_bytes_while_copied)
        );
    }
    let Disk { bytes_of_decision, bytes_of_frame, bytes_of_index, day, month, year, after, days, kept_by, snapshots } = &report.disk;
    text += &format!("A decision on disk: {} bytes, {bytes_of_frame} of frame, {bytes_of_index} in the index\n", *bytes_of_decision as u64);
    text += &format!("Disk: {} a day, {} a month, {} a year\n", spelled(*day), spelled(*month), spelled(*year));
    let why = kept_by.map_or_else(String::new, |key| format!(", as `{key}` says"));
    text += &format!("  after {days} days {}{why}; snapshots {}\n", spelled(*after), spelled(*snapshots));
    let Recovery { check_log_seconds, read_snapshot_seconds, fold_seconds } = report.recovery;
    text += &format!(
        "A start after a crash: about {:.1} s (checking the log {check_log_seconds:.1}, reading the snapshot {read_snapshot_seconds:.1}, folding {fold_seconds:.1})\n",
        check_log_seconds + read_snapshot_seconds + fold_seconds
    );
    text += "Assumed:\n";
    let assumptions: BTreeSet<&String> = report.assumptions.iter().collect();
    assumptions.into_iter().for_each(|assumption| text += &format!("  - {assumption}\n"));
    text
}

/// A number of bytes for people.
fn spelled(bytes: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes / unit),
        None => format!("{bytes:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(aggregate: Aggregate, window: Window) -> Past {
        Past { aggregate, of: None, per: vec!["account".into()], window }
    }

    #[test]
    fn what_a_key_keeps_follows_from_its_windows() {
        let bounds = Bounds { lateness: DAY as i64, events: 512, entities: 10 };
        let per = ["account".to_owned()];
        let expected = |sources: &[Past], rate, days| expected_events(sources, &per, &bounds, rate, days);
        let week = past(Aggregate::Count, Window::Time(7 * DAY as i64));
        assert_eq!(expected(std::slice::from_ref(&week), 10.0, 365.0), 80.0, "seven days and one of lateness");
        assert_eq!(expected(std::slice::from_ref(&week), 10.0, 2.0), 20.0, "no more than there were");
        assert_eq!(expected(std::slice::from_ref(&week), 0.01, 365.0), 1.0, "the last one stays");
        assert_eq!(expected(&[week.clone(), past(Aggregate::FirstSeen, Window::All)], 10.0, 365.0), 512.0, "all, up to the bound");
        assert_eq!(expected(&[past(Aggregate::Mean, Window::Last(5))], 2.0, 365.0), 7.0);
        assert_eq!(expected(&[past(Aggregate::SinceLast, Window::All)], 2.0, 365.0), 3.0);
    }

    #[test]
    fn bytes_are_spelled() {
        assert_eq!((spelled(512.0), spelled(1.5e6), spelled(2.04e12)), ("512 B".into(), "1.5 MB".into(), "2.0 TB".into()));
    }
}
