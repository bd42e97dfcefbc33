//! The declaration of levels: as it is written, and checked.

use super::indicator::{Indicator, IndicatorMistake, IndicatorText};
use crate::rules::Severity;
use serde::Deserialize;
use std::fmt;

/// The version of the file that is understood.
const VERSION: u32 = 1;

/// Service levels and limits, checked.
#[derive(Debug, Clone)]
pub struct Levels {
    /// The job of the targets.
    pub job: String,
    /// The levels.
    pub(in crate::rules) levels: Vec<Level>,
    /// The limits of other alerts.
    pub limits: Limits,
}

/// A service level.
#[derive(Debug, Clone)]
pub(in crate::rules) struct Level {
    pub name: String,
    pub meaning: String,
    /// What is said of the errors, after their share.
    pub missed: String,
    pub objective: f64,
    /// The window.
    pub days: f64,
    /// Fewest errors that an alert rests on.
    pub minimum: u32,
    pub severity: Severities,
    pub indicator: Indicator,
}

/// How much an alert of each speed matters.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::rules) struct Severities {
    pub fast: Severity,
    pub slow: Severity,
}

/// Limits of alerts that are no levels.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The share of `block` among verdicts.
    pub block_share: f64,
    /// Standard deviations that the share of anomalous verdicts may be away from its mean.
    pub anomaly_deviations: f64,
    /// Population stability index.
    pub stability_index: f64,
    /// Fewest rows that it rests on.
    pub stability_rows: u32,
    /// Seconds that a sink may be behind.
    pub sink_age: u32,
}

/// Why levels cannot be used.
#[derive(Debug)]
pub enum LevelsMistake {
    /// The file is no YAML, or has other keys.
    Unreadable(Box<serde_saphyr::Error>),
    /// A value does not do.
    Value {
        /// Its key.
        key: String,
        /// What it has to be.
        wanted: String,
    },
}

impl fmt::Display for LevelsMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "{error}"),
            Self::Value { key, wanted } => write!(f, "{key}: {wanted}"),
        }
    }
}

impl std::error::Error for LevelsMistake {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    version: u32,
    job: String,
    levels: Vec<LevelText>,
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelText {
    name: String,
    meaning: String,
    missed: String,
    objective: f64,
    window: String,
    minimum: u32,
    severity: Severities,
    indicator: IndicatorText,
}

impl Levels {
    /// Reads the text of a declaration.
    ///
    /// # Errors
    /// If it cannot be read, or a value does not do; the key is named.
    pub fn read(text: &str) -> Result<Self, LevelsMistake> {
        let text: Text = serde_saphyr::from_str(text).map_err(|error| LevelsMistake::Unreadable(Box::new(error)))?;
        check("version", text.version == VERSION, "1")?;
        let plain = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        check("job", plain(&text.job), "letters, digits, `-`, `_` and `.`")?;
        check("limits.block_share", (0.0..1.0).contains(&text.limits.block_share), "from 0 to below 1")?;
        let levels = text.levels.into_iter().map(checked).collect::<Result<_, _>>()?;
        Ok(Self { job: text.job, levels, limits: text.limits })
    }
}

fn checked(text: LevelText) -> Result<Level, LevelsMistake> {
    let key = |field: &str| format!("levels[{}].{field}", text.name);
    check(&key("name"), !text.name.is_empty() && text.name.bytes().all(|byte| byte.is_ascii_lowercase()), "a word in small letters")?;
    check(&key("objective"), text.objective > 0.5 && text.objective < 1.0, "a share above 0.5 and below 1, as 0.999")?;
    let days = text.window.strip_suffix('d').and_then(|days| days.parse::<u16>().ok()).filter(|days| (7..=90).contains(days));
    let Some(days) = days else { return Err(mistake(&key("window"), "7d to 90d")) };
    check(&key("minimum"), text.minimum > 0, "at least 1")?;
    let indicator = Indicator::checked(text.indicator).map_err(|IndicatorMistake { field, wanted }| mistake(&key(field), &wanted))?;
    let (days, severity) = (f64::from(days), text.severity);
    Ok(Level {
        name: text.name,
        meaning: text.meaning,
        missed: text.missed,
        objective: text.objective,
        days,
        minimum: text.minimum,
        severity,
        indicator,
    })
}

fn check(key: &str, holds: bool, wanted: &str) -> Result<(), LevelsMistake> {
    if holds { Ok(()) } else { Err(mistake(key, wanted)) }
}

fn mistake(key: &str, wanted: &str) -> LevelsMistake {
    LevelsMistake::Value { key: key.to_owned(), wanted: wanted.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../levels.yaml");

    #[test]
    fn mistakes_name_the_key_and_the_mend() {
        let cases = [
            ("version: 1", "version: 2", "version: 1"),
            ("objective: 0.999", "objective: 99.9", "levels[availability].objective: a share above 0.5"),
            ("window: 30d", "window: 30h", "levels[availability].window: 7d to 90d"),
            ("events: synod_http_requests,", "events: synod_http_request,", "levels[availability].indicator.events: there is no metric"),
            ("'status=~\"5..\"'", "'state=~\"5..\"'", "levels[availability].indicator.errors: synod_http_requests has no label `state`"),
            ("within: 0.1", "within: 0.15", "levels[latency].indicator.within: a bound"),
            ("within: 0.1", "within: 1.0", "levels[latency].indicator.within: a bound"),
            ("by: [detector]", "by: [route]", "levels[votes].indicator.by: synod_detector_votes has no label `route`"),
            ("routes: scoring", "routes: none", "levels[latency].indicator.routes: clients or scoring"),
            ("minimum: 5", "minimal: 5", "minimal"),
        ];
        assert!(Levels::read(SHIPPED).is_ok());
        for (right, wrong, told) in cases {
            let text = SHIPPED.replacen(right, wrong, 1);
            assert_ne!(text, SHIPPED, "{right} is not in the file");
            let mistake = Levels::read(&text).map(|_| ()).unwrap_err().to_string();
            assert!(mistake.contains(told), "{wrong}: {mistake}");
        }
    }
}
