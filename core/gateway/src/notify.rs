//! `synod notify`: a small receiver for Alertmanager's webhook that passes alerts on to what Alertmanager cannot call itself: SMS by Twilio, any
//! gateway that takes JSON, Microsoft Teams. It keeps nothing on disk. Whatever cannot be sent is answered with an error, so that Alertmanager
//! sends it again; who has it by then does not get it twice.

mod channel;
mod json;
mod memory;
mod message;
mod receiver;
mod segments;
mod serving;
mod teams;
mod twilio;
mod webhook;

pub use json::Template;
pub use serving::serve;

use crate::config::Level;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use url::Url;

/// What `synod notify` does; `config/notify.yaml` documents each key.
#[derive(Debug, Clone)]
pub struct NotifyConfig {
    /// Where Alertmanager calls.
    pub listen: SocketAddr,
    /// The file of the token that it has to show.
    pub token_file: Option<PathBuf>,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// What certificates are verified with; the system's roots if there is none.
    pub root: Option<PathBuf>,
    /// What is called through, if anything is.
    pub proxy: Option<Url>,
    /// Who can be notified.
    pub receivers: Vec<ReceiverConfig>,
    /// The least important log lines that are written.
    pub level: Level,
}

/// Somebody, or several, who are notified together.
#[derive(Debug, Clone)]
pub struct ReceiverConfig {
    /// What a webhook's URL names.
    pub name: String,
    /// How they are reached.
    pub channel: ChannelConfig,
    /// So many messages …
    pub messages: u32,
    /// … in this time.
    pub per: Duration,
    /// Alerts that a message names; the others are counted.
    pub alerts: usize,
    /// The most parts of a text message.
    pub segments: usize,
}

/// How somebody is reached.
#[derive(Debug, Clone)]
pub enum ChannelConfig {
    /// SMS by Twilio.
    Twilio(TwilioConfig),
    /// A gateway that takes JSON.
    Json(JsonConfig),
    /// A channel or chat of Microsoft Teams, by the file of its workflow's URL.
    Teams(PathBuf),
}

/// An account at Twilio.
#[derive(Debug, Clone)]
pub struct TwilioConfig {
    /// Where its API is.
    pub url: Url,
    /// The account's SID.
    pub account: String,
    /// Who signs in: the account, or an API key.
    pub user: String,
    /// The file of the token or of the key's secret.
    pub token_file: PathBuf,
    /// Who sends.
    pub sender: TwilioSender,
    /// Who gets it.
    pub to: Vec<String>,
}

/// Who sends an SMS.
#[derive(Debug, Clone)]
pub enum TwilioSender {
    /// A number or a name.
    From(String),
    /// A messaging service, by its SID.
    Service(String),
}

/// A gateway that takes JSON.
#[derive(Debug, Clone)]
pub struct JsonConfig {
    /// `POST` or `PUT`.
    pub method: reqwest::Method,
    /// Where it is.
    pub url: Url,
    /// Headers, by name.
    pub headers: Vec<(String, String)>,
    /// Headers whose values are in files.
    pub header_files: Vec<(String, PathBuf)>,
    /// What it is sent.
    pub body: Template,
    /// Who gets it, if the body says to whom.
    pub to: Vec<String>,
}

/// Why nobody can be notified.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// A file of a secret.
    #[error("{key}: {text}")]
    Secret {
        /// Its key.
        key: String,
        /// What is wrong.
        text: String,
    },
    /// The client for HTTPS.
    #[error("root")]
    Client(#[from] crate::calling::ClientMistake),
    /// The listener.
    #[error("listen: cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system has no threads or signals.
    #[error("the system refuses: {0}")]
    System(#[source] std::io::Error),
}
