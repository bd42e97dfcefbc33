//! How documents are stored, and what is offered beside that.

use serde_json::{Value, json};

/// The most fields that an index has: the list's, and ten for each detector. A field beyond that is not mapped, and refuses no document.
const FIELDS: u32 = 2000;

/// What all data streams have.
pub(super) fn settings() -> (String, Value) {
    let settings = json!({
        "index.codec": "best_compression",
        // Nobody looks a document up the moment that it is written; the shipper asks for a refresh where it has to.
        "index.refresh_interval": "5s",
        "index.mapping.total_fields.limit": FIELDS,
        "index.mapping.total_fields.ignore_dynamic_beyond_limit": true,
    });
    ("How Synod's documents are stored.".into(), json!({"settings": settings}))
}

/// Whether Elasticsearch keeps documents itself that it refuses. Not by default, where the server's own default may be so: then Synod would be
/// told that they were taken, and neither its metrics nor its dead letters would know of them.
pub(super) fn failure_store() -> (String, Value) {
    ("Whether Elasticsearch keeps what it refuses.".into(), json!({"data_stream_options": {"failure_store": {"enabled": false}}}))
}

/// What has documents pass the pipeline.
pub(super) fn pipeline_component() -> (String, Value) {
    let settings = json!({"index.default_pipeline": "synod@ingest"});
    let mappings = json!({"properties": {"event": {"properties": {"ingested": {"type": "date"}}}}});
    ("Has Synod's documents pass an ingest pipeline.".into(), json!({"settings": settings, "mappings": mappings}))
}

/// The pipeline: it notes when a document arrived. Whatever goes wrong in it, the document goes on as it came.
pub(super) fn pipeline() -> Value {
    json!({
        "description": "Notes when a document of Synod's arrived. It never refuses one.",
        "processors": [
            {"set": {"field": "event.ingested", "value": "{{{_ingest.timestamp}}}", "ignore_failure": true}},
        ],
        // With a handler of failures the document is indexed all the same.
        "on_failure": [
            {"set": {"field": "event.ingested", "value": "{{{_ingest.timestamp}}}", "ignore_failure": true}},
        ],
        "_meta": super::meta("Notes when a document of Synod's arrived."),
    })
}
