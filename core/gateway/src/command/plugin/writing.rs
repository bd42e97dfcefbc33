//! How findings are written.

use super::super::audit::print_json;
use super::CommandError;
use crate::config::{TrialConfig, usual_trial};
use crate::plugin::suite::{Finding, Judged, Measured, Outcome};
use crate::redaction::redacted;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use synod_host::Plugin;

/// Most characters of what was found that are shown: a plugin may say much.
const LONGEST: usize = 400;

/// Writes a finding as a line, and what mends it as another; nothing where all are written together.
pub(super) fn finding(finding: &Finding, json: bool) {
    if json {
        return;
    }
    let word = match finding.answer.outcome() {
        Outcome::Passed => "ok",
        Outcome::Failed => "FAIL",
        Outcome::Skipped => "-",
    };
    // What a plugin says of itself stands in some of them.
    let found: String = finding.answer.found().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let cut = found.char_indices().nth(LONGEST).map_or(found.len(), |(at, _)| at);
    println!("  {word:4}  {:16} {}{}", finding.check, redacted(&found[..cut]), if cut < found.len() { " …" } else { "" });
    if let Some(mend) = finding.answer.mend() {
        println!("  {:4}  {:16} mend: {}", "", "", redacted(mend));
    }
}

/// Writes everything as one JSON object.
pub(super) fn report(path: &Path, rows: Option<&str>, judged: &Judged, configuration: Option<String>) -> Result<(), CommandError> {
    print_json(&json!({
        "component": path,
        "plugin": judged.plugin.as_ref().map(|plugin| json!({
            "sha256": plugin.digest(),
            "interface": plugin.surface().interface,
            "imports": plugin.surface().imports,
            "description": plugin.description(),
        })),
        "rows": rows,
        "findings": judged.findings,
        "measured": judged.measured,
        "configuration": configuration,
        "passed": judged.failures() == 0,
    }))
}

/// Writes what a plugin says of itself.
pub(super) fn description(plugin: &Plugin) {
    let said = plugin.description();
    let promises = [
        (said.missing_values, "missing values"),
        (said.scaling, "wants scaled features"),
        (said.univariate, "looks at each feature by itself"),
        (said.artifact, "needs a foreign model"),
        (said.weights, "weights"),
        (said.parts, "fits in parts"),
        (said.continues, "goes on from a model"),
        (said.explains, "explains"),
        (said.exports_onnx, "exports ONNX"),
    ];
    let promises: Vec<&str> = promises.into_iter().filter_map(|(holds, what)| holds.then_some(what)).collect();
    println!("\nsha256    {}", plugin.digest());
    println!("rows      at least {}", said.minimum_rows);
    println!("promises  {}", if promises.is_empty() { "nothing else".to_owned() } else { promises.join(", ") });
    let properties = said.parameters.get("properties").and_then(serde_json::Value::as_object);
    for (name, schema) in properties.into_iter().flatten().take(100) {
        let default = schema.get("default").map_or_else(|| "none".to_owned(), ToString::to_string);
        let text = schema.get("description").and_then(serde_json::Value::as_str).unwrap_or_default();
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        println!("parameter {} ({}): {}", one_line(name), one_line(&default), one_line(&text));
    }
}

/// A stranger's words, without what a terminal would do on seeing them.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Writes what a plugin takes.
pub(super) fn measured(measured: &Measured) {
    let mebibytes = |bytes: usize| bytes as f64 / 1_048_576.0;
    println!("\nOn this machine, while it does what else it does:");
    println!("  component        {:.0} KiB, compiled in {:.1} s", measured.component_bytes as f64 / 1024.0, measured.compile_seconds);
    println!(
        "  fit              {:.2} s, {:.1} MiB at most, a model of {} bytes",
        measured.fit_seconds,
        mebibytes(measured.fit_memory_bytes),
        measured.model_bytes
    );
    println!("  instance         starts in {:.1} ms, {:.1} MiB at most", measured.start_milliseconds, mebibytes(measured.memory_bytes));
    println!(
        "  a row            {:.2} µs alone, {:.3} µs in a call of 256, of {} features",
        measured.one_row_microseconds, measured.bulk_row_microseconds, measured.features
    );
}

/// What makes a detector of the plugin: the text for a configuration.
pub(super) fn configuration(plugin: &Plugin, path: &Path, trial: &TrialConfig) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let description = plugin.description();
    let mut text = format!("detectors:\n  {}:\n    plugin: {}\n", description.name.replace('-', "_"), json!(path));
    if description.scaling {
        text += "    scale: standard\n";
    }
    if let Some(artifact) = &trial.artifact {
        let _ = writeln!(text, "    artifact: {}", json!(std::path::absolute(artifact).unwrap_or_else(|_| artifact.clone())));
    }
    if trial.parameters.as_object().is_some_and(|parameters| !parameters.is_empty()) {
        let _ = writeln!(text, "    parameters: {}", trial.parameters);
    }
    let (own, usual) = (trial, usual_trial());
    let times =
        [("timeout", own.pool.call.timeout, usual.pool.call.timeout), ("load_timeout", own.pool.load.timeout, usual.pool.load.timeout)];
    let mut limits: Vec<String> =
        times.iter().filter(|(_, own, usual)| own != usual).map(|(key, own, _)| format!("{key}: {}ms", own.as_millis())).collect();
    limits.extend((own.pool.call.memory != usual.pool.call.memory).then(|| format!("memory: {}", own.pool.call.memory)));
    if !limits.is_empty() {
        let _ = writeln!(text, "    limits: {{{}}}", limits.join(", "));
    }
    text
}

/// How to come by a whole configuration for these rows.
pub(super) fn whole(normal: &Path, component: &Path) -> String {
    let folder = component.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    format!("A whole one, for these rows:\n  synod init --data {} --plugins {}", normal.display(), folder.display())
}
