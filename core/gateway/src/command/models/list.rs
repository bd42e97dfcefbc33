//! `synod models list`.

use crate::cli::{Format, ListModels};
use crate::command::CommandError;
use crate::command::audit::print_json;
use crate::command::installation::Installation;
use crate::model_versions::{Version, versions};
use crate::signing::{SignatureState, Trust};

pub(super) fn run(arguments: &ListModels) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let detectors = match &arguments.detector {
        Some(detector) => vec![detector.clone()],
        None => at.registry.detectors()?,
    };
    let trust = Trust::open(&at.config.models.signatures)?;
    let mut all = Vec::new();
    for detector in &detectors {
        all.extend(versions(&at.registry, &trust, detector)?);
    }
    match arguments.format {
        Format::Json => print_json(&all),
        Format::Table => {
            print!("{}", table(&all));
            Ok(())
        }
    }
}

fn table(versions: &[Version]) -> String {
    let width = versions.iter().map(|version| version.detector.len()).chain([8]).max().unwrap_or_default();
    let line = |detector: &str, cells: [&str; 6]| {
        let [version, digest, created, rows, labels, note] = cells;
        format!("{detector:width$}  {version:>7}  {digest:12}  {created:20}  {rows:>9}  {labels:9}  {note}").trim_end().to_owned() + "\n"
    };
    let of = |version: &Version| {
        let digest = crate::engine::short(&version.sha256);
        let created: String = version.created.split('.').next().unwrap_or_default().trim_end_matches('Z').to_owned() + "Z";
        let again = version.recalibrated_from.map(|of| format!("the model of {of}, calibrated again"));
        let note = again.into_iter().chain(signed(version).map(str::to_owned)).collect::<Vec<_>>().join("; ");
        let cells = [&version.version.to_string(), digest, &created, &version.training_rows.to_string(), &version.labels.join(" "), &note];
        line(&version.detector, cells)
    };
    line("detector", ["version", "digest", "fitted", "rows", "labels", ""]) + &versions.iter().map(of).collect::<String>()
}

/// What is worth a word of a version's signatures.
fn signed(version: &Version) -> Option<&'static str> {
    match (version.signatures.state, &version.signatures.reason) {
        (SignatureState::Unsigned, None) => None,
        (SignatureState::Unsigned, Some(_)) => Some("unsigned: not used"),
        (SignatureState::Refused, _) => Some("signatures refused: not used"),
        (SignatureState::Valid, _) => Some("signed"),
        (SignatureState::Unjudged, _) => Some("signed, unchecked"),
    }
}
