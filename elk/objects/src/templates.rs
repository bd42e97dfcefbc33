//! What Elasticsearch is set up with: how the fields of each data stream are mapped, how long its documents are kept, and what is offered beside
//! that. A template of a data stream is put together from components, so that an installation can replace one, and add its own:
//!
//! | component | says | installed |
//! | --- | --- | --- |
//! | `synod@mappings-STREAM` | the fields | always |
//! | `synod@settings` | how documents are stored | always |
//! | `synod@lifecycle-STREAM` | how long they are kept, by the data stream's lifecycle | always |
//! | `synod@failure-store` | whether Elasticsearch keeps what it refuses itself | where it can be said |
//! | `synod@ilm-STREAM` | the policy of index lifecycle management that goes before the lifecycle | on demand |
//! | `synod@pipeline` | the ingest pipeline | on demand |
//! | `synod@custom` | what an installation likes | by its people |
//!
//! What is not always installed may be missing.

mod lifecycle;
mod mappings;
mod settings;

use crate::Artifact;
use crate::fields::{Fields, Stream};
use serde_json::{Value, json};

/// Before Elasticsearch's own templates for `logs-*-*`, which have 100.
const PRIORITY: u32 = 500;
/// What is said of each object, so that people know whose it is.
const MANAGED_BY: &str = "synod";

/// The files.
pub(super) fn artifacts(fields: &Fields) -> Vec<Artifact> {
    let mut artifacts = vec![
        component("settings", &settings::settings()),
        component("failure-store", &settings::failure_store()),
        component("pipeline", &settings::pipeline_component()),
        artifact("pipelines", "synod@ingest", &settings::pipeline()),
    ];
    for stream in Stream::ALL {
        let name = stream_name(stream);
        artifacts.push(component(&format!("mappings-{name}"), &mappings::mappings(fields, stream)));
        artifacts.push(component(&format!("lifecycle-{name}"), &lifecycle::lifecycle(stream)));
        artifacts.push(component(&format!("ilm-{name}"), &lifecycle::ilm_component(stream)));
        artifacts.push(artifact("ilm", &format!("synod-{name}"), &lifecycle::policy(stream)));
        artifacts.push(artifact("templates/index", &format!("logs-{}", stream.dataset()), &index(stream)));
    }
    artifacts
}

/// A stream's name, as components and policies have it.
fn stream_name(stream: Stream) -> &'static str {
    stream.dataset().strip_prefix("synod.").unwrap_or_default()
}

/// The index template of a stream, in all namespaces.
fn index(stream: Stream) -> Value {
    let name = stream_name(stream);
    let always = [format!("synod@mappings-{name}"), "synod@settings".into(), format!("synod@lifecycle-{name}")];
    let maybe = ["synod@failure-store".into(), format!("synod@ilm-{name}"), "synod@pipeline".into(), "synod@custom".into()];
    json!({
        "index_patterns": [format!("logs-{}-*", stream.dataset())],
        "priority": PRIORITY,
        "composed_of": always.iter().chain(&maybe).collect::<Vec<_>>(),
        "ignore_missing_component_templates": maybe,
        "data_stream": {},
        // Data streams are made by the first document, also where indices are not.
        "allow_auto_create": true,
        "_meta": meta(&format!("Synod's data streams of {name} documents.")),
    })
}

/// A component template.
fn component(name: &str, (description, template): &(String, Value)) -> Artifact {
    let contents = json!({"template": template, "_meta": meta(description)});
    artifact("templates/component", &format!("synod@{name}"), &contents)
}

fn meta(description: &str) -> Value {
    json!({"managed_by": MANAGED_BY, "description": description})
}

fn artifact(folder: &str, name: &str, contents: &Value) -> Artifact {
    Artifact { path: format!("elk/{folder}/{name}.json").into(), contents: format!("{contents:#}\n") }
}

#[cfg(test)]
mod tests;
