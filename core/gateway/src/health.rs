//! How well the service is, part by part: each with its state, since when, and why. One function for each part looks at facts that the parts
//! keep themselves; a new part is one more function in [`PARTS`].
//!
//! A part is looked at every second, by a thread of its own, for a disk that hangs must not keep anybody from being told the rest. Changes are
//! logged.

mod parts;

use crate::http::Service;
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use parts::PARTS;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use utoipa::ToSchema;

/// How well a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It does what it should.
    Ok,
    /// It does that in part, or soon not any more.
    Degraded,
    /// It does not.
    Failed,
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// A part of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// `log`, say, or `detector/NAME`.
    pub name: String,
    /// How well it is.
    pub state: Condition,
    /// Whether the service is not ready when it fails.
    pub needed: bool,
    /// Since when it is in this state, if it is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub since: Option<Timestamp>,
    /// Why it is not well, or what it is doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

impl Part {
    fn ok(name: impl Into<String>) -> Self {
        Self { name: name.into(), state: Condition::Ok, needed: false, since: None, reason: None }
    }

    /// What it is doing, which is no fault.
    fn doing(self, what: impl Into<String>) -> Self {
        Self { reason: Some(what.into()), ..self }
    }

    fn degraded(self, reason: impl Into<String>) -> Self {
        Self { state: Condition::Degraded, reason: Some(reason.into()), ..self }
    }

    fn failed(self, reason: impl Into<String>) -> Self {
        Self { state: Condition::Failed, reason: Some(reason.into()), ..self }
    }

    fn needed(self) -> Self {
        Self { needed: true, ..self }
    }

    fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }
}

/// All parts, as they were a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ReadinessInFull)]
pub struct Report {
    /// Whether no part that is needed has failed.
    pub ready: bool,
    /// When they were looked at.
    pub at: Timestamp,
    /// Each part.
    pub parts: Vec<Part>,
}

impl Report {
    fn of(parts: Vec<Part>, at: Timestamp) -> Self {
        let ready = !parts.iter().any(|part| part.needed && part.state == Condition::Failed);
        Self { ready, at, parts }
    }

    /// For people: a line for each part.
    pub fn text(&self) -> String {
        let mut text = format!("{} at {:.0}\n", if self.ready { "ready" } else { "not ready" }, self.at);
        for part in &self.parts {
            let _ = write!(text, "{:8}  {}", part.state.name(), part.name);
            if let Some(since) = part.since {
                let _ = write!(text, " since {since:.0}");
            }
            if let Some(reason) = &part.reason {
                let _ = write!(text, ": {reason}");
            }
            text.push('\n');
        }
        text
    }
}

/// What was seen when the parts were looked at last.
#[derive(Debug, Default)]
pub struct Health {
    report: ArcSwapOption<Report>,
    /// The state of each part, and since when.
    states: Mutex<HashMap<String, (Condition, Timestamp)>>,
}

impl Health {
    /// The parts as they were when they were looked at last, which is a second ago at most, unless looking takes longer.
    pub fn report(&self, service: &Service) -> Arc<Report> {
        self.report.load_full().unwrap_or_else(|| self.look(service))
    }

    /// Looks at all parts, and logs what has changed. May wait for the disk.
    pub fn look(&self, service: &Service) -> Arc<Report> {
        let now = Timestamp::now();
        let parts = PARTS.iter().flat_map(|look| look(service)).map(|part| self.remembered(part, now)).collect();
        let report = Arc::new(Report::of(parts, now));
        self.report.store(Some(Arc::clone(&report)));
        report
    }

    /// A part with the time since when it is not well, unless it knows that better itself.
    fn remembered(&self, part: Part, now: Timestamp) -> Part {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let known = states.get(&part.name).copied();
        let (before, since) = known.unwrap_or((Condition::Ok, now));
        let since = if before == part.state { since } else { now };
        states.insert(part.name.clone(), (part.state, since));
        drop(states);
        if before != part.state {
            tell(&part);
        }
        match part.state {
            Condition::Ok => part,
            Condition::Degraded | Condition::Failed => Part { since: part.since.or(Some(since)), ..part },
        }
    }
}

fn tell(part: &Part) {
    let (name, state, reason) = (&part.name, part.state.name(), &part.reason);
    match part.state {
        Condition::Ok => tracing::info!(part = name, state, "a part of the service is well again"),
        Condition::Degraded | Condition::Failed => tracing::warn!(part = name, state, reason, "a part of the service is not well"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_a_needed_part_that_failed_makes_it_not_ready() {
        let ready = |part: Part| Report::of(vec![Part::ok("a"), part], at(0)).ready;
        assert!(ready(Part::ok("b").needed()) && ready(Part::ok("b").needed().degraded("slow")) && ready(Part::ok("b").failed("gone")));
        assert!(!ready(Part::ok("b").needed().failed("gone")));
    }

    #[test]
    fn a_state_is_remembered_since_it_began() {
        let health = Health::default();
        let since = |part: Part, now: i64| health.remembered(part, at(now)).since.map(|since| since.as_second());
        let (well, slow, gone) = (Part::ok("a"), Part::ok("a").degraded("slow"), Part::ok("a").failed("gone"));
        assert_eq!([since(well.clone(), 1), since(slow.clone(), 2), since(slow.clone(), 3)], [None, Some(2), Some(2)]);
        assert_eq!([since(gone.clone(), 4), since(well, 5), since(slow, 6)], [Some(4), None, Some(6)]);
        assert_eq!(since(gone.since(Some(at(1))), 7), Some(1), "the part knows better");
        assert_eq!(since(Part::ok("b").failed("gone"), 8), Some(8), "each part has its own");
    }

    #[test]
    fn a_text_has_a_line_for_each_part() {
        let report = Report::of(vec![Part::ok("log").needed(), Part::ok("disk").degraded("full").since(Some(at(60)))], at(61));
        let expected = "ready at 1970-01-01T00:01:01Z\nok        log\ndegraded  disk since 1970-01-01T00:01:00Z: full\n";
        assert_eq!(report.text(), expected);
    }
}
