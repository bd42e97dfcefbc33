//! `synod models diff`: in what two versions differ, key by key of their manifests.

use super::found;
use crate::cli::DiffModels;
use crate::command::CommandError;
use crate::command::installation::Installation;
use crate::manifest::Manifest;
use serde_json::Value;
use std::collections::BTreeMap;
use synod_store::Published;

/// Lists of numbers say nothing one by one.
const LONGEST: usize = 60;

pub(super) fn run(arguments: &DiffModels) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let [one, other] = [&arguments.one, &arguments.other].map(|version| found(&at, &arguments.detector, version));
    let (one, other) = (one?, other?);
    println!("{} version {} and version {}", arguments.detector, one.0.version, other.0.version);
    let (one, other) = (leaves(&one)?, leaves(&other)?);
    let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differing: Vec<&String> = keys.into_iter().filter(|key| one.get(*key) != other.get(*key)).collect();
    for key in &differing {
        let told = |leaves: &BTreeMap<String, String>| leaves.get(*key).map_or("-", String::as_str).to_owned();
        println!("  {key}: {} | {}", told(&one), told(&other));
    }
    if differing.is_empty() {
        println!("  they are the same");
    }
    Ok(())
}

fn leaves((published, manifest): &(Published, Manifest)) -> Result<BTreeMap<String, String>, CommandError> {
    let tree = serde_json::to_value(manifest).map_err(|error| CommandError::Failed(error.to_string()))?;
    let mut leaves = BTreeMap::from([("model".to_owned(), format!("{} ({} bytes)", published.digest, published.size))]);
    collect(&tree, String::new(), &mut leaves);
    Ok(leaves)
}

fn collect(value: &Value, key: String, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let inner = |name: &String| if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            entries.iter().for_each(|(name, value)| collect(value, inner(name), leaves));
        }
        value => {
            let text = value.to_string();
            let short = if text.len() > LONGEST {
                let many = value.as_array().map_or_else(String::new, |values| format!("{} values, ", values.len()));
                format!("{many}{}", crate::engine::short(&crate::hexadecimal::digest_of_bytes(text.as_bytes())))
            } else {
                text
            };
            leaves.insert(key, short);
        }
    }
}
