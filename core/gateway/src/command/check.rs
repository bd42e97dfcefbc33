//! `synod check`: everything that can be known without serving, all mistakes at once.

use super::CommandError;
use super::installation::Installation;
use crate::cli::Common;
use crate::config::DetectorConfig;
use crate::engine::{load_plugin, short};
use crate::fitting::{artifact, parameter_mistakes};
use crate::listening::{Tls, TlsSettings};
use crate::telemetry::metrics::unwatched;

pub(super) fn run(arguments: &Common) -> Result<(), CommandError> {
    let at = Installation::open(arguments)?;
    println!("{}: no mistakes", arguments.config.display());
    print!("{}", super::size::bounds_of_histories(&at.config));
    let mut mistakes: Vec<String> = at.config.all_detectors().flat_map(|detector| of_plugin(&at, detector)).collect();
    mistakes.extend(at.config.listen.tls.as_ref().and_then(of_encryption));
    if !mistakes.is_empty() {
        return Err(CommandError::Usage(mistakes.join("\n")));
    }
    of_models(&at)
}

/// What is wrong with a detector as far as its plugin can say.
fn of_plugin(at: &Installation, detector: &DetectorConfig) -> Vec<String> {
    let plugin = match load_plugin(&at.host, detector) {
        Ok(plugin) => plugin,
        Err(error) => return vec![super::chain(&error)],
    };
    let description = plugin.description();
    println!(
        "{}: plugin {} {} ({}): {}",
        detector.name,
        description.name,
        description.version,
        short(plugin.digest()),
        description.summary
    );
    let mut mistakes: Vec<String> = match parameter_mistakes(&plugin, detector) {
        Ok(mistakes) => mistakes.into_iter().map(|mistake| format!("detectors.{}.{mistake}", detector.name)).collect(),
        Err(error) => vec![super::chain(&error)],
    };
    mistakes.extend(artifact(&plugin, detector).err().map(|error| super::chain(&error)));
    let scaled = detector.definitions.iter().any(|definition| definition.scale != synod_detection::Scale::None);
    if description.scaling && !scaled && detector.artifact.is_none() && detector.definitions.len() > 1 {
        println!("{}: note: this plugin compares features with each other; `scale: standard` makes their units comparable", detector.name);
    }
    mistakes
}

/// What is wrong with the files that connections are encrypted with.
fn of_encryption(settings: &TlsSettings) -> Option<String> {
    match Tls::check(settings) {
        Ok(words) => {
            println!("listen.tls: {words}");
            None
        }
        Err(error) => Some(super::chain(&error)),
    }
}

fn of_models(at: &Installation) -> Result<(), CommandError> {
    for detector in at.config.all_detectors() {
        if at.registry.live_version(&detector.name)?.is_none() {
            println!("{}: not fitted yet; run `synod fit`", detector.name);
            return Ok(());
        }
    }
    let engine = at.live_engine()?;
    for detector in engine.detectors() {
        let identity = detector.identity();
        let rows = identity.training_rows;
        let ready = if detector.is_ready() { "ready" } else { "does not start" };
        println!("{}: version {} ({}), fitted on {rows} rows, {ready}", detector.name(), identity.version, short(&identity.model));
    }
    if !at.config.shadows.is_empty() {
        let shadows = at.live_engine_of(&at.config.everything())?;
        for detector in shadows.detectors().iter().filter(|detector| engine.detector(detector.name()).is_none()) {
            let ready = if detector.is_ready() { "ready" } else { "does not start" };
            println!("{}: version {}, a shadow, {ready}", detector.name(), detector.identity().version);
        }
    }
    unwatched(engine.plan().seen()).iter().for_each(|note| println!("note: {note}"));
    match engine.detectors().iter().find(|detector| !detector.is_ready()) {
        Some(detector) => Err(CommandError::Failed(format!("detector {} does not start", detector.name()))),
        None => Ok(()),
    }
}
