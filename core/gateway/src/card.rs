//! A model card (Mitchell et al., "Model Cards for Model Reporting", FAT* 2019): what a version is, what it has learnt from, what its scores mean,
//! and what it must not be taken for. It is made of the manifest alone, so that it says nothing that is not known.

use crate::manifest::Manifest;
use crate::signing::{SignatureState, Signatures, Signer, SignerState};
use std::fmt::Write as _;
use synod_detection::measure;
use synod_store::{Labels, Published};

/// The card of a version, in Markdown.
pub fn card(published: &Published, manifest: &Manifest, labels: &Labels, signatures: &Signatures) -> String {
    let mut text = format!("# {}, version {}\n\n", escaped(&manifest.detector), published.version);
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {} |", escaped(value));
    };
    row("", "");
    row("---", "---");
    row("Purpose", manifest.purpose.as_deref().unwrap_or("not stated (`detectors.NAME.purpose`)"));
    row("Owner", manifest.owner.as_deref().unwrap_or("not stated (`detectors.NAME.owner`)"));
    row("Labels", &labelled(labels, published.version));
    row("Signatures", &signed(signatures));
    row("Fitted", &manifest.created);
    row("By", manifest.author.as_deref().unwrap_or("unknown"));
    row("Synod", &manifest.synod);
    row("Plugin", &format!("{} {}, {}", manifest.plugin.name, manifest.plugin.version, manifest.plugin.sha256));
    row("Model", &format!("{} bytes, {}", published.size, published.digest));
    row("Parameters", &manifest.parameters.to_string());
    row("Seed", &manifest.seed.to_string());
    if let Some(artifact) = &manifest.artifact {
        row("Foreign model", artifact);
    }
    data(&mut text, manifest);
    calibration(&mut text, manifest);
    let _ = write!(
        text,
        "\n## Limits\n\nA score says how rare a row is among the held-out rows: .25 is 1 in 10, .5 is 1 in 100, .75 is 1 in 1,000. It is no \
         probability of fraud. Beyond 1 in {} it is extrapolated. Rows unlike those of the period above get scores that mean less; \
         `synod_detector_score_psi` says how far the present is from them.\n",
        manifest.calibration.held_out().len()
    );
    text
}

fn data(text: &mut String, manifest: &Manifest) {
    let data = &manifest.data;
    let _ = write!(
        text,
        "\n## Data\n\n- {}, SHA-256 {}\n- {} rows: {} learnt from, {} excluded as known anomalies, {} as flagged before, {} refused by the schema, \
         {} without a feature that is needed\n",
        escaped(&data.file),
        data.sha256,
        data.rows,
        data.training,
        data.excluded,
        data.flagged,
        data.invalid,
        data.incomplete
    );
    if let Some((first, last)) = &data.period {
        let _ = writeln!(text, "- from {first} to {last}");
    }
    if data.weighted {
        let _ = writeln!(text, "- rows have weights");
    }
    let columns: Vec<String> = manifest.view.columns().map(escaped).collect();
    let _ = writeln!(text, "- features: {}", columns.join(", "));
}

fn calibration(text: &mut String, manifest: &Manifest) {
    let held_out = manifest.calibration.held_out();
    let clean = if manifest.held_out.clean { ", declared free of anomalies" } else { "" };
    let _ = write!(text, "\n## Calibration\n\n- {} held-out rows ({:?}){clean}\n", held_out.len(), manifest.held_out.split);
    let mut sorted = held_out.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quantile = |share: f64| sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1)));
    let quantiles = [("median", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("99.9 %", 0.999)];
    let told: Vec<String> = quantiles.iter().filter_map(|(name, share)| Some(format!("{name} {:.4}", quantile(*share)?))).collect();
    let _ = writeln!(text, "- raw scores: {}", told.join(", "));
    let left_out = &manifest.held_out.left_out;
    if !left_out.is_empty() {
        let scores: Vec<f64> = held_out.iter().chain(left_out).copied().collect();
        let truth: Vec<bool> = std::iter::repeat_n(false, held_out.len()).chain(std::iter::repeat_n(true, left_out.len())).collect();
        let _ = writeln!(
            text,
            "- against {} rows that the fit left out: AUCROC {:.3}, average precision {:.3}",
            left_out.len(),
            measure::aucroc(&scores, &truth),
            measure::aucpr(&scores, &truth)
        );
    }
    if let Some(version) = manifest.continued_from {
        let _ = writeln!(text, "- it has learnt on from version {version}: what is said of data is what it has learnt since");
    }
    if let Some(again) = &manifest.recalibrated {
        let _ = writeln!(
            text,
            "- calibrated again on {} at {}: the model is that of version {}",
            escaped(&again.rows),
            again.created,
            again.of_version
        );
    }
    if !manifest.golden.is_empty() {
        let _ = writeln!(text, "- {} golden rows, scored before it judges", manifest.golden.scores.len());
    }
}

fn labelled(labels: &Labels, version: u64) -> String {
    let of = labels.of(version);
    if of.is_empty() { "none".to_owned() } else { of.join(", ") }
}

fn signed(signatures: &Signatures) -> String {
    // Beside those who count others may have signed.
    let counted = |signer: &&Signer| signatures.state != SignatureState::Valid || signer.state == SignerState::Trusted;
    let by: Vec<String> =
        signatures.by.iter().filter(counted).map(|signer| signer.name.clone().unwrap_or_else(|| signer.key.to_string())).collect();
    let by = by.join(", ");
    match (signatures.state, &signatures.reason) {
        (_, Some(reason)) => format!("refused: {reason}"),
        (SignatureState::Unsigned, None) => "none".to_owned(),
        (SignatureState::Unjudged, None) => format!("by {by}, whom this installation does not know"),
        (_, None) => format!("serial {}, by {by}", signatures.serial.unwrap_or_default()),
    }
}

/// Names and parameters come from people: in a table they must be one cell, and no markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '<' | '>' | '`' | '*' | '[' | ']' | '\\' | '_' if text != "---" => escaped.extend(['\\', c]),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Who made a version, and who proposed it if it is the candidate: those who must not promote it alone.
///
/// # Errors
/// When the registry cannot be read.
pub fn author_and_proposer(
    registry: &synod_store::Registry,
    detector: &str,
    version: u64,
) -> Result<Vec<String>, synod_store::RegistryError> {
    let (_, manifest) = registry.manifest::<Manifest>(detector, Some(version))?;
    let labels = registry.labels_of(detector)?;
    let proposer = labels.proposed_by.filter(|_| labels.candidate == Some(version));
    Ok(manifest.author.into_iter().chain(proposer).collect())
}
