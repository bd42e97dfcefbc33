//! The configurations that the tests use: the shipped examples, and a small one of three plain numbers.

use std::fmt::Write as _;

/// One fit and no folds: most tests are about something else than how few rows are calibrated on.
const ONE_FIT: &str = "fit:\n  split: random\n";

/// An example of `config/examples`, with patient limits, fitted once.
///
/// # Panics
/// When there is none of this name.
#[must_use]
pub fn example(name: &str) -> String {
    let path = crate::repository().join(format!("config/examples/{name}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = patient(&text);
    if text.contains("\n  time: ") { text } else { text + ONE_FIT }
}

/// Gives every detector time enough for a machine that is busy with other tests. Not to be used where a limit is what is tested.
#[must_use]
pub fn patient(text: &str) -> String {
    let mut patient = String::new();
    for line in text.lines() {
        let _ = writeln!(patient, "{line}");
        if line.trim_start().starts_with("plugin: ") {
            let indent = &line[..line.len() - line.trim_start().len()];
            let _ = writeln!(patient, "{indent}limits: {{timeout: 20s, load_timeout: 60s}}");
        }
    }
    patient
}

/// Rows of three numbers `a`, `b` and `c` between 0 and 0.5, which are the features, for these detectors (YAML, indented by two).
#[must_use]
pub fn three_numbers(detectors: &str) -> String {
    let fields: String = ["a", "b", "c"].iter().map(|name| format!("    {name}: {{type: number}}\n")).collect();
    let features: String = ["a", "b", "c"].iter().map(|name| format!("  {name}: {{expression: {name}}}\n")).collect();
    format!(
        "version: 1\nschema:\n  fields:\n{fields}features:\n{features}detectors:\n{detectors}consensus:\n  contamination: 0.05\n{ONE_FIT}"
    )
}

/// CSV with rows for [`three_numbers`], always the same ones.
#[must_use]
pub fn three_numbers_csv(rows: u64) -> String {
    let mut text = "a,b,c\n".to_owned();
    for row in 0..rows {
        let number = |step: u64| (row * step % 997) as f64 / 997.0 / 2.0;
        let _ = writeln!(text, "{},{},{}", number(7), number(113), number(31));
    }
    text
}

/// Events of accounts with an amount, which is a feature beside the past's count. Detectors follow (YAML, indented by two).
pub const AMOUNTS: &str = "\
version: 1
schema:
  id: event
  entity: account
  time: at
  fields:
    event: {type: text}
    account: {type: text}
    at: {type: time}
    amount: {type: number}
features:
  amount: {expression: amount}
  count: {history: count, over: 30d}
detectors:
";
