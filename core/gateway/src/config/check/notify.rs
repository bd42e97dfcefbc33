//! The configuration of `synod notify`.

use super::alerts::{span, url};
use super::{Checker, is_name};
use crate::config::located::{Located, Mistake};
use crate::config::notify::{Json, Receiver, Teams, Text, Twilio};
use crate::config::units;
use crate::notify::{ChannelConfig, JsonConfig, NotifyConfig, ReceiverConfig, Template, TwilioConfig, TwilioSender};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

/// The most recipients of a receiver.
const MOST_RECIPIENTS: usize = 100;

pub(in crate::config) fn check(text: &Text, folder: &Path, located: &Located, mistakes: &mut Vec<Mistake>) -> NotifyConfig {
    let mut checker = Checker { located, mistakes };
    let at = &mut checker;
    at.version(text.version);
    let listen = listen(at, text);
    if text.receivers.is_empty() {
        at.mistake("receivers", "there are none: say who is notified, as in `sms: {twilio: …}`");
    }
    let timeout = span(at, "timeout", &text.timeout, Duration::from_millis(10), Duration::from_secs(60));
    NotifyConfig {
        listen,
        token_file: text.token_file.as_ref().map(|path| folder.join(path)),
        timeout,
        root: text.root.as_ref().map(|path| folder.join(path)),
        proxy: text.proxy.as_ref().and_then(|proxy| at.taken("proxy", url(proxy).map(Some), None)),
        receivers: text.receivers.iter().filter_map(|(name, text)| receiver(at, name, text, folder)).collect(),
        level: text.logging.level,
    }
}

fn listen(at: &mut Checker<'_>, text: &Text) -> SocketAddr {
    let usual = SocketAddr::from(([127, 0, 0, 1], 9095));
    let parsed = text.listen.parse::<SocketAddr>();
    let listen = at.taken("listen", parsed.map_err(|_| format!("`{}` is no address as 127.0.0.1:9095", text.listen)), usual);
    if !listen.ip().is_loopback() && text.token_file.is_none() {
        at.mistake(
            "token_file",
            format!("is missing: anybody who reaches {listen} could send messages; it may be left out on a loopback address"),
        );
    }
    listen
}

fn receiver(at: &mut Checker<'_>, name: &str, text: &Receiver, folder: &Path) -> Option<ReceiverConfig> {
    let key = format!("receivers.{name}");
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(letters) {
        at.mistake(&key, "a receiver's name has 1 to 64 lower-case letters, digits, `_` and `-`: it stands in a URL");
    }
    at.within(&format!("{key}.alerts"), text.alerts as f64, 1.0, 100.0, "a number from 1 to 100");
    at.within(&format!("{key}.segments"), text.segments as f64, 1.0, 10.0, "a number from 1 to 10");
    let (messages, per) = at.taken(&format!("{key}.messages"), units::rate(&text.messages), (1, Duration::from_secs(60)));
    let channel = match (&text.twilio, &text.json, &text.teams) {
        (Some(text), None, None) => twilio(at, &format!("{key}.twilio"), text, folder).map(ChannelConfig::Twilio),
        (None, Some(text), None) => json(at, &format!("{key}.json"), text, folder).map(ChannelConfig::Json),
        (None, None, Some(text)) => Some(ChannelConfig::Teams(teams(at, &format!("{key}.teams"), text, folder))),
        _ => {
            at.mistake(&key, "needs exactly one of `twilio`, `json` and `teams`");
            None
        }
    };
    Some(ReceiverConfig { name: name.to_owned(), channel: channel?, messages, per, alerts: text.alerts, segments: text.segments })
}

fn twilio(at: &mut Checker<'_>, key: &str, text: &Twilio, folder: &Path) -> Option<TwilioConfig> {
    let is_sid =
        |text: &str, kind: &str| text.starts_with(kind) && text.len() == 34 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_sid(&text.account, "AC") {
        at.mistake(&format!("{key}.account"), "is missing: the account's SID, AC and 32 digits");
    }
    if text.key.as_ref().is_some_and(|text| !is_sid(text, "SK")) {
        at.mistake(&format!("{key}.key"), "is no SID of an API key, SK and 32 digits");
    }
    let sender = match (&text.from, &text.messaging_service) {
        (Some(from), None) if is_sender(from) => Some(TwilioSender::From(from.clone())),
        (Some(_), None) => {
            at.mistake(&format!("{key}.from"), "is neither a number as '+15005550006' nor a name of at most 11 letters and digits");
            None
        }
        (None, Some(service)) if is_sid(service, "MG") => Some(TwilioSender::Service(service.clone())),
        (None, Some(_)) => {
            at.mistake(&format!("{key}.messaging_service"), "is no SID of a messaging service, MG and 32 digits");
            None
        }
        _ => {
            at.mistake(key, "needs either `from` or `messaging_service`: who sends");
            None
        }
    };
    recipients(at, key, &text.to);
    for (index, to) in text.to.iter().enumerate().filter(|(_, to)| !is_number(to.rsplit(':').next().unwrap_or_default())) {
        at.mistake(&format!("{key}.to[{index}]"), format!("`{to}` is no number as '+491701234567'"));
    }
    Some(TwilioConfig {
        url: at.taken(&format!("{key}.url"), url(&text.url).map(Some), None)?,
        account: text.account.clone(),
        user: text.key.clone().unwrap_or_else(|| text.account.clone()),
        token_file: file(at, &format!("{key}.token_file"), &text.token_file, "with the account's token or the key's secret", folder),
        sender: sender?,
        to: text.to.clone(),
    })
}

/// E.164.
fn is_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A number, one of those short ones, or a name; on another channel than SMS with that before it.
fn is_sender(text: &str) -> bool {
    let name = (1..=11).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -_+&".contains(&byte));
    is_number(text) || (name && !text.starts_with('+')) || text.split_once(':').is_some_and(|(_, number)| is_number(number))
}

fn json(at: &mut Checker<'_>, key: &str, text: &Json, folder: &Path) -> Option<JsonConfig> {
    let method = match text.method.as_str() {
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        other => {
            at.mistake(&format!("{key}.method"), format!("`{other}` is neither POST nor PUT"));
            Method::POST
        }
    };
    for (name, value) in &text.headers {
        if name.parse::<HeaderName>().is_err() || HeaderValue::from_str(value).is_err() {
            at.mistake(&format!("{key}.headers.{name}"), "is no header");
        }
    }
    for name in text.header_files.keys().filter(|name| name.parse::<HeaderName>().is_err()) {
        at.mistake(&format!("{key}.header_files.{name}"), "is no header's name");
    }
    let body = match &text.body {
        Value::Null => Err("is missing: what is sent, as in `{to: '{to}', text: '{text}'}`".to_owned()),
        body => Template::new(body.clone()),
    };
    let body = at.taken(&format!("{key}.body"), body.map(Some), None);
    if let Some(body) = &body {
        match (body.names_recipient(), text.to.is_empty()) {
            (true, true) => at.mistake(&format!("{key}.to"), "is missing: the body has {to}"),
            (false, false) => at.mistake(&format!("{key}.to"), "is of no use: the body has no {to}"),
            _ => {}
        }
    }
    if !text.to.is_empty() {
        recipients(at, key, &text.to);
    }
    let target = Url::parse(&text.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let target = target.filter(|url| url.username().is_empty() && url.password().is_none());
    Some(JsonConfig {
        method,
        url: at.taken(&format!("{key}.url"), target.map(Some).ok_or("is missing, or no https:// URL without a password"), None)?,
        headers: text.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        header_files: text.header_files.iter().map(|(name, path)| (name.clone(), folder.join(path))).collect(),
        body: body?,
        to: text.to.clone(),
    })
}

fn teams(at: &mut Checker<'_>, key: &str, text: &Teams, folder: &Path) -> PathBuf {
    file(at, &format!("{key}.url_file"), &text.url_file, "with the URL of the workflow's webhook", folder)
}

fn file(at: &mut Checker<'_>, key: &str, path: &str, what: &str, folder: &Path) -> PathBuf {
    if path.is_empty() {
        at.mistake(key, format!("is missing: a file {what} in one line"));
    }
    folder.join(path)
}

fn recipients(at: &mut Checker<'_>, key: &str, to: &[String]) {
    let key = format!("{key}.to");
    if to.is_empty() {
        at.mistake(&key, "there is nobody: name whom to notify");
    }
    at.within(&key, to.len() as f64, 0.0, MOST_RECIPIENTS as f64, "a number of recipients up to 100");
    for (index, name) in to.iter().enumerate() {
        if !is_name(name) || to[..index].contains(name) {
            at.mistake(&format!("{key}[{index}]"), "is empty, or stands there twice");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::notify::read;
    use std::path::Path;

    fn mistakes(receiver: &str, more: &str) -> Vec<String> {
        let text = format!("version: 1\n{more}receivers:\n  one: {receiver}\n");
        let found = read(&text, Path::new("/etc")).map(|_| ()).err().unwrap_or_default();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn receivers_are_checked() {
        let twilio = |more: &str| format!("{{twilio: {{account: AC{0}, token_file: t, {more}}}}}", "0".repeat(32));
        let json = |more: &str| format!("{{json: {{url: 'https://sms.example/send?a=b', {more}}}}}");
        let fine = [
            twilio("from: '+15005550006', to: ['+491701234567', 'whatsapp:+491701234568']"),
            twilio(&format!(
                "messaging_service: MG{0}, key: SK{0}, from: ~, to: ['+491701234567'], url: 'http://127.0.0.1:1'",
                "0".repeat(32)
            )),
            json("body: {text: '{text}'}, header_files: {authorization: f}, headers: {x-a: b}, method: PUT"),
            json("body: [{to: '{to}'}], to: [a, b]"),
            "{teams: {url_file: u}, messages: 100/h, alerts: 10, segments: 1}".into(),
        ];
        for receiver in &fine {
            assert_eq!(mistakes(receiver, ""), Vec::<String>::new(), "{receiver}");
        }
        for (receiver, expected) in [
            ("{}".to_owned(), "receivers.one: needs exactly one of"),
            ("{teams: {}}".into(), "receivers.one.teams.url_file: is missing"),
            ("{teams: {url_file: u}, alerts: 0}".into(), "receivers.one.alerts: 0 is not a number"),
            ("{teams: {url_file: u}, messages: many}".into(), "receivers.one.messages: `many` is no rate"),
            ("{twilio: {}}".into(), "receivers.one.twilio.account: is missing"),
            (twilio("to: ['+491701234567']"), "receivers.one.twilio: needs either `from` or"),
            (twilio("from: 'A name that is long', to: ['+491701234567']"), "receivers.one.twilio.from: is neither"),
            (twilio("from: Synod, to: ['0170123']"), "receivers.one.twilio.to[0]: `0170123` is no number"),
            (twilio("from: Synod, to: ['+491701234567', '+491701234567']"), "receivers.one.twilio.to[1]: is empty, or"),
            (twilio("from: Synod"), "receivers.one.twilio.to: there is nobody"),
            (json("body: {text: '{txt}'}"), "receivers.one.json.body: `{txt}`: a brace begins one of"),
            (json("method: GET, body: a"), "receivers.one.json.method: `GET` is neither"),
            (json("to: [a], body: a"), "receivers.one.json.to: is of no use"),
            (json("body: '{to}'"), "receivers.one.json.to: is missing: the body has {to}"),
            (json("headers: {'a b': c}, body: a"), "receivers.one.json.headers.a b: is no header"),
            ("{json: {body: a}}".into(), "receivers.one.json.url: is missing"),
        ] {
            let found = mistakes(&receiver, "");
            assert!(found.iter().any(|mistake| mistake.contains(expected)), "{expected} in {found:#?}");
        }
        let found = mistakes(&fine[4], "listen: 0.0.0.0:9095\n");
        assert!(found[0].contains("token_file: is missing: anybody who reaches 0.0.0.0:9095"), "{found:?}");
        assert_eq!(mistakes(&fine[4], "listen: 0.0.0.0:9095\ntoken_file: t\n"), Vec::<String>::new());
    }
}
