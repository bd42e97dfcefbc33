//! How long documents are kept: by the lifecycle of data streams, which every Elasticsearch has, or by a policy of index lifecycle management.

use super::stream_name;
use crate::fields::Stream;
use serde_json::{Value, json};

/// For how many days a stream's documents are kept, unless somebody says something else when it is installed.
pub(super) fn days(stream: Stream) -> u32 {
    match stream {
        Stream::Decision | Stream::Audit => 400,
        Stream::Access | Stream::App | Stream::Edge => 30,
        Stream::DeadLetter => 90,
    }
}

/// After how many days an index gives way to the next one, where there is little to write: documents go with their whole index.
fn rollover(stream: Stream) -> u32 {
    (days(stream) / 10).clamp(1, 30)
}

/// The lifecycle of a data stream.
pub(super) fn lifecycle(stream: Stream) -> (String, Value) {
    let template = json!({"lifecycle": {"enabled": true, "data_retention": format!("{}d", days(stream))}});
    (format!("How long Synod's {} documents are kept.", stream_name(stream)), template)
}

/// What puts a data stream under a policy instead.
pub(super) fn ilm_component(stream: Stream) -> (String, Value) {
    let name = stream_name(stream);
    let template = json!({"settings": {"index.lifecycle.name": format!("synod-{name}"), "index.lifecycle.prefer_ilm": true}});
    (format!("Puts Synod's {name} documents under index lifecycle management."), template)
}

/// The policy.
pub(super) fn policy(stream: Stream) -> Value {
    let rollover = json!({"max_primary_shard_size": "50gb", "max_age": format!("{}d", rollover(stream))});
    json!({"policy": {
        "phases": {
            "hot": {"min_age": "0ms", "actions": {"rollover": rollover, "set_priority": {"priority": 100}}},
            "delete": {"min_age": format!("{}d", days(stream)), "actions": {"delete": {}}},
        },
        "_meta": super::meta(&format!("How long Synod's {} documents are kept.", stream_name(stream))),
    }})
}
