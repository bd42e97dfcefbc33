//! `synod models parity`: whether a model that was fitted elsewhere says of rows what the library that it comes from says of them.

mod report;

use super::named;
use crate::cli::ParityModel;
use crate::command::audit::print_json;
use crate::command::dataset::{self, Loaded, Wanted};
use crate::command::installation::Installation;
use crate::command::{CommandError, progress};
use crate::config::DetectorConfig;
use crate::engine::{Engine, Versions, models};
use report::{Compared, Report};
use std::collections::HashMap;
use synod_detection::{Ballot, Batch, Scale};
use synod_store::Published;

/// Rows that are scored at a time.
const ROWS_AT_A_TIME: usize = 4096;

pub(super) fn run(arguments: &ParityModel) -> Result<(), CommandError> {
    if !(arguments.tolerance.is_finite() && arguments.tolerance >= 0.0) {
        return Err(CommandError::Usage(format!("--tolerance: {} is not a number from 0", arguments.tolerance)));
    }
    let mut at = Installation::open(&arguments.which.common)?;
    at.config.be_patient();
    let (published, _) = named(&at, &arguments.which)?;
    let engine = alone(&mut at, &arguments.which.detector, &published)?;
    let wanted = Wanted { refused_too: arguments.skip_invalid, ..Wanted::default() };
    let loaded = dataset::load_with_amounts(&at.config, &arguments.data, &arguments.span, wanted, Some(&arguments.score))?;
    let compared = compared(&engine, &loaded, &arguments.score)?;
    let report = Report::new(&compared, arguments.tolerance, loaded.lines.len(), warnings(&at.config.detectors[0]))?;
    match arguments.json {
        true => print_json(&report)?,
        false => print!("{}", report.table(&arguments.which.detector, published.version)),
    }
    if report.within { Ok(()) } else { Err(CommandError::Failed(report.verdict())) }
}

/// The engine with this version of this detector, and no other.
fn alone(at: &mut Installation, detector: &str, published: &Published) -> Result<Engine, CommandError> {
    at.config = at.config.everything();
    let all: Vec<String> = at.config.detectors.iter().map(|detector| detector.name.clone()).collect();
    at.config.detectors.retain(|configured| configured.name == detector);
    if at.config.detectors.is_empty() {
        let text = format!("there is no detector `{detector}` in the configuration; there are {}", all.join(", "));
        return Err(CommandError::Usage(text));
    }
    let versions = Versions::from([(detector.to_owned(), published.version)]);
    let engine = at.engine(models(&at.config, &at.registry, &versions, &|_, _| {})?)?;
    match engine.unready() {
        Some((_, why)) => Err(CommandError::Failed(format!("{detector}, version {}: {why}", published.version))),
        None => Ok(engine),
    }
}

/// What of the configuration makes the comparison meaningless, and what to write.
fn warnings(detector: &DetectorConfig) -> Vec<String> {
    let mut warnings = Vec::new();
    let scaled: Vec<&str> =
        detector.definitions.iter().filter(|feature| feature.scale != Scale::None).map(|feature| feature.name.as_str()).collect();
    if !scaled.is_empty() {
        warnings.push(format!(
            "{} are scaled by Synod before the model sees them: a model from elsewhere has its scaler with it; write `scale: none` in \
             detectors.{}, take `scale` from these features, and fit again",
            scaled.join(", "),
            detector.name
        ));
    }
    if detector.artifact.is_none() {
        warnings.push(format!(
            "detectors.{} has no `artifact`: this model was learnt here, and need not agree with another one",
            detector.name
        ));
    }
    warnings
}

/// The rows of the file that have both scores.
fn compared(engine: &Engine, loaded: &Loaded, column: &str) -> Result<Vec<Compared>, CommandError> {
    let numbers: HashMap<usize, u64> = loaded.lines.iter().filter_map(|(number, place)| Some((*place.as_ref().ok()?, *number))).collect();
    let bar = progress::reading("scoring");
    let mut compared = Vec::with_capacity(loaded.judged.len());
    for (done, places) in loaded.judged.chunks(ROWS_AT_A_TIME).enumerate() {
        let batch: Batch = loaded.dataset.batch.select(places);
        let (ballots, _) = engine.vote(0, &batch, &loaded.dataset.past.select(places));
        for (place, ballot) in places.iter().zip(ballots) {
            let row = numbers.get(place).copied().unwrap_or_default();
            let expected = loaded.amounts[*place];
            if !expected.is_finite() {
                return Err(CommandError::Data(format!("row {row}: `{column}` is no score: write a finite number")));
            }
            let found = match ballot {
                Ballot::Vote(vote) => Ok(vote.raw_score),
                Ballot::Abstention(abstention) => Err(abstention.detail),
            };
            compared.push(Compared { row, expected, found });
        }
        progress::update(&bar, ((done * ROWS_AT_A_TIME) as u64, loaded.judged.len() as u64));
    }
    bar.finish_and_clear();
    Ok(compared)
}
