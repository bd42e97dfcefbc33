//! Models from elsewhere, as the JSON that `scripts/export-model.py` writes: [`read`] makes a value of bytes that nobody vouches for, or an
//! error that names the field. [`Scaling`] is what a pipeline does to a row before its model sees it.
//!
//! What all such files have in common: `format` and `version`, which [`read`] checks first; `source`, a note for people; `features`, the
//! columns as they were called where the model was fitted; and `scaling`. The rest is the detector's.

mod scaling;

pub use scaling::Scaling;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use synod_sdk::{Error, Training};

/// The version of the files that is read.
pub const VERSION: u64 = 1;

/// Most bytes of a file.
pub const MOST_BYTES: usize = 192 << 20;

/// Most values of a file, numbers or others: what is made of it stays within the memory that a fit has.
pub const MOST_VALUES: usize = 1 << 24;

/// What is looked at before anything else.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

/// Reads a file of this format.
///
/// # Errors
/// When it is too large, no JSON, of another format or version, or not a `T`: in words that name the field.
pub fn read<T: DeserializeOwned>(format: &str, bytes: &[u8]) -> Result<T, Error> {
    // Each value but the first of a list or an object stands behind a comma.
    let values = bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if bytes.len() > MOST_BYTES || values > MOST_VALUES {
        let bound = format!("at most {MOST_BYTES} bytes and {MOST_VALUES} values can be read");
        return Err(refused(&format!("{} bytes with about {values} values: {bound}", bytes.len())));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(refused("it is no JSON object"));
    }
    let head: Head = parse(bytes)?;
    if head.format != format {
        return Err(refused(&format!("format: {:?}, and {format:?} is read here", shortened(&head.format))));
    }
    if head.version != VERSION {
        return Err(refused(&format!("version: {}, and {VERSION} is read here: export the model again", head.version)));
    }
    parse(bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let place = if field == "." { String::new() } else { format!("{field}: ") };
        refused(&format!("{}{}", shortened(&place), shortened(&error.into_inner().to_string())))
    })?;
    json.end().map_err(|error| refused(&error.to_string()))?;
    Ok(value)
}

/// Words of a file that go into a message.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    if text.chars().count() <= LONGEST { text.to_owned() } else { text.chars().take(LONGEST).chain(['…']).collect() }
}

/// The error that a file cannot be used.
pub fn refused(why: &str) -> Error {
    Error::Artifact(format!("the model from elsewhere cannot be used: {why}"))
}

/// A note for people, of any kind, that changes nothing.
pub type Note = Option<IgnoredAny>;

/// Holds the columns of the configuration against those of a file.
///
/// # Errors
/// When there are more or fewer, when they are the file's in another order, or when one holds the codes of categories.
pub fn check_features(width: usize, names: Option<&[String]>, training: &Training<'_>) -> Result<(), Error> {
    let own: Vec<&str> = training.features.iter().map(|feature| feature.name.as_str()).collect();
    let columns = training.rows.ncols();
    if names.is_some_and(|names| names.len() != width) {
        return Err(refused(&format!("features: {} names for {width} features", names.map_or(0, <[String]>::len))));
    }
    if columns != width {
        let whose = names.map_or_else(String::new, |names| format!(": {}", shortened(&names.join(", "))));
        return Err(refused(&format!("it has {width} features{whose}; the detector sees {columns}: name the same in `features`")));
    }
    if let Some(feature) = training.features.iter().find(|feature| feature.categories > 0) {
        let mend = "encode it as the model's own data was, for instance `one_hot`";
        return Err(refused(&format!("feature {}: codes of categories, where the model expects a number: {mend}", feature.name)));
    }
    let Some(names) = names.filter(|_| own.len() == width) else { return Ok(()) };
    let Some(place) = (0..width).find(|place| names[*place] != own[*place]) else { return Ok(()) };
    if names.iter().all(|name| own.contains(&name.as_str())) {
        let order = shortened(&names.join(", "));
        return Err(refused(&format!("features: its order is {order}: write them in this order, not {}", own.join(", "))));
    }
    let (theirs, own) = (shortened(&names[place]), own[place]);
    synod_sdk::log::warn(&format!("feature {} is called {own} here and {theirs} in the model from elsewhere: is it the same?", place + 1));
    Ok(())
}

/// Refuses parameters beside a file, which has all that they could say.
///
/// # Errors
/// When the configuration sets one.
pub fn check_parameters(training: &Training<'_>) -> Result<(), Error> {
    if training.given.is_empty() {
        return Ok(());
    }
    let names = training.given.join(", ");
    Err(Error::Parameters(format!("{names}: with `artifact` the model is what its file says: leave out all `parameters`")))
}

#[cfg(test)]
mod tests;
