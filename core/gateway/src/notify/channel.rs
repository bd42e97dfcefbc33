//! A way to reach somebody.

use super::json::Json;
use super::teams::Teams;
use super::twilio::Twilio;
use super::webhook::Notification;
use super::{ChannelConfig, NotifyError, ReceiverConfig};
use crate::calling::{CallError, Received, SecretFile};
use crate::listening::chain;
use reqwest::{Client, RequestBuilder};
use std::path::Path;
use std::time::Duration;

/// Why a message was not sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// It may be later, not before this time has passed, if it says so.
    Again(String, Option<Duration>),
    /// It never will be as it is.
    Never(String),
}

/// What is made of a notification for one recipient.
#[derive(Debug)]
pub(super) struct Letter {
    /// What goes out.
    pub(super) request: RequestBuilder,
    /// The same for people, with nothing secret.
    pub(super) shown: serde_json::Value,
}

/// A way to reach somebody.
#[derive(Debug)]
pub(super) enum Channel {
    Twilio(Twilio),
    Json(Json),
    Teams(Teams),
}

impl Channel {
    /// Opens the way of a receiver.
    pub(super) fn open(config: &ReceiverConfig, client: &Client) -> Result<Self, NotifyError> {
        let key = format!("receivers.{}", config.name);
        Ok(match &config.channel {
            ChannelConfig::Twilio(twilio) => Self::Twilio(Twilio::open(twilio, &key, client)?),
            ChannelConfig::Json(json) => Self::Json(Json::open(json, &key, client)?),
            ChannelConfig::Teams(url) => Self::Teams(Teams::open(url, &key, client)?),
        })
    }

    /// Who is reached; one without a name where there are no several.
    pub(super) fn recipients(&self) -> &[String] {
        static ONE: [String; 1] = [String::new()];
        let named: &[String] = match self {
            Self::Twilio(twilio) => &twilio.config.to,
            Self::Json(json) => &json.config.to,
            Self::Teams(_) => &[],
        };
        if named.is_empty() { &ONE } else { named }
    }

    /// What is sent to one of them.
    pub(super) fn letter(&self, to: &str, notification: &Notification, config: &ReceiverConfig) -> Result<Letter, Unsent> {
        match self {
            Self::Twilio(twilio) => Ok(twilio.letter(to, notification, config)),
            Self::Json(json) => Ok(json.letter(to, notification, config)),
            Self::Teams(teams) => teams.letter(notification, config),
        }
    }

    /// What came of it, by the answer.
    pub(super) fn outcome(&self, answer: Result<Received, CallError>) -> Result<(), Unsent> {
        let received = answer.map_err(|error| Unsent::Again(chain(&error), None))?;
        let detail = match self {
            Self::Twilio(_) => super::twilio::error_code(&received.body).map_or_else(String::new, |code| format!(" and error {code}")),
            Self::Json(_) | Self::Teams(_) => String::new(),
        };
        let reason = format!("it answered with status {}{detail}", received.status);
        match received.status {
            200..=299 => Ok(()),
            408 | 425 | 429 | 500.. => Err(Unsent::Again(reason, received.retry_after)),
            _ => Err(Unsent::Never(reason)),
        }
    }
}

/// The secret of a key.
pub(super) fn secret(key: String, path: &Path) -> Result<SecretFile, NotifyError> {
    SecretFile::open(path).map_err(|error| NotifyError::Secret { key, text: chain(&error) })
}
