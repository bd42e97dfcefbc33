//! How far the rows of today are from those that the models were fitted on: of the scores of each detector, and of the features.

use super::registering::{Gauges, Labels, Registries, show};
use crate::config::Drift;
use crate::engine::{Detector, JudgedRow};
use crate::telemetry::names;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use synod_detection::drift::{ABSENT, Reference, Window};
use synod_detection::{Ballot, Matrix, Seen};

/// Features that are watched, in the order in which the detectors name them: each has up to three series.
const MOST_FEATURES: usize = 64;
/// Rows that are counted at a time: others wait for their turn meanwhile.
const ROWS_AT_A_TIME: usize = 256;

/// What is to be said of features whose drift is not measured.
pub fn unwatched(features: &[Seen]) -> Vec<String> {
    let names = |features: &mut dyn Iterator<Item = &Seen>| features.map(|seen| seen.name.as_str()).collect::<Vec<_>>().join(", ");
    let without = names(&mut features.iter().take(MOST_FEATURES).filter(|seen| seen.reference.is_none()));
    let beyond = names(&mut features.iter().skip(MOST_FEATURES));
    let notes = [
        (without, "the models were fitted before it was kept how their features were distributed: `synod fit` lets drift be measured of"),
        (beyond, "drift is measured of 64 features, and not of"),
    ];
    notes.into_iter().filter(|(names, _)| !names.is_empty()).map(|(names, note)| format!("{note} {names}")).collect()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetectorLabels {
    detector: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FeatureLabels {
    feature: String,
}

/// What is shown of drift, whatever is measured.
#[derive(Debug)]
pub(super) struct Families {
    missing: Family<FeatureLabels, Counter>,
    feature_psi: Gauges<FeatureLabels>,
    feature_distance: Gauges<FeatureLabels>,
    score_psi: Gauges<DetectorLabels>,
    score_distance: Gauges<DetectorLabels>,
    rows: Gauge,
}

/// What is measured of drift, and what is counted of features that are missing.
#[derive(Debug)]
pub(super) struct OfDrift {
    /// Where each feature stands among the values of a row.
    missing: Vec<(usize, Counter)>,
    features: Vec<(Range<usize>, Measured<FeatureLabels>)>,
    /// In the order of the detectors.
    scores: Vec<Measured<DetectorLabels>>,
    /// Of the features, then of the scores. None if nothing is measured.
    window: Option<Mutex<Window>>,
    minimum: u64,
    rows: Gauge,
}

/// Values that are measured against earlier ones.
#[derive(Debug)]
struct Measured<L: Labels> {
    reference: Reference,
    labels: L,
    psi: Gauges<L>,
    distance: Gauges<L>,
}

impl<L: Labels> Measured<L> {
    /// Too few values say nothing: they are not shown.
    fn show(&self, counts: &[u64], minimum: u64) {
        let psi = Some(counts).filter(|counts| counts.iter().sum::<u64>() >= minimum);
        let distance = Some(counts).filter(|counts| Reference::present(counts) >= minimum);
        show(&self.psi, &self.labels, psi.and_then(|counts| self.reference.psi(counts)));
        show(&self.distance, &self.labels, distance.and_then(|counts| self.reference.distance(counts)));
    }
}

impl Families {
    pub(super) fn new(registries: &mut Registries) -> Self {
        let [feature_psi, feature_distance] = [&names::FEATURE_PSI, &names::FEATURE_KS].map(|name| registries.float_gauges(name));
        let [score_psi, score_distance] = [&names::DETECTOR_SCORE_PSI, &names::DETECTOR_SCORE_KS].map(|name| registries.float_gauges(name));
        let (missing, rows) = (registries.counters(&names::FEATURES_MISSING), registries.gauge(&names::DRIFT_ROWS));
        Self { missing, feature_psi, feature_distance, score_psi, score_distance, rows }
    }

    /// Begins to measure against what these detectors were fitted on. What was shown before is shown no longer.
    pub(super) fn of_all(&self, detectors: &[Arc<Detector>], features: &[Seen], drift: Drift) -> OfDrift {
        let Self { missing, feature_psi, feature_distance, score_psi, score_distance, rows } = self;
        [feature_psi, feature_distance].into_iter().for_each(Family::clear);
        [score_psi, score_distance].into_iter().for_each(Family::clear);
        let labels = |seen: &Seen| FeatureLabels { feature: seen.name.clone() };
        // A text that had no category in the training rows has no column.
        let features: Vec<&Seen> = features.iter().filter(|seen| !seen.columns.is_empty()).take(MOST_FEATURES).collect();
        let missing = features.iter().map(|seen| (seen.columns.start, missing.get_or_create_owned(&labels(seen)))).collect();
        let feature = |seen: &Seen| {
            let (reference, psi, distance) = (seen.reference.clone()?, feature_psi.clone(), feature_distance.clone());
            Some((seen.columns.clone(), Measured { reference, labels: labels(seen), psi, distance }))
        };
        let score = |detector: &Arc<Detector>| {
            let labels = DetectorLabels { detector: detector.name().to_owned() };
            let reference = Reference::of_values(detector.calibration().held_out());
            Measured { reference, labels, psi: score_psi.clone(), distance: score_distance.clone() }
        };
        let features: Vec<_> = features.into_iter().filter_map(feature).collect();
        let scores: Vec<_> = detectors.iter().map(score).collect();
        let bins = features.iter().map(|(_, measured)| measured.reference.bins()).chain(scores.iter().map(|score| score.reference.bins()));
        let window = (drift.window > 0).then(|| Mutex::new(Window::new(bins, drift.window)));
        OfDrift { missing, features, scores, window, minimum: drift.minimum.into(), rows: rows.clone() }
    }
}

impl OfDrift {
    /// Notes rows by what the detectors gave, and by the values of their features.
    pub(super) fn judged(&self, rows: &[JudgedRow], features: &Matrix) {
        for row in (0..rows.len()).map(|row| features.row(row)) {
            self.missing.iter().filter(|(place, _)| !row[*place].is_finite()).for_each(|(_, counter)| {
                counter.inc();
            });
        }
        let Some(window) = &self.window else { return };
        let mut bins = Vec::with_capacity((self.features.len() + self.scores.len()) * rows.len().min(ROWS_AT_A_TIME));
        for (chunk, rows) in rows.chunks(ROWS_AT_A_TIME).enumerate() {
            bins.clear();
            for (place, row) in rows.iter().enumerate() {
                self.put_bins(row, features.row(chunk * ROWS_AT_A_TIME + place), &mut bins);
            }
            // Looking for bins takes the most time, and nobody waits for it.
            window.lock().unwrap_or_else(PoisonError::into_inner).note(&bins);
        }
    }

    fn put_bins(&self, row: &JudgedRow, values: &[f64], bins: &mut Vec<u8>) {
        bins.extend(self.features.iter().map(|(columns, measured)| measured.reference.bin(&values[columns.clone()])));
        bins.extend(self.scores.iter().zip(&row.ballots).map(|(measured, ballot)| match ballot {
            Ballot::Vote(vote) => measured.reference.bin(&[vote.raw_score]),
            Ballot::Abstention(_) => ABSENT,
        }));
    }

    pub(super) fn show(&self) {
        let Some(window) = &self.window else { return };
        let (rows, counts) = {
            let window = window.lock().unwrap_or_else(PoisonError::into_inner);
            (window.rows(), (0..window.series()).map(|series| window.counts(series).to_vec()).collect::<Vec<_>>())
        };
        self.rows.set(rows as i64);
        let (of_features, of_scores) = counts.split_at(self.features.len());
        self.features.iter().zip(of_features).for_each(|((_, measured), counts)| measured.show(counts, self.minimum));
        self.scores.iter().zip(of_scores).for_each(|(measured, counts)| measured.show(counts, self.minimum));
    }
}
