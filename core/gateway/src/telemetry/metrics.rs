//! All metrics. Each part has a file; how they are called stands in [`names`]. Labels are bounded: routes, detectors,
//! reasons and outcomes that the configuration or the code names, never an account, an address or a raw path.

mod agreement;
mod breakers;
mod connections;
mod detectors;
mod drift;
mod identity;
mod labels;
mod ledger;
mod limits;
mod notify;
mod process;
mod registering;
mod reloads;
mod requests;
mod shadows;
mod sinks;
mod spool;
mod traces;
mod verdicts;

pub use connections::{Connections, Order, Refusal};
pub use drift::unwatched;
pub use identity::{KeySets, OfIdentity};
pub use labels::OfLabels;
pub use limits::{Limit, OfLimits};
pub use notify::OfNotify;
pub use registering::{Exposition, SECONDS};
pub use reloads::{Reload, Reloads};
pub use requests::OfRequests;
pub use shadows::{OfShadows, ROLLOUT};
pub use sinks::AnomalyAlerts;
pub use spool::SpoolFacts;

use super::names;
use crate::breaking::BreakerFacts;
use crate::config::Drift;
use crate::engine::{Call, Detector, Engine, JudgedRow};
use crate::events::EventQueue;
use crate::ledger::{FollowerFacts, LedgerFacts};
use crate::rollout::Trial;
use agreement::OfAgreement;
use breakers::OfBreakers;
use detectors::OfDetectors;
use drift::OfDrift;
use ledger::OfLedger;
use process::OfProcess;
use registering::Registries;
use sinks::OfSinks;
use spool::OfSpool;
use std::sync::Arc;
use synod_detection::{Ballot, Matrix, Outcome};
use traces::OfTraces;
use verdicts::OfVerdicts;

/// What is counted elsewhere, and shown with the rest.
#[derive(Debug)]
pub struct Others<'a> {
    /// By the detectors.
    pub detectors: &'a [Arc<Detector>],
    /// What is counted of them.
    pub watching: &'a Watching,
    /// What a rollout tries, if one is under way.
    pub trial: Option<&'a Trial>,
    /// By the ledger.
    pub ledger: LedgerFacts,
    /// By the breakers.
    pub breakers: BreakerFacts,
    /// By those who follow the logs.
    pub sinks: Vec<FollowerFacts>,
    /// What waits for them.
    pub spools: Vec<SpoolFacts>,
    /// By the events, if somebody ships them.
    pub events: Option<&'a EventQueue>,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registries: Registries,
    /// Whether what is done for requests is counted.
    count: bool,
    verdicts: OfVerdicts,
    detectors: detectors::Families,
    agreement: agreement::Families,
    drift: drift::Families,
    ledger: OfLedger,
    breakers: OfBreakers,
    sinks: OfSinks,
    spool: OfSpool,
    traces: OfTraces,
    process: OfProcess,
    /// What is counted of labels.
    pub labels: OfLabels,
    /// What is counted of requests.
    pub requests: OfRequests,
    /// What is counted of limits.
    pub limits: OfLimits,
    /// What is counted of what is asked beside the policy in force.
    pub shadows: OfShadows,
    /// What is counted of those who call.
    pub identity: OfIdentity,
}

/// What is counted of the detectors and features of one engine, by their places in it.
#[derive(Debug)]
pub struct Watching {
    detectors: OfDetectors,
    agreement: OfAgreement,
    drift: OfDrift,
}

impl Metrics {
    /// Registers all metrics. Without `count` they stay at zero: what requests do is not counted.
    pub fn new(histories: &[String], count: bool) -> Self {
        let mut registries = Registries::default();
        registries.info(&names::BUILD, &[("version", env!("CARGO_PKG_VERSION"))]);
        Connections::all().register(&mut registries);
        Reloads::all().register(&mut registries);
        Self {
            verdicts: OfVerdicts::new(&mut registries),
            detectors: detectors::Families::new(&mut registries),
            agreement: agreement::Families::new(&mut registries),
            drift: drift::Families::new(&mut registries),
            ledger: OfLedger::new(&mut registries, histories),
            breakers: OfBreakers::new(&mut registries),
            sinks: OfSinks::new(&mut registries),
            spool: OfSpool::new(&mut registries),
            traces: OfTraces::new(&mut registries),
            process: OfProcess::new(&mut registries),
            labels: OfLabels::new(&mut registries),
            requests: OfRequests::new(&mut registries, count),
            limits: OfLimits::new(&mut registries),
            shadows: OfShadows::new(&mut registries),
            identity: OfIdentity::new(&mut registries),
            registries,
            count,
        }
    }

    /// Begins to count what this engine does: its metrics are there from now on, at zero or at what was counted of detectors of the same name.
    pub fn watch(&self, engine: &Engine, drift: Drift) -> Watching {
        let (detectors, features) = (engine.detectors(), engine.plan().seen());
        Watching {
            detectors: self.detectors.of_all(detectors),
            agreement: self.agreement.of_all(detectors),
            drift: self.drift.of_all(detectors, features, drift),
        }
    }

    /// Shows what is expected of the policy in force.
    pub fn expect(&self, engine: &Engine) {
        self.verdicts.expect(engine.policy().expected_flag_rate());
    }

    /// Shows no state of detectors that are there no longer.
    pub fn forget(&self, names: &[&str]) {
        self.detectors.forget(names);
    }

    /// Notes rows that the schema refused.
    pub fn refused(&self, rows: usize) {
        self.verdicts.refused(rows);
    }

    /// Notes what a batch of new decisions came to, and the values of the features that it rests on.
    pub fn judged(&self, of: &Watching, rows: &[JudgedRow], calls: &[Call], features: &Matrix) {
        if !self.count {
            return;
        }
        for row in rows {
            self.verdicts.judged(&row.verdict);
            row.ballots.iter().enumerate().for_each(|(detector, ballot)| of.detectors.ballot(detector, ballot));
        }
        of.agreement.judged(rows);
        of.drift.judged(rows, features);
        calls.iter().enumerate().for_each(|(detector, call)| of.detectors.call(detector, call));
    }

    /// Notes what one detector gave for a batch.
    pub fn voted(&self, of: &Watching, detector: usize, ballots: &[Ballot], call: &Call) {
        if !self.count {
            return;
        }
        ballots.iter().for_each(|ballot| of.detectors.ballot(detector, ballot));
        of.detectors.call(detector, call);
    }

    /// Rows that were judged since the start, by their outcomes.
    pub fn outcomes(&self) -> [(Outcome, u64); 3] {
        self.verdicts.outcomes()
    }

    /// Notes how many threads answer clients.
    pub fn workers(&self, threads: usize) {
        self.process.workers(threads);
    }

    /// All metrics in a format, with what others count themselves.
    pub fn encoded(&self, exposition: Exposition, others: &Others<'_>) -> Vec<u8> {
        self.ledger.show(&others.ledger);
        self.breakers.show(&others.breakers);
        self.sinks.show(&others.sinks);
        self.spool.show(&others.spools, others.events);
        self.shadows.show(others.trial);
        others.watching.drift.show();
        self.process.show();
        others.watching.detectors.show(others.detectors);
        self.traces.show();
        self.registries.encoded(exposition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_list_is_a_metric_once_and_nothing_else_is() {
        let metrics = Metrics::new(&[], true);
        let (mut registered, mut listed) =
            (metrics.registries.names().to_vec(), names::ALL.iter().map(|name| name.family).collect::<Vec<_>>());
        registered.sort_unstable();
        listed.sort_unstable();
        assert_eq!(registered, listed);
    }
}
