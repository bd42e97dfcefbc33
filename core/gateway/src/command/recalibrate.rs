//! `synod recalibrate`: the same models, with scores that mean what they say of recent rows. An explicit act that makes new versions; what
//! was decided before keeps the calibration that it was decided by.

use super::dataset::{self, Wanted, moment, spelled};
use super::export::decisions::recorded::Recorded;
use super::installation::Installation;
use super::models::keys;
use super::publishing::{self, user};
use super::{CommandError, progress};
use crate::cli::{Learn, Recalibrate};
use crate::decision::{Decision, VoteOf};
use crate::engine::{Detector, Engine, live_models, short};
use crate::fitting::Model;
use crate::hexadecimal::hexadecimal;
use crate::manifest::{HeldOut, Recalibration};
use crate::replaying::{Choice, Selection};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use synod_detection::{Calibration, split};

/// Fewest rows that a calibration is learnt again from.
const FEWEST: usize = 100;
/// Most rows; of more they are taken evenly.
const MOST: usize = 20_000;
/// Rows that are scored at a time.
const ROWS_AT_A_TIME: usize = 2048;

/// What the detectors say of rows that the fit did not see.
struct Recent {
    /// For each row the raw score of each detector.
    rows: Vec<Vec<f64>>,
    /// Rows on which not all detectors voted.
    without: usize,
    /// What the rows are, for the manifest.
    source: Recalibration,
    digest: Sha256,
}

pub(super) fn run(arguments: &Recalibrate) -> Result<(), CommandError> {
    let mut at = Installation::open(&arguments.common)?;
    let keys = keys(&at, &arguments.keys.sign)?;
    at.config.be_patient();
    let models = live_models(&at.config, &at.registry)?;
    let engine = at.engine(models.clone())?;
    let mut recent = match &arguments.data {
        Some(data) => of_file(&at, &engine, data, arguments)?,
        None => of_decisions(&at, &engine, arguments)?,
    };
    if recent.without > 0 {
        eprintln!("{} rows on which not all detectors voted are left out", recent.without);
    }
    if recent.rows.len() < FEWEST {
        let text = format!("{} rows are too few to calibrate on, at least {FEWEST} are needed", recent.rows.len());
        return Err(CommandError::Data(text));
    }
    let places: Vec<usize> = (0..recent.rows.len()).collect();
    recent.rows = split::thin(&places, MOST).into_iter().map(|place| std::mem::take(&mut recent.rows[place])).collect();
    let digest = hexadecimal(&recent.digest.clone().finalize());
    let mut versions = Vec::new();
    for (index, model) in models.into_iter().enumerate() {
        let raw: Vec<f64> = recent.rows.iter().map(|row| row[index]).collect();
        let detector = &engine.detectors()[index];
        versions.push((detector.name().to_owned(), publish(&at, detector, model, raw, &recent.source, &digest)?));
    }
    publishing::sign_and_label(&at, &versions, &keys, &user(), "recalibrate", arguments.candidate)
}

fn publish(
    at: &Installation,
    detector: &Detector,
    model: Model,
    raw: Vec<f64>,
    source: &Recalibration,
    digest: &str,
) -> Result<u64, CommandError> {
    let reached = raw.iter().filter(|raw| detector.calibration().score(**raw).score >= detector.threshold()).count() as f64;
    let share = 100.0 * reached / raw.len() as f64;
    let (rows, mut manifest) = (raw.len(), model.manifest);
    manifest.calibration = Calibration::from(raw);
    manifest.held_out =
        HeldOut { split: manifest.held_out.split, digest: digest.to_owned(), clean: at.config.fit.clean, left_out: Vec::new() };
    manifest.author = Some(user());
    manifest.recalibrated = Some(Recalibration { of_version: model.version, ..source.clone() });
    let published = at.registry.publish(detector.name(), &model.bytes, |_| &manifest)?;
    println!(
        "{}: version {} ({}), the model of version {} calibrated on {rows} rows, of which {share:.2} % had voted yes by the calibration before",
        detector.name(),
        published.version,
        short(&published.digest),
        model.version
    );
    Ok(published.version)
}

fn of_file(at: &Installation, engine: &Engine, path: &std::path::Path, arguments: &Recalibrate) -> Result<Recent, CommandError> {
    let learn = Learn { leave_out: arguments.leave_out.clone(), exclude_flagged: false, weight: None };
    let wanted = Wanted { learn: Some(&learn), ..Wanted::default() };
    let data = dataset::load(&at.config, path, &arguments.span, wanted)?.dataset;
    let (mut rows, mut without) = (Vec::with_capacity(data.rows.len()), 0);
    let bar = progress::reading("scoring");
    let mut digest = Sha256::new_with_prefix(&data.lineage.sha256);
    for places in data.rows.chunks(ROWS_AT_A_TIME) {
        for (place, row) in places.iter().zip(engine.judge(&data.batch.select(places), &data.past.select(places)).rows) {
            let raw: Vec<f64> = row.ballots.iter().filter_map(|ballot| ballot.vote()).map(|vote| vote.raw_score).collect();
            if raw.len() < row.ballots.len() {
                without += 1;
                continue;
            }
            digest.update((*place as u64).to_le_bytes());
            rows.push(raw);
        }
        progress::update(&bar, (rows.len() as u64, data.rows.len() as u64));
    }
    bar.finish_and_clear();
    let time = at.config.schema.time();
    let moments = || data.rows.iter().filter_map(|row| data.batch.moment(time?, *row));
    let period = moments().min().zip(moments().max()).map(|(first, last)| (spelled(first), spelled(last)));
    Ok(Recent { rows, without, source: source(&data.lineage.file, data.lineage.sha256.clone(), period), digest })
}

/// The raw scores that were recorded need not be computed again.
fn of_decisions(at: &Installation, engine: &Engine, arguments: &Recalibrate) -> Result<Recent, CommandError> {
    let selection = Selection {
        from: moment(arguments.span.from.as_deref(), "--from")?,
        until: moment(arguments.span.until.as_deref(), "--until")?,
        ..Selection::default()
    };
    let mut recent = Recent { rows: Vec::new(), without: 0, source: source("decisions", String::new(), None), digest: Sha256::new() };
    let mut period: Option<(Timestamp, Timestamp)> = None;
    let mut choosing = selection.choosing();
    let bar = progress::reading("reading decisions");
    let ended = Recorded::open(&at.directory)?.read(&bar, |record| {
        let Choice::Chosen(decision) = choosing.choose(&record) else { return Ok(()) };
        match votes(engine, &decision) {
            None => recent.without += 1,
            Some(raw) => {
                recent.digest.update(decision.id.as_bytes());
                let decided = decision.decided;
                period = Some(period.map_or((decided, decided), |(first, last)| (first.min(decided), last.max(decided))));
                recent.rows.push(raw);
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if let Some(damage) = ended.damage {
        return Err(CommandError::Data(format!("the log could be read up to record {} alone: {damage}", ended.next.saturating_sub(1))));
    }
    recent.source.period = period.map(|(first, last)| (first.to_string(), last.to_string()));
    Ok(recent)
}

/// The raw scores of a decision by the very models that are live.
fn votes(engine: &Engine, decision: &Decision) -> Option<Vec<f64>> {
    let of_detector = |detector: &Detector| {
        let by_this = |vote: &&VoteOf| vote.detector == detector.name() && vote.model_digest == detector.identity().model;
        decision.votes.iter().find(by_this).map(|vote| vote.vote.raw_score)
    };
    engine.detectors().iter().map(|detector| of_detector(detector)).collect()
}

fn source(rows: &str, sha256: String, period: Option<(String, String)>) -> Recalibration {
    Recalibration { of_version: 0, created: Timestamp::now().to_string(), rows: rows.to_owned(), sha256, period }
}
