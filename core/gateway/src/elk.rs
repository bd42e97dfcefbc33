//! What Elasticsearch and Kibana are set up with for the documents that Synod ships, as `synod elk` makes it, checks it and mends it. The objects
//! themselves are the files in `elk/`, which are built into the binary; here is how they get to a server, in an order in which each finds what it
//! needs, and how what is there is compared with them.

mod comparing;
mod embedded;
mod installing;
mod kibana;
mod plan;
mod redelivering;
mod server;
mod shipper_key;

pub(crate) use installing::{Mode, Outcome, Setup, Step};
pub(crate) use kibana::Kibana;
pub(crate) use plan::{STREAMS, Wishes};
pub(crate) use redelivering::{Redelivered, Redelivery};
pub(crate) use server::{Credential, Server};

use crate::calling::{CallError, ClientMistake, SecretMistake};
use std::path::PathBuf;
use thiserror::Error;

/// Why something is not as it should be at Elasticsearch or Kibana.
#[derive(Debug, Error)]
pub(crate) enum ElkError {
    /// Nobody can be called there.
    #[error("`{url}` is no address of a server: write for instance https://elasticsearch.example:9200, without a name and a password")]
    Url {
        /// What was written.
        url: String,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Roots(#[from] ClientMistake),
    /// The client cannot be made.
    #[error("cannot make a client for Elasticsearch")]
    Client(#[source] elasticsearch::Error),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretMistake),
    /// The file holds something else.
    #[error("{} holds no API key; it is written as Elasticsearch gives it out in `encoded`: base64 of its id, a colon and its secret", path.display())]
    NoApiKey {
        /// The file.
        path: PathBuf,
    },
    /// No server answers.
    #[error("{server} cannot be reached")]
    Unreachable {
        /// Which.
        server: String,
        /// Why not.
        source: elasticsearch::Error,
    },
    /// Kibana does not answer.
    #[error("Kibana at {server}")]
    Kibana {
        /// Where.
        server: String,
        /// Why not.
        source: CallError,
    },
    /// The server does not want it.
    #[error("{what} is refused with status {status}: {reason}")]
    Refused {
        /// What.
        what: String,
        /// The status.
        status: u16,
        /// The server's reason.
        reason: String,
    },
    /// The answer is none.
    #[error("{what} is answered by something that is no Elasticsearch or Kibana: {answer}")]
    Strange {
        /// What was asked.
        what: String,
        /// How the answer begins.
        answer: String,
    },
    /// The file of the key cannot be written.
    #[error("cannot write {}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}
