//! `synod plugin check`

use super::{CommandError, host, read, verdict, writing};
use crate::cli::CheckPlugin;
use crate::config::usual_trial;
use crate::plugin::suite;
use synod_host::HostSettings;

pub(super) fn run(arguments: &CheckPlugin) -> Result<(), CommandError> {
    let component = read(&arguments.component)?;
    let host = host(HostSettings::default(), usual_trial().compile)?;
    let json = arguments.reporting.is_json();
    let judged = suite::look(&host, &component, &mut |finding| writing::finding(finding, json));
    if json {
        writing::report(&arguments.component, None, &judged, None)?;
    } else if let Some(plugin) = &judged.plugin {
        writing::description(plugin);
    }
    verdict(judged.failures(), judged.findings.len())
}
