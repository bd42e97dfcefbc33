//! What each part of the service says of itself.

use super::Part;
use crate::engine::Detector;
use crate::http::Service;
use crate::ledger::FollowerFacts;
use crate::telemetry::metrics::Connections;
use jiff::Timestamp;
use std::time::Duration;
use synod_detection::Circuit;

/// Looks at one part, or at several of a kind. A part that there is not here is left out.
type Look = fn(&Service) -> Vec<Part>;

/// All of them.
pub(super) const PARTS: [Look; 10] = [detectors, models, log, index, histories, disk, sinks, issuers, certificate, breakers];

/// For how long after a call that failed a detector is taken for degraded.
const FRESH_FAILURE: Duration = Duration::from_secs(60);
/// Records of the log that the index may be behind by: some seconds of work.
const USUALLY_BEHIND: u64 = 100_000;
/// A disk with less than this share free needs looking after.
const LITTLE_SPACE: f64 = 0.05;
/// Segments of the log for which there should be space.
const SEGMENTS: u64 = 4;
/// A certificate that ends sooner should have been renewed.
const SOON: Duration = Duration::from_hours(7 * 24);

fn detectors(service: &Service) -> Vec<Part> {
    service.engine().detectors().iter().map(|each| detector(each)).collect()
}

/// A detector that cannot vote makes every verdict one with too few votes. One that fails at some rows is asked for the others all the same.
fn detector(detector: &Detector) -> Part {
    let (part, trouble) = (Part::ok(format!("detector/{}", detector.name())).needed(), detector.trouble());
    let said = trouble.as_ref().map_or_else(String::new, |trouble| format!("{}: {}", trouble.reason, trouble.detail));
    match trouble {
        _ if !detector.is_ready() => part.failed(format!("it does not start, and is tried again: {said}")),
        // Another instance would be no better: this one stays ready.
        _ if detector.circuit() == Circuit::Quarantined => part.degraded(format!("it is in quarantine until it is released: {said}")),
        _ if !detector.circuit().is_closed() => part.degraded(format!("it failed again and again, and is not asked: {said}")),
        Some(trouble) if trouble.age() < FRESH_FAILURE => part.degraded(format!("its last failure, at {:.0}: {said}", trouble.at)),
        _ => part,
    }
}

/// Whether the models that are live are those that judge.
fn models(service: &Service) -> Vec<Part> {
    let (part, loading) = (Part::ok("models"), service.models().loading());
    vec![match (loading.step(), loading.failure()) {
        (Some(step), _) => part.doing(step),
        (None, Some(failure)) => part.degraded(failure.why.clone()).since(Some(failure.at)),
        (None, None) => part,
    }]
}

/// Without the log nothing is decided.
fn log(service: &Service) -> Vec<Part> {
    let part = Part::ok("log").needed();
    service.ledger().log_facts().map_or_else(Vec::new, |facts| {
        let why = facts.last_failure.unwrap_or_default();
        vec![match facts.failing_since {
            Some(since) => part.failed(format!("it cannot be written: {why}")).since(Timestamp::from_microsecond(since).ok()),
            None => part,
        }]
    })
}

fn index(service: &Service) -> Vec<Part> {
    if !service.ledger().is_stored() {
        return Vec::new();
    }
    let (part, behind) = (Part::ok("index"), service.ledger().index_behind());
    vec![match behind > USUALLY_BEHIND {
        true => part.degraded(format!("{behind} records of the log are not in it: searches miss the latest decisions")),
        false => part,
    }]
}

fn histories(service: &Service) -> Vec<Part> {
    if service.engine().history().width() == 0 {
        return Vec::new();
    }
    let part = Part::ok("histories");
    vec![match service.ledger().snapshot_failure() {
        Some(why) => part.degraded(format!("they cannot be written down, and a restart will take longer: {why}")),
        None => part,
    }]
}

fn disk(service: &Service) -> Vec<Part> {
    let part = Part::ok("disk");
    vec![match service.ledger().space() {
        Err(error) => part.degraded(format!("the space of the data directory is not known: {error}")),
        Ok(space) => {
            let needed = SEGMENTS * service.config().decisions.segment;
            let is_little = (space.free as f64) < LITTLE_SPACE * space.size as f64 || space.free < needed;
            let told = || format!("{} MiB of {} MiB are free for the data directory", space.free >> 20, space.size >> 20);
            if is_little { part.degraded(told()) } else { part }
        }
    }]
}

/// What is not taken waits in the log: nothing is lost meanwhile.
fn sinks(service: &Service) -> Vec<Part> {
    let sink = |facts: FollowerFacts| {
        let part = Part::ok(format!("sink/{}", facts.name));
        match facts.reason {
            Some(why) => part.degraded(format!("{} records wait: {why}", facts.behind)).since(Some(facts.since)),
            None => part,
        }
    };
    service.followers().into_iter().map(sink).collect()
}

fn issuers(service: &Service) -> Vec<Part> {
    let issuer = |(name, ready): (&str, bool)| {
        let part = Part::ok(format!("issuer/{name}"));
        if ready { part } else { part.degraded("its keys could not be fetched yet: its tokens are refused") }
    };
    service.identity().providers().readiness().into_iter().map(issuer).collect()
}

/// A certificate that has ended is served: a client may know better.
fn certificate(service: &Service) -> Vec<Part> {
    if service.config().listen.tls.is_none() {
        return Vec::new();
    }
    vec![certificate_that_ends(Connections::all().certificate_end(), Timestamp::now())]
}

fn certificate_that_ends(end: Option<Timestamp>, now: Timestamp) -> Part {
    let part = Part::ok("certificate");
    match end {
        None => part.failed("there is none yet, or it cannot be read when it ends"),
        Some(end) if end <= now => part.failed(format!("it has ended at {end}: clients refuse it")).since(Some(end)),
        Some(end) if end.duration_since(now).unsigned_abs() < SOON => part.degraded(format!("it ends at {end}")),
        Some(_) => part,
    }
}

/// For information: an open breaker does what it is there for.
fn breakers(service: &Service) -> Vec<Part> {
    let (part, open) = (Part::ok("breakers"), service.breakers().facts().open);
    vec![match open {
        0 => part,
        open => part.degraded(format!("{open} open: what policies block is reviewed there; `synod breaker list` says which")),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Condition;

    #[test]
    fn a_certificate_is_looked_after_before_it_ends() {
        let now = Timestamp::from_second(1_000_000_000).unwrap();
        let state = |days: i64| certificate_that_ends(Timestamp::from_second(1_000_000_000 + days * 86_400).ok(), now).state;
        assert_eq!([8, 6, 0, -1].map(state), [Condition::Ok, Condition::Degraded, Condition::Failed, Condition::Failed]);
        assert_eq!(certificate_that_ends(None, now).state, Condition::Failed);
    }
}
