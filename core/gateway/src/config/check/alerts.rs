//! The section `alerts`.

use super::{Checker, is_name};
use crate::config::text::{self, Durability, Text};
use crate::config::units;
use crate::kibana::Kibana;
use crate::sinks::alertmanager::{AlertRule, AlertsConfig, Credential, OWN_LABELS};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use synod_detection::Outcome;
use url::Url;

/// The most Alertmanagers, rules, and labels of a rule.
const MOST: usize = 16;
/// The longest severity or label.
const LONGEST: usize = 100;

pub(super) fn alerts(at: &mut Checker<'_>, whole: &Text, folder: &Path, kibana: Option<&Kibana>) -> Option<AlertsConfig> {
    let text = &whole.alerts;
    let alertmanagers = alertmanagers(at, text);
    let credential = credential(at, text, folder);
    let rules = text.rules.iter().enumerate().map(|(index, rule)| self::rule(at, whole, index, rule)).collect();
    at.within("alerts.rules", text.rules.len() as f64, 0.0, MOST as f64, "a number of rules up to 16");
    let expires = span(at, "alerts.expires", &text.expires, Duration::from_secs(1), Duration::from_hours(7 * 24));
    let timeout = span(at, "alerts.timeout", &text.timeout, Duration::from_millis(10), Duration::from_secs(60));
    let (maximum, per) = at.taken("alerts.maximum", units::rate(&text.maximum), (1, Duration::from_secs(60)));
    let console = text.console.as_ref().and_then(|console| at.taken("alerts.console", url(console).map(Some), None));
    if text.alertmanagers.is_empty() {
        return None;
    }
    if text.rules.is_empty() {
        at.mistake("alerts.rules", "there are none: say which decisions become alerts, as in `{outcome: block, severity: critical}`");
    }
    if whole.decisions.durability == Durability::None {
        at.mistake("alerts.alertmanagers", "alerts are made of stored decisions: `decisions.durability` must not be `none`");
    }
    let root = text.root.as_ref().map(|path| folder.join(path));
    let kibana = kibana.cloned();
    Some(AlertsConfig { alertmanagers, credential, root, timeout, rules, expires, entity: text.entity, console, kibana, maximum, per })
}

fn alertmanagers(at: &mut Checker<'_>, text: &text::Alerts) -> Vec<Url> {
    at.within("alerts.alertmanagers", text.alertmanagers.len() as f64, 0.0, MOST as f64, "a number of Alertmanagers up to 16");
    urls(at, "alerts.alertmanagers", &text.alertmanagers)
}

/// URLs of those who are called, each named once.
pub(super) fn urls(at: &mut Checker<'_>, list: &str, texts: &[String]) -> Vec<Url> {
    let mut urls: Vec<Url> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let key = format!("{list}[{index}]");
        match at.taken(&key, url(text).map(Some), None) {
            Some(url) if urls.contains(&url) => at.mistake(&key, format!("`{text}` is named twice")),
            url => urls.extend(url),
        }
    }
    urls
}

/// A URL that the operator answers for; it may well lead to a private address.
pub(super) fn url(text: &str) -> Result<Url, String> {
    let wrong = || format!("`{text}` is no URL as http://alertmanager:9093, without a user, a password, ? and #");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let good = matches!(url.scheme(), "http" | "https") && url.has_host() && plain;
    good.then_some(url).ok_or_else(wrong)
}

fn credential(at: &mut Checker<'_>, text: &text::Alerts, folder: &Path) -> Option<Credential> {
    match (&text.basic, &text.bearer_file) {
        (Some(_), Some(_)) => {
            at.mistake("alerts.bearer_file", "give either `basic` or `bearer_file`");
            None
        }
        (Some(basic), None) => {
            let (user, file) = self::basic(at, "alerts.basic", basic, folder);
            Some(Credential::Basic(user, file))
        }
        (None, Some(file)) => Some(Credential::Bearer(folder.join(file))),
        (None, None) => None,
    }
}

/// A user with the file of a password, at this key.
pub(super) fn basic(at: &mut Checker<'_>, key: &str, text: &text::AlertsBasic, folder: &Path) -> (String, PathBuf) {
    if text.user.is_empty() || text.user.contains([':', '\n']) {
        at.mistake(&format!("{key}.user"), "is missing, or holds a colon");
    }
    if text.password_file.is_empty() {
        at.mistake(&format!("{key}.password_file"), "is missing: a file with the password in one line");
    }
    (text.user.clone(), folder.join(&text.password_file))
}

fn rule(at: &mut Checker<'_>, whole: &Text, index: usize, text: &text::AlertRule) -> AlertRule {
    let key = format!("alerts.rules[{index}]");
    match text.outcome {
        Some(Outcome::Approve) => at.mistake(&format!("{key}.outcome"), "`approve` is no anomaly: use `review` or `block`"),
        Some(Outcome::Block) if whole.outcomes.block.is_none() && whole.consensus.on_missing != Outcome::Block => {
            at.mistake(&format!("{key}.outcome"), "nothing is ever blocked: set `outcomes.block`");
        }
        _ => {}
    }
    at.within(&format!("{key}.minimum_score"), text.minimum_score, 0.0, 1.0, "a score from 0 to 1");
    for (index, name) in text.detectors.iter().enumerate() {
        if !whole.detectors.contains_key(name) {
            at.mistake(&format!("{key}.detectors[{index}]"), format!("there is no detector `{name}`"));
        }
    }
    if !is_name(&text.severity) || text.severity.len() > LONGEST {
        at.mistake(&format!("{key}.severity"), "is missing: what Alertmanager routes by, as `critical` or `warning`");
    }
    AlertRule {
        outcome: text.outcome,
        minimum_score: text.minimum_score,
        detectors: text.detectors.clone(),
        severity: text.severity.clone(),
        labels: labels(at, &key, text),
    }
}

fn labels(at: &mut Checker<'_>, key: &str, text: &text::AlertRule) -> BTreeMap<String, String> {
    at.within(&format!("{key}.labels"), text.labels.len() as f64, 0.0, MOST as f64, "a number of labels up to 16");
    for (name, value) in &text.labels {
        let key = format!("{key}.labels.{name}");
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(letters) && !name.starts_with("__");
        match () {
            () if OWN_LABELS.contains(&name.as_str()) => at.mistake(&key, "is a label that every alert has"),
            () if !good || name.len() > LONGEST => {
                at.mistake(&key, "a label's name has letters, digits and `_`, and does not begin with a digit")
            }
            () if !is_name(value) || value.len() > LONGEST => at.mistake(&key, "a label has 1 to 100 bytes, without blanks at its ends"),
            () => {}
        }
    }
    text.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

pub(super) fn span(at: &mut Checker<'_>, key: &str, text: &str, least: Duration, most: Duration) -> Duration {
    let span = at.taken(key, units::duration(text), least);
    if span < least || span > most {
        at.mistake(key, format!("`{text}` is not from {least:?} to {most:?}"));
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    fn mistakes(alerts: &str, more: &str) -> Vec<String> {
        let text = format!(
            "version: 1\nalerts: {alerts}\nschema: {{fields: {{a: {{type: number}}}}}}\ndetectors: {{one: {{plugin: one}}}}\n{more}\n"
        );
        let found = read(&text, Path::new("/etc"), Vec::new()).map(|_| ()).err().unwrap_or_default();
        found.iter().map(ToString::to_string).filter(|mistake| mistake.contains("alerts")).collect()
    }

    const RULES: &str = "rules: [{outcome: review, severity: warning}]";

    #[test]
    fn alerts_are_checked() {
        let fine = [
            "{}".to_owned(),
            format!("{{alertmanagers: ['http://a:9093', 'https://b/alertmanager'], bearer_file: token, {RULES}}}"),
            "{alertmanagers: ['http://10.0.0.1:9093'], basic: {user: synod, password_file: p}, root: ca.pem, timeout: 1s, expires: 30m, \
              entity: none, console: 'https://synod.example', maximum: 5/m, rules: [{minimum_score: 0.9, detectors: [one], severity: critical, \
              labels: {team: fraud}}]}"
                .to_owned(),
        ];
        for alerts in &fine {
            assert_eq!(mistakes(alerts, ""), Vec::<String>::new(), "{alerts}");
        }
        assert_eq!(mistakes("{alertmanagers: ['http://a'], rules: [{outcome: block, severity: x}]}", "outcomes: {block: 0.9}"), [""; 0]);
        let rule = |rule: &str| format!("{{alertmanagers: ['http://a'], rules: [{rule}]}}");
        for (alerts, expected) in [
            ("{alertmanagers: ['http://a']}".to_owned(), "alerts.rules: there are none"),
            (format!("{{alertmanagers: [a], {RULES}}}"), "alerts.alertmanagers[0]: `a` is no URL as http://alertmanager:9093"),
            (format!("{{alertmanagers: ['http://u:p@a'], {RULES}}}"), "alerts.alertmanagers[0]: `http://u:p@a` is no URL"),
            (format!("{{alertmanagers: ['http://a', 'http://a/'], {RULES}}}"), "alerts.alertmanagers[1]: `http://a/` is named twice"),
            (format!("{{basic: {{user: a, password_file: b}}, bearer_file: c, {RULES}}}"), "alerts.bearer_file: give either"),
            (format!("{{basic: {{}}, {RULES}}}"), "alerts.basic.password_file: is missing"),
            (format!("{{expires: 8d, {RULES}}}"), "alerts.expires: `8d` is not from"),
            ("{maximum: few}".into(), "alerts.maximum: `few` is no rate"),
            ("{entity: all}".into(), "alerts.entity: unknown variant"),
            ("{console: synod}".into(), "alerts.console: `synod` is no URL"),
            (rule("{severity: x, outcome: approve}"), "alerts.rules[0].outcome: `approve` is no anomaly"),
            (rule("{severity: x, outcome: block}"), "alerts.rules[0].outcome: nothing is ever blocked"),
            (rule("{outcome: review}"), "alerts.rules[0].severity: is missing"),
            (rule("{severity: x, minimum_score: 2}"), "alerts.rules[0].minimum_score: 2 is not a score"),
            (rule("{severity: x, detectors: [two]}"), "alerts.rules[0].detectors[0]: there is no detector `two`"),
            (rule("{severity: x, labels: {tenant: a}}"), "alerts.rules[0].labels.tenant: is a label that every alert has"),
            (rule("{severity: x, labels: {a-b: a}}"), "alerts.rules[0].labels.a-b: a label's name has letters"),
            (rule("{severity: x, labels: {a: ''}}"), "alerts.rules[0].labels.a: a label has 1 to 100 bytes"),
        ] {
            let found = mistakes(&alerts, "");
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} in {found:#?}");
        }
        let found = mistakes(&fine[1], "decisions: {durability: none}");
        assert!(found[0].contains("alerts.alertmanagers: alerts are made of stored decisions"), "{found:?}");
    }
}
