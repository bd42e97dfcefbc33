//! Where documents come from: what is the same in all of them.

use super::{Stream, append};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::fs;

/// The version of the Elastic Common Schema that names follow.
const ECS: &str = "9.0.0";

/// Who ships, and under which names.
#[derive(Debug, Clone)]
pub struct Origin {
    namespace: String,
    /// What stands behind the time in each document, by [`Stream::ALL`].
    heads: [Vec<u8>; 5],
}

impl Origin {
    /// Of this namespace; `service` and `node` are `service.name` and `service.node.name`. Without a node it is the host's name.
    pub fn new(namespace: &str, service: &str, node: Option<&str>) -> Self {
        let host = host();
        let node = node.unwrap_or(&host);
        let heads = Stream::ALL.map(|stream| {
            let head = json!({
                "ecs": {"version": ECS},
                "data_stream": {"type": "logs", "dataset": stream.dataset(), "namespace": namespace},
                "service": {"name": service, "version": env!("CARGO_PKG_VERSION"), "node": {"name": node}},
                "host": {"name": host},
            });
            let text = head.to_string();
            // Without its own braces: what follows goes on in the same object.
            format!(",{},", text.get(1..text.len() - 1).unwrap_or_default()).into_bytes()
        });
        Self { namespace: namespace.to_owned(), heads }
    }

    /// The data stream of documents.
    pub(crate) fn data_stream(&self, stream: Stream) -> String {
        format!("logs-{}-{}", stream.dataset(), self.namespace)
    }

    /// A document of this time: the head, and the fields of the body. It is one line.
    pub(super) fn line(&self, stream: Stream, at: i64, body: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = Vec::with_capacity(2048);
        line.extend_from_slice(b"{\"@timestamp\":\"");
        line.extend_from_slice(time(at).as_bytes());
        line.push(b'"');
        line.extend_from_slice(&self.heads[stream as usize]);
        let body_begins = line.len();
        append(&mut line, body)?;
        // Its opening brace: its fields go on in this object.
        line.remove(body_begins);
        if line.contains(&b'\n') {
            // What a record holds is passed on as it is; one that was not written by Synod may hold blanks of any kind.
            line = serde_json::to_vec(&serde_json::from_slice::<Value>(&line)?)?;
        }
        Ok(line)
    }
}

/// A moment as documents write it: always with six digits, so that lines begin alike.
pub(super) fn time(at: i64) -> String {
    Timestamp::from_microsecond(at).map_or_else(|_| "1970-01-01T00:00:00.000000Z".into(), |at| format!("{at:.6}"))
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "unknown".into() } else { name.into() }
}
