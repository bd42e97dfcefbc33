//! What is to be there, in the order in which it is made: each object after those that it names.

use super::embedded::{COMPONENTS, File, INDICES, PIPELINES, POLICIES};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// The streams, as they are called in options.
pub(crate) const STREAMS: [&str; 5] = ["decision", "audit", "access", "app", "dead_letter"];

/// What an installation wants.
#[derive(Debug, Clone)]
pub(crate) struct Wishes {
    /// The last part of the data streams' names.
    pub(crate) namespace: String,
    /// For how long the documents of a stream are kept, where it is not what the files say.
    pub(crate) retention: BTreeMap<String, String>,
    /// Policies of index lifecycle management, in place of the data streams' own lifecycle.
    pub(crate) ilm: bool,
    /// Elasticsearch keeps what it refuses.
    pub(crate) failure_store: bool,
    /// The ingest pipeline.
    pub(crate) pipeline: bool,
}

impl Wishes {
    /// Whether something beside the usual is asked for.
    pub(super) fn ask_for(&self, extra: Extra) -> bool {
        match extra {
            Extra::Ilm => self.ilm,
            Extra::FailureStore => self.failure_store,
            Extra::Pipeline => self.pipeline,
        }
    }

    /// The name of a stream's data stream.
    pub(super) fn data_stream(&self, stream: &str) -> String {
        format!("logs-synod.{stream}-{}", self.namespace)
    }
}

/// What can be asked for beside what is always made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extra {
    Ilm,
    FailureStore,
    Pipeline,
}

impl Extra {
    /// The option that asks for it.
    pub(super) fn option(self) -> &'static str {
        match self {
            Self::Ilm => "--ilm",
            Self::FailureStore => "--failure-store",
            Self::Pipeline => "--pipeline",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pipeline,
    Policy,
    Component,
    Index,
}

/// Something that Elasticsearch keeps under a name.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    /// What it should be, as it is put.
    pub(super) wanted: Value,
    /// What it is a part of, if it is not always there.
    pub(super) extra: Option<Extra>,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Pipeline => "ingest pipeline",
            Kind::Policy => "lifecycle policy",
            Kind::Component => "component template",
            Kind::Index => "index template",
        };
        write!(f, "{kind} {}", self.name)
    }
}

impl Object {
    /// Where it is put and asked for.
    pub(super) fn path(&self) -> String {
        let folder = match self.kind {
            Kind::Pipeline => "_ingest/pipeline",
            Kind::Policy => "_ilm/policy",
            Kind::Component => "_component_template",
            Kind::Index => "_index_template",
        };
        format!("/{folder}/{}", self.name)
    }

    /// The object within the answer of who is asked for it.
    pub(super) fn within<'a>(&self, answer: &'a Value) -> Option<&'a Value> {
        let found = match self.kind {
            Kind::Pipeline | Kind::Policy => &answer[self.name],
            Kind::Component => &answer["component_templates"][0]["component_template"],
            Kind::Index => &answer["index_templates"][0]["index_template"],
        };
        found.is_object().then_some(found)
    }

    /// Whether it says how new indices of a stream are made.
    pub(super) fn shapes(&self, stream: &str) -> bool {
        let own = self.name.strip_prefix("synod@mappings-") == Some(stream);
        self.kind == Kind::Component && (own || matches!(self.name, "synod@settings" | "synod@pipeline"))
    }
}

/// All that these wishes ask for. The failure store is spoken of where the server knows it.
pub(super) fn plan(wishes: &Wishes, knows_failure_store: bool) -> Vec<Object> {
    let lists = [(Kind::Pipeline, PIPELINES), (Kind::Policy, POLICIES), (Kind::Component, COMPONENTS), (Kind::Index, INDICES)];
    let objects = lists.into_iter().flat_map(|(kind, files)| files.iter().map(move |file| object(kind, file)));
    let mut objects: Vec<Object> = objects.filter(|object| is_wished(object, wishes, knows_failure_store)).collect();
    objects.iter_mut().for_each(|object| adapt(object, wishes));
    objects
}

#[allow(clippy::expect_used)]
fn object(kind: Kind, (name, text): &File) -> Object {
    // A test reads them all.
    let wanted = serde_json::from_str(text).expect("the files are JSON");
    let extra = match kind {
        Kind::Pipeline => Some(Extra::Pipeline),
        Kind::Policy => Some(Extra::Ilm),
        Kind::Component if *name == "synod@pipeline" => Some(Extra::Pipeline),
        Kind::Component if *name == "synod@failure-store" => Some(Extra::FailureStore),
        Kind::Component if name.starts_with("synod@ilm-") => Some(Extra::Ilm),
        Kind::Component | Kind::Index => None,
    };
    Object { kind, name, wanted, extra }
}

fn is_wished(object: &Object, wishes: &Wishes, knows_failure_store: bool) -> bool {
    match object.extra {
        None => true,
        // Also to say that it is off.
        Some(Extra::FailureStore) if knows_failure_store => true,
        Some(extra) => wishes.ask_for(extra),
    }
}

/// Writes the wishes into an object.
fn adapt(object: &mut Object, wishes: &Wishes) {
    if object.extra == Some(Extra::FailureStore) {
        object.wanted["template"]["data_stream_options"]["failure_store"]["enabled"] = json!(wishes.failure_store);
    }
    for (stream, age) in &wishes.retention {
        if object.kind == Kind::Component && object.name.strip_prefix("synod@lifecycle-") == Some(stream) {
            object.wanted["template"]["lifecycle"]["data_retention"] = json!(age);
        }
        if object.kind == Kind::Policy && object.name.strip_prefix("synod-") == Some(stream) {
            object.wanted["policy"]["phases"]["delete"]["min_age"] = json!(age);
        }
    }
}

/// For how long a stream's documents are kept, by these objects.
pub(super) fn retention<'a>(objects: &'a [Object], stream: &str) -> Option<&'a str> {
    let lifecycle = objects.iter().find(|object| object.name.strip_prefix("synod@lifecycle-") == Some(stream))?;
    lifecycle.wanted["template"]["lifecycle"]["data_retention"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes() -> Wishes {
        Wishes { namespace: "default".into(), retention: BTreeMap::new(), ilm: false, failure_store: false, pipeline: false }
    }

    #[test]
    fn each_object_comes_after_those_that_it_names() {
        let all = plan(&Wishes { ilm: true, pipeline: true, ..wishes() }, true);
        for (at, index) in all.iter().enumerate().filter(|(_, object)| object.kind == Kind::Index) {
            for component in index.wanted["composed_of"].as_array().unwrap().iter().filter(|name| *name != "synod@custom") {
                assert!(all[..at].iter().any(|object| object.name == component), "{} {component}", index.name);
            }
        }
        assert_eq!(all[0].kind, Kind::Pipeline);
        assert!(all.iter().all(|object| object.path().starts_with("/_") && object.path().ends_with(object.name)));
    }

    #[test]
    fn nothing_is_made_that_nobody_asked_for() {
        let usual = plan(&wishes(), true);
        let extras: Vec<_> = usual.iter().filter_map(|object| object.extra).collect();
        assert_eq!(extras, [Extra::FailureStore], "which says that it is off");
        assert!(plan(&wishes(), false).iter().all(|object| object.extra.is_none()));
        assert_eq!(usual.len(), 5 + 1 + 5 + 1 + 5);
    }

    #[test]
    fn wishes_are_written_into_the_objects() {
        let retention = BTreeMap::from([("access".to_owned(), "7d".to_owned())]);
        let all = plan(&Wishes { retention, ilm: true, failure_store: true, ..wishes() }, true);
        let named = |name: &str| all.iter().find(|object| object.name == name).unwrap().wanted.to_string();
        assert!(named("synod@lifecycle-access").contains(r#""data_retention":"7d""#));
        assert!(named("synod@lifecycle-audit").contains(r#""data_retention":"400d""#));
        assert!(named("synod-access").contains(r#""delete":{"min_age":"7d""#));
        assert!(named("synod@failure-store").contains(r#""enabled":true"#));
        assert_eq!((retention_of(&all, "access"), retention_of(&all, "app")), (Some("7d"), Some("30d")));
    }

    fn retention_of<'a>(objects: &'a [Object], stream: &str) -> Option<&'a str> {
        retention(objects, stream)
    }
}
