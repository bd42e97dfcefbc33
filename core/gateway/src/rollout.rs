//! Rollouts: other models, or another policy, are tried on rows before they judge all of them. Of some entities' rows the verdict is theirs, of all
//! others they are only asked, beside the request; both ways each row is seen by both sides, and what they say is compared.
//!
//! A rollout is an entry in `rollouts.json`, which commands and requests change and the loader follows. It goes from step to step while all guards
//! hold, and ends by itself when one does not.

mod comparing;
mod ending;
mod following;
mod told;

pub use comparing::{Breach, Comparison, Disagreement, Guard, Measures, Pair, Report, Side};
pub use ending::Ending;
pub use following::{
    BY_ITSELF, Following, Next, Wish, audit_record, newest_first, next, overtaken, plan, policy, promotes_no_policy, refuse_own, step, what,
};
pub use told::{Told, in_words};

use crate::engine::Engine;
use crate::telemetry::metrics::Watching;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is tried, as far as requests have to do with it.
#[derive(Debug)]
pub struct Trial {
    /// The rollout's id.
    pub id: String,
    /// What judges.
    pub engine: Arc<Engine>,
    /// Its policy, if it is not the one in force.
    pub policy: Option<String>,
    /// What is counted of its detectors, under the names of those in force.
    pub watching: Watching,
    /// What both sides say of the same rows.
    pub comparison: Arc<Comparison>,
    /// The share of the entities, as the bits of a number from 0 to 1.
    share: AtomicU64,
}

impl Trial {
    /// Of this rollout, with no share yet.
    pub fn new(id: String, engine: Arc<Engine>, policy: Option<String>, watching: Watching, comparison: Arc<Comparison>) -> Self {
        Self { id, engine, policy, watching, comparison, share: AtomicU64::new(0) }
    }

    /// The share of the entities whose rows it judges.
    pub fn share(&self) -> f64 {
        f64::from_bits(self.share.load(Ordering::Relaxed))
    }

    /// From now on it judges the rows of this share of the entities.
    pub fn widen(&self, share: f64) {
        self.share.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Whether it judges the rows of somebody. The answer for one stays the same while the share does, and a larger share keeps all who were in a smaller
    /// one; another rollout draws others.
    pub fn judges(&self, tenant: Option<&str>, whose: &str) -> bool {
        place(&self.id, tenant, whose) < self.share()
    }
}

/// Where somebody stands among all, from 0 to below 1.
fn place(id: &str, tenant: Option<&str>, whose: &str) -> f64 {
    // Lengths keep apart what would else run into each other.
    let tenant = tenant.map_or_else(|| "-".to_owned(), |tenant| format!("+{}:{tenant}", tenant.len()));
    let digest = Sha256::digest(format!("{id}/{tenant}/{whose}"));
    let drawn = digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn everybody_has_one_place_and_all_places_are_taken_evenly() {
        let places: Vec<f64> = (0..10_000).map(|account| place("r", None, &format!("account-{account}"))).collect();
        assert!(places.iter().all(|place| (0.0..1.0).contains(place)));
        for share in [0.05, 0.5, 0.9] {
            let within = places.iter().filter(|place| **place < share).count() as f64 / 10_000.0;
            assert!((within - share).abs() < 0.02, "{share}: {within}");
        }
        assert_eq!(place("r", None, "a").to_bits(), place("r", None, "a").to_bits());
        assert_ne!(place("r", None, "a").to_bits(), place("s", None, "a").to_bits(), "another rollout draws others");
        assert_ne!(place("r", Some("t"), "a").to_bits(), place("r", None, "a").to_bits());
    }
}
