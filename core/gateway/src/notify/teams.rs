//! Microsoft Teams: an Adaptive Card to the webhook of a workflow.

use super::channel::{Letter, Unsent, secret};
use super::webhook::{Alert, Notification, Status};
use super::{NotifyError, ReceiverConfig};
use crate::calling::SecretFile;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use std::path::Path;
use url::Url;

/// The longest of a text in a card; a whole message may have 28 KB.
const LONGEST: usize = 500;

#[derive(Debug)]
pub(super) struct Teams {
    /// The URL is a secret: whoever has it can write there.
    url: SecretFile,
    key: String,
    client: Client,
}

impl Teams {
    pub(super) fn open(path: &Path, key: &str, client: &Client) -> Result<Self, NotifyError> {
        let key = format!("{key}.teams.url_file");
        let teams = Self { url: secret(key.clone(), path)?, key: key.clone(), client: client.clone() };
        teams.url().map_err(|text| NotifyError::Secret { key, text })?;
        Ok(teams)
    }

    fn url(&self) -> Result<Url, String> {
        let good = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        Url::parse(&self.url.text()).ok().filter(good).ok_or_else(|| "the file holds no URL that begins with https://".to_owned())
    }

    pub(super) fn letter(&self, notification: &Notification, config: &ReceiverConfig) -> Result<Letter, Unsent> {
        let url = self.url().map_err(|text| Unsent::Never(format!("{}: {text}", self.key)))?;
        let body = message(notification, config.alerts);
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string());
        Ok(Letter { request, shown: body })
    }
}

fn message(notification: &Notification, most: usize) -> Value {
    let mut body = vec![title(notification)];
    let ordered = [Status::Firing, Status::Resolved].into_iter().flat_map(|status| notification.of(status));
    body.extend(ordered.take(most).map(block));
    let others = notification.alerts.len().saturating_sub(most) + notification.truncated_alerts;
    if others > 0 {
        body.push(text(&format!("and {others} more"), json!({"isSubtle": true})));
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body,
        "msteams": {"width": "Full"}
    });
    if let Some(url) = link(&notification.external_url) {
        card["actions"] = json!([{"type": "Action.OpenUrl", "title": "Alertmanager", "url": url}]);
    }
    let attachment = json!({"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card});
    json!({"type": "message", "attachments": [attachment]})
}

fn title(notification: &Notification) -> Value {
    let (status, colour) = match notification.status {
        Status::Firing => (Status::Firing, "attention"),
        Status::Resolved => (Status::Resolved, "good"),
    };
    let severity = notification.severity();
    let severity = if severity.is_empty() { String::new() } else { format!(" ({severity})") };
    let name = notification.common_labels.get("alertname").map_or("Alerts", String::as_str);
    let title = format!("[{} {}] {name}{severity}", status.name().to_uppercase(), notification.of(status).count());
    text(&title, json!({"weight": "bolder", "size": "medium", "color": colour}))
}

/// An alert, with what can be opened about it.
fn block(alert: &Alert) -> Value {
    let mark = if alert.status == Status::Resolved { "over: " } else { "" };
    let annotation = |name: &str| alert.annotations.get(name).map(String::as_str).unwrap_or_default();
    let mut items = vec![text(&format!("{mark}{}: {}", alert.name(), alert.summary()), json!({}))];
    if !annotation("description").is_empty() && annotation("description") != alert.summary() {
        items.push(text(annotation("description"), json!({"isSubtle": true})));
    }
    let links =
        [("Source", alert.generator_url.as_str()), ("Runbook", annotation("runbook_url")), ("Dashboard", annotation("dashboard_url"))];
    let actions = links.into_iter().filter_map(|(title, url)| Some(json!({"type": "Action.OpenUrl", "title": title, "url": link(url)?})));
    let actions: Vec<Value> = actions.collect();
    if !actions.is_empty() {
        items.push(json!({"type": "ActionSet", "actions": actions}));
    }
    json!({"type": "Container", "separator": true, "items": items})
}

/// A text as it is: unlike a `TextBlock`, this makes nothing of signs that are Markdown.
fn text(text: &str, style: Value) -> Value {
    let mut run = json!({"type": "TextRun", "text": text.chars().take(LONGEST).collect::<String>()});
    if let (Some(run), Value::Object(style)) = (run.as_object_mut(), style) {
        run.extend(style);
    }
    json!({"type": "RichTextBlock", "inlines": [run]})
}

/// A URL that leads to a page, and is none that does anything else.
fn link(text: &str) -> Option<&str> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::super::webhook::tests::notification;
    use super::*;

    #[test]
    fn a_card_has_the_alerts_and_their_links() {
        let alerts = [("resolved", "C", "over"), ("firing", "A", "[x](javascript:1) **y**"), ("firing", "B", "two")];
        let card = message(&notification("firing", &alerts), 2)["attachments"][0]["content"].clone();
        let texts: Vec<&str> = card["body"].as_array().unwrap()[0..]
            .iter()
            .map(|block| block["items"][0]["inlines"][0]["text"].as_str().or(block["inlines"][0]["text"].as_str()).unwrap())
            .collect();
        assert_eq!(texts, ["[FIRING 2] Alerts (critical)", "A: [x](javascript:1) **y**", "B: two", "and 1 more"]);
        assert_eq!(card["body"][1]["items"][1]["actions"][0]["url"], "https://synod.example/x");
        assert_eq!(card["actions"][0]["url"], "http://alertmanager:9093");
        assert_eq!((link("javascript:1"), link("")), (None, None));
        assert_eq!(card["body"][0]["inlines"][0]["color"], "attention");
        let over = message(&notification("resolved", &alerts[..1]), 2);
        assert_eq!(over["attachments"][0]["content"]["body"][0]["inlines"][0]["color"], "good");
    }
}
