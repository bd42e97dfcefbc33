//! The starter configuration as text.

use super::Found;
use super::column::{Column, Holds, Role};
use std::fmt::Write as _;
use std::path::Path;

/// Texts with more values than this are encoded by frequency and not each as a column.
const MOST_COLUMNS: usize = 12;

pub(super) fn configuration(data: &Path, rows: usize, columns: &[Column], roles: &[Role], plugins: &[Found], folder: &str) -> String {
    let mut text = format!(
        "# Written by `synod init` from {rows} rows of {}. Read it: what it guessed stands in the comments.\n\
         # Every key is documented in config/synod.yaml.\nversion: 1\n\ndata_directory: {}\nplugins:\n  directory: {}\n\n",
        data.display(),
        super::DATA_DIRECTORY,
        quoted(folder)
    );
    schema(&mut text, columns, roles);
    features(&mut text, columns, roles);
    detectors(&mut text, plugins);
    text += "# How votes become a verdict. `synod evaluate` compares the rules on labelled rows.\n\
             consensus:\n  rule: weighted_mean\n  contamination: 0.01   # share of the rows that is to be flagged\n  on_missing: review\n\n\
             outcomes:\n  block: 0.75           # 1 in 1,000 rows\n";
    text
}

fn schema(text: &mut String, columns: &[Column], roles: &[Role]) {
    *text += "schema:\n";
    let named = |role: Role| columns.iter().zip(roles).find(|(_, found)| **found == role).map(|(column, _)| quoted(&column.name));
    for (key, role, why) in [
        ("id", Role::Id, "its value is another in every row"),
        ("entity", Role::Entity, "whom a row is about, by its name and because it repeats"),
    ] {
        if let Some(name) = named(role) {
            let _ = writeln!(text, "  {key}: {name}   # {why}");
        }
    }
    let whole_time = |(column, role): &(&Column, &Role)| **role == Role::Time && column.missing == 0;
    if let Some((column, _)) = columns.iter().zip(roles).find(whole_time) {
        let _ = writeln!(text, "  time: {}", quoted(&column.name));
    }
    *text += "  fields:\n";
    for (column, role) in columns.iter().zip(roles) {
        if *role == Role::Label {
            let _ = writeln!(text, "    # {} is the truth, and no detector sees it", quoted(&column.name));
            continue;
        }
        let optional = if column.missing > 0 { ", required: false" } else { "" };
        let _ = writeln!(text, "    {}: {{type: {}{optional}}}   # {}", quoted(&column.name), kind(column), seen(column));
    }
    text.push('\n');
}

fn kind(column: &Column) -> &'static str {
    match column.holds() {
        Holds::Integer => "integer",
        Holds::Number => "number",
        Holds::Boolean => "boolean",
        Holds::Time => "time",
        Holds::Text => "text",
    }
}

/// What was seen, in words that fit a comment.
fn seen(column: &Column) -> String {
    let missing = if column.missing > 0 { format!(", missing in {} rows", column.missing) } else { String::new() };
    let values = match column.holds() {
        Holds::Integer | Holds::Number => format!("{} to {}", column.minimum, column.maximum),
        _ if column.distinct() <= MOST_COLUMNS => column.values.keys().cloned().collect::<Vec<_>>().join(", "),
        _ => format!("{} values", column.distinct()),
    };
    format!("{values}{missing}").replace(['\n', '\r'], " ")
}

fn features(text: &mut String, columns: &[Column], roles: &[Role]) {
    *text += "features:\n";
    for (column, role) in columns.iter().zip(roles) {
        let name = quoted(&column.name);
        let missing = if column.missing > 0 { ", missing: median" } else { "" };
        match (role, column.holds()) {
            (Role::Feature, Holds::Integer | Holds::Number | Holds::Boolean) => {
                let _ = writeln!(text, "  {name}: {{expression: {}{missing}}}", quoted(&format!("`{}`", column.name)));
            }
            (Role::Feature, _) if column.missing > 0 => {
                let _ = writeln!(text, "  # {name} is text that may be missing: encode it if a missing value has a meaning");
            }
            (Role::Feature, _) => {
                let encode = if column.distinct() <= MOST_COLUMNS { "one_hot" } else { "frequency" };
                let _ = writeln!(text, "  {name}: {{encode: {encode}, of: {name}}}");
            }
            (Role::Time, _) if column.missing == 0 => {
                for cyclic in ["sine", "cosine"] {
                    let feature = quoted(&format!("{} hour {cyclic}", column.name));
                    let _ = writeln!(text, "  {feature}: {{calendar: hour, of: {name}, cyclic: {cyclic}}}");
                }
            }
            (Role::Id | Role::Entity | Role::Time | Role::Label, _) => {}
            (Role::Unused, _) => {
                let _ = writeln!(text, "  # {name} is left out: {}", seen(column));
            }
        }
    }
    text.push('\n');
}

fn detectors(text: &mut String, plugins: &[Found]) {
    *text += "detectors:\n";
    let (alone, together): (Vec<&Found>, Vec<&Found>) = plugins.iter().partition(|plugin| plugin.description.univariate);
    // Where there is nothing else, they are better than nothing.
    let (chosen, others) = if together.is_empty() { (alone, together) } else { (together, alone) };
    chosen.into_iter().for_each(|plugin| *text += &detector(plugin));
    if !others.is_empty() {
        *text += "  # These look at each feature by itself. That is often the best for a single telling feature, and blind to rows whose features are\n  \
                  # ordinary one by one and wrong together: take them in if `synod evaluate` says so.\n";
        let commented = |plugin: &Found| detector(plugin).lines().fold(String::new(), |all, line| all + "  # " + &line[2..] + "\n");
        others.into_iter().for_each(|plugin| *text += &commented(plugin));
    }
    text.push('\n');
}

fn detector(plugin: &Found) -> String {
    let scale = if plugin.description.scaling { "\n    scale: standard" } else { "" };
    let name = plugin.file.replace('-', "_").to_lowercase();
    format!("  {name}:   # {}\n    plugin: {}{scale}\n", plugin.description.summary, quoted(&plugin.file))
}

/// A name as YAML: plain where that is safe, else in quotes.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.');
    let word = name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    let reserved = matches!(name.to_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n");
    if word && !reserved { name.to_owned() } else { serde_json::to_string(name).unwrap_or_default() }
}
