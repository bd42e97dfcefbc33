//! `synod plugin test`

use super::build::{is_module, project};
use super::{CommandError, host, read, verdict, writing};
use crate::cli::TestPlugin;
use crate::config::{TrialConfig, load_trial, usual_trial};
use crate::plugin::building::{BuildError, unit_tests};
use crate::plugin::rows::Rows;
use crate::plugin::suite::{self, Answer, Finding};
use indicatif::ProgressBar;
use std::path::PathBuf;
use std::time::Duration;
use synod_host::HostSettings;

/// A project's manifest.
const MANIFEST: &str = "plugin.yaml";

pub(super) fn run(arguments: &TestPlugin) -> Result<(), CommandError> {
    let json = arguments.reporting.is_json();
    // What can be wrong at once is told before anything is compiled.
    let trial = trial(arguments)?;
    let rows = match (&trial.normal, &trial.anomalous) {
        (Some(normal), Some(anomalous)) => Rows::read(normal, anomalous)?,
        _ => Rows::made(),
    };
    let artifact = trial.artifact.as_deref().map(read).transpose()?;
    let mut natively = Vec::new();
    let (path, component) = match is_module(&arguments.plugin) {
        true => (arguments.plugin.clone(), read(&arguments.plugin)?),
        false => {
            natively.extend((!arguments.no_unit_tests).then(|| tested(arguments)).transpose()?);
            project(&arguments.plugin, None, &arguments.profile)?
        }
    };
    if !json {
        println!("{}\n{}", path.display(), rows.from);
        natively.iter().for_each(|finding| writing::finding(finding, json));
    }
    let usual = HostSettings::default();
    let settings = HostSettings { memory: usual.memory.max(trial.fit.memory).max(trial.pool.call.memory), ..usual };
    let bar = ProgressBar::new_spinner().with_message("trying it in the production host");
    bar.enable_steady_tick(Duration::from_millis(120));
    let tell = |finding: &Finding| bar.suspend(|| writing::finding(finding, json));
    let mut judged = suite::run(&host(settings, trial.compile)?, &component, &trial, &rows, artifact.as_deref(), &mut { tell });
    bar.finish_and_clear();
    judged.findings.splice(0..0, natively);
    let configuration = judged.plugin.as_ref().map(|plugin| writing::configuration(plugin, &path, &trial));
    if json {
        writing::report(&path, Some(&rows.from), &judged, configuration)?;
    } else {
        judged.measured.iter().for_each(writing::measured);
        configuration.iter().for_each(|text| println!("\nIn a configuration:\n{text}"));
        trial.normal.iter().for_each(|normal| println!("{}", writing::whole(normal, &path)));
    }
    verdict(judged.failures(), judged.findings.len())
}

/// What the plugin is tried with: the manifest's, with the command line over it.
fn trial(arguments: &TestPlugin) -> Result<TrialConfig, CommandError> {
    let own = arguments.plugin.join(MANIFEST);
    let manifest: Option<PathBuf> = arguments.manifest.clone().or_else(|| own.is_file().then_some(own));
    let mut trial = match manifest {
        Some(path) => load_trial(&path)?,
        None => usual_trial(),
    };
    if arguments.normal.is_some() {
        (trial.normal, trial.anomalous) = (arguments.normal.clone(), arguments.anomalous.clone());
    }
    if let Some(parameters) = &arguments.parameters {
        trial.parameters = parameters.clone();
    }
    trial.artifact = arguments.artifact.clone().or(trial.artifact);
    Ok(trial)
}

/// The unit tests of a project. That there is nothing to test with ends the command; that a test fails does not.
fn tested(arguments: &TestPlugin) -> Result<Finding, CommandError> {
    let answer = match unit_tests(&arguments.plugin) {
        Ok(()) => Answer::Held("pass natively".into()),
        Err(error @ BuildError::Cargo(_)) => Answer::Broken { found: error.to_string(), mend: "mend the detector, or the test".into() },
        Err(error) => return Err(error.into()),
    };
    Ok(Finding { check: "unit tests", answer })
}
