//! What is to be there, in the order in which it is made: each object after those that it names.

use super::embedded::{COMPONENTS, File, INDICES, PIPELINES, POLICIES};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// The streams, as they are called in options.
pub(crate) const STREAMS: [&str; 6] = ["decision", "audit", "access", "app", "edge", "dead_letter"];

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

/// What versions differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

impl Version {
    /// The version in a server's words; the oldest if it has none.
    pub(super) fn of(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
        Self(parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }

    /// Whether it can be told to keep what it refuses, or not to.
    fn knows_failure_store(self) -> bool {
        self >= Self(9, 1) || (Self(8, 19)..Self(9, 0)).contains(&self)
    }

    /// Whether it can be told to leave fields beyond the limit alone in place of refusing the document.
    fn knows_fields_beyond_limit(self) -> bool {
        self >= Self(8, 14)
    }
}

/// All that these wishes ask for, as far as a server of this version can be told.
pub(super) fn plan(wishes: &Wishes, version: Version) -> Vec<Object> {
    let lists = [(Kind::Pipeline, PIPELINES), (Kind::Policy, POLICIES), (Kind::Component, COMPONENTS), (Kind::Index, INDICES)];
    let objects = lists.into_iter().flat_map(|(kind, files)| files.iter().map(move |file| object(kind, file)));
    let mut objects: Vec<Object> = objects.filter(|object| is_wished(object, wishes, version)).collect();
    objects.iter_mut().for_each(|object| adapt(object, wishes, version));
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

fn is_wished(object: &Object, wishes: &Wishes, version: Version) -> bool {
    match object.extra {
        None => true,
        // Also to say that it is off.
        Some(Extra::FailureStore) if version.knows_failure_store() => true,
        Some(extra) => wishes.ask_for(extra),
    }
}

/// Writes the wishes into an object, and takes out what the server cannot be told.
fn adapt(object: &mut Object, wishes: &Wishes, version: Version) {
    if !version.knows_fields_beyond_limit()
        && let Some(settings) = object.wanted["template"]["settings"].as_object_mut()
    {
        settings.shift_remove("index.mapping.total_fields.ignore_dynamic_beyond_limit");
    }
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

    const NEW: Version = Version(9, 5);

    #[test]
    fn a_server_is_not_told_what_it_does_not_know() {
        let known = |version: &str| {
            let all = plan(&wishes(), Version::of(version));
            let settings = all.iter().find(|object| object.name == "synod@settings").unwrap().wanted.to_string();
            (all.iter().any(|object| object.extra == Some(Extra::FailureStore)), settings.contains("ignore_dynamic_beyond_limit"))
        };
        let versions = ["8.12.2", "8.14.0", "8.18.4", "8.19.21", "9.0.3", "9.1.0", "9.5.3", "10.0.0", "", "x"];
        let stores = [false, false, false, true, false, true, true, true, false, false];
        let beyond = [false, true, true, true, true, true, true, true, false, false];
        assert_eq!(versions.map(|version| known(version).0), stores);
        assert_eq!(versions.map(|version| known(version).1), beyond);
    }

    fn wishes() -> Wishes {
        Wishes { namespace: "default".into(), retention: BTreeMap::new(), ilm: false, failure_store: false, pipeline: false }
    }

    #[test]
    fn each_object_comes_after_those_that_it_names() {
        let all = plan(&Wishes { ilm: true, pipeline: true, ..wishes() }, NEW);
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
        let usual = plan(&wishes(), NEW);
        let extras: Vec<_> = usual.iter().filter_map(|object| object.extra).collect();
        assert_eq!(extras, [Extra::FailureStore], "which says that it is off");
        assert!(plan(&wishes(), Version::of("8.18.0")).iter().all(|object| object.extra.is_none()));
        assert_eq!(usual.len(), 6 + 1 + 6 + 1 + 6);
    }

    #[test]
    fn wishes_are_written_into_the_objects() {
        let retention = BTreeMap::from([("access".to_owned(), "7d".to_owned())]);
        let all = plan(&Wishes { retention, ilm: true, failure_store: true, ..wishes() }, NEW);
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
