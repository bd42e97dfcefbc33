//! `synod fit`: rows in, published models out.

use super::dataset::{self, Wanted};
use super::installation::Installation;
use super::publishing::{self, user};
use super::{CommandError, progress};
use crate::cli::Fit;
use crate::config::{Config, DetectorConfig};
use crate::engine::{EngineError, live_models, short};
use crate::fitting::{self, Model};
use synod_store::Published;

pub(super) fn run(arguments: &Fit) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let detectors = chosen(&at.config, &arguments.detector)?;
    let wanted = Wanted { learn: Some(&arguments.learn), ..Wanted::default() };
    let mut data = dataset::load(&at.config, &arguments.data, &arguments.span, wanted)?.dataset;
    let lines = progress::Detectors::new();
    if arguments.learn.exclude_flagged {
        let earlier = match live_models(&at.config, &at.registry) {
            Err(EngineError::NotFitted(_)) => None,
            models => Some(models?),
        };
        let by = if earlier.is_some() { "the live models" } else { "a first fit" };
        let flagged = fitting::leave_out_flagged(&at.config, &at.host, &mut data, earlier, &|name, message| lines.show(name, message))?;
        eprintln!("{}: {flagged} rows that {by} flagged are left out", arguments.data.display());
    }
    eprintln!(
        "{}: {} rows, {} to learn from, {} excluded, {} refused by the schema",
        arguments.data.display(),
        data.lineage.rows,
        data.rows.len(),
        data.lineage.excluded,
        data.lineage.invalid
    );
    let show = |name: &str, message: &str| lines.show(name, message);
    let models = if arguments.r#continue {
        let live = live_models(&at.config, &at.registry)?;
        let named = |model: &Model| detectors.iter().any(|detector| detector.name == model.manifest.detector);
        let earlier = live.into_iter().filter(named).collect();
        fitting::go_on(&at.config, &at.host, &detectors, earlier, &data, &show)?
    } else {
        fitting::fit(&at.config, &at.host, &detectors, &data, &show)?
    };
    at.archive()?;
    let author = user();
    let mut versions = Vec::new();
    for mut model in models {
        model.manifest.author = Some(author.clone());
        let name = model.manifest.detector.clone();
        let published: Published = at.registry.publish(&name, &model.bytes, |_| &model.manifest)?;
        println!(
            "{name}: version {} ({}), {} bytes, {} training rows, calibrated on {}",
            published.version,
            short(&published.digest),
            published.size,
            model.manifest.data.training,
            model.manifest.calibration.held_out().len()
        );
        versions.push((name, published.version));
    }
    publishing::label(&at, &versions, &author, "fit", arguments.candidate)
}

fn chosen<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a DetectorConfig>, CommandError> {
    let known = || config.all_detectors().map(|detector| detector.name.as_str()).collect::<Vec<_>>().join(", ");
    for name in names {
        if !config.all_detectors().any(|detector| detector.name == *name) {
            return Err(CommandError::Usage(format!("--detector: there is no detector `{name}`; there are {}", known())));
        }
    }
    Ok(config.all_detectors().filter(|detector| names.is_empty() || names.contains(&detector.name)).collect())
}
