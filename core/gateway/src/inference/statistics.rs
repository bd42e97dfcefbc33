//! How often models were asked by this protocol, and how long they took.

use super::{Model, POLICY};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What an answer took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Took {
    /// Reading the tensors.
    pub input: Duration,
    /// Judging the rows, and storing what came of it.
    pub inference: Duration,
    /// Writing the tensors.
    pub output: Duration,
}

/// Of all models.
#[derive(Debug)]
pub struct Statistics {
    /// The policy, then the detectors.
    models: Vec<(String, Arc<OfModel>)>,
}

#[derive(Debug, Default)]
struct OfModel {
    last: AtomicU64,
    rows: AtomicU64,
    succeeded: Summing,
    failed: Summing,
    input: Summing,
    inference: Summing,
    output: Summing,
}

#[derive(Debug, Default)]
struct Summing {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

/// How often, and how long in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How often.
    pub count: u64,
    /// How long in all.
    pub nanoseconds: u64,
}

/// What was counted of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// When it was asked last, in milliseconds since 1970.
    pub last: u64,
    /// Rows that it judged.
    pub rows: u64,
    /// Requests that were answered.
    pub succeeded: Sum,
    /// Requests that were refused after the model was found.
    pub failed: Sum,
    /// Of those that were answered: reading the tensors.
    pub input: Sum,
    /// Of those that were answered: judging the rows.
    pub inference: Sum,
    /// Of those that were answered: writing the tensors.
    pub output: Sum,
}

impl Summing {
    fn add(&self, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn sum(&self) -> Sum {
        Sum { count: self.count.load(Ordering::Relaxed), nanoseconds: self.nanoseconds.load(Ordering::Relaxed) }
    }
}

impl Statistics {
    /// Of the policy and the detectors of these names.
    pub fn new<'a>(detectors: impl Iterator<Item = &'a str>) -> Self {
        Self { models: Vec::new() }.of(detectors)
    }

    /// Of the policy and the detectors of these names; those that were there before go on.
    #[must_use]
    pub fn of<'a>(&self, detectors: impl Iterator<Item = &'a str>) -> Self {
        let counted = |name: &str| self.models.iter().find(|(known, _)| known == name).map(|(_, of)| Arc::clone(of));
        let of = |name: &str| (name.to_owned(), counted(name).unwrap_or_default());
        Self { models: std::iter::once(POLICY).chain(detectors).map(of).collect() }
    }

    fn place(&self, model: Model) -> Option<&OfModel> {
        match model {
            Model::Policy => self.models.first(),
            Model::Detector(place) => self.models.get(place + 1),
        }
        .map(|(_, of)| of.as_ref())
    }

    /// Notes an answer; `now` is in milliseconds since 1970.
    pub fn answered(&self, model: Model, rows: usize, took: Took, now: u64) {
        if let Some(of) = self.place(model) {
            of.last.store(now, Ordering::Relaxed);
            of.rows.fetch_add(rows as u64, Ordering::Relaxed);
            of.succeeded.add(took.input + took.inference + took.output);
            of.input.add(took.input);
            of.inference.add(took.inference);
            of.output.add(took.output);
        }
    }

    /// Notes a refusal.
    pub fn refused(&self, model: Model, took: Duration) {
        if let Some(of) = self.place(model) {
            of.failed.add(took);
        }
    }

    /// What was counted so far.
    pub fn counted(&self, model: Model) -> Counted {
        self.place(model).map_or_else(Counted::default, |of| Counted {
            last: of.last.load(Ordering::Relaxed),
            rows: of.rows.load(Ordering::Relaxed),
            succeeded: of.succeeded.sum(),
            failed: of.failed.sum(),
            input: of.input.sum(),
            inference: of.inference.sum(),
            output: of.output.sum(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_model_is_counted_by_itself() {
        let statistics = Statistics::new(["a", "b"].into_iter());
        let micros = Duration::from_micros;
        statistics.answered(Model::Detector(1), 7, Took { input: micros(1), inference: micros(2), output: micros(3) }, 99);
        statistics.refused(Model::Policy, micros(5));
        let counted = statistics.counted(Model::Detector(1));
        assert_eq!((counted.last, counted.rows), (99, 7));
        assert_eq!((counted.succeeded, counted.inference), (Sum { count: 1, nanoseconds: 6000 }, Sum { count: 1, nanoseconds: 2000 }));
        assert_eq!(statistics.counted(Model::Policy).failed, Sum { count: 1, nanoseconds: 5000 });
        assert_eq!(statistics.counted(Model::Detector(0)), Counted::default());
        let later = statistics.of(["b", "c"].into_iter());
        assert_eq!((later.counted(Model::Detector(0)), later.counted(Model::Detector(1))), (counted, Counted::default()));
    }
}
