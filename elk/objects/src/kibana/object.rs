//! A saved object, as a line of the file that Kibana imports.

use serde_json::{Value, json};

/// The version of the core's own format. It has not changed since.
const CORE: &str = "8.8.0";

/// What kinds of saved objects there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A data view: which data streams, and what their fields mean.
    DataView,
    /// A saved search.
    Search,
    /// A visualisation.
    Lens,
    /// A dashboard.
    Dashboard,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::DataView, Self::Search, Self::Lens, Self::Dashboard];

    /// What Kibana calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataView => "index-pattern",
            Self::Search => "search",
            Self::Lens => "lens",
            Self::Dashboard => "dashboard",
        }
    }

    /// The version of its format: the latest that Kibana 8.12 knows by the old way of counting. A later Kibana migrates it forwards when it
    /// imports it; an earlier one refuses what is later than itself, so none of these may be raised without need.
    pub fn version(self) -> &'static str {
        match self {
            Self::DataView | Self::Search => "8.0.0",
            Self::Lens | Self::Dashboard => "8.9.0",
        }
    }
}

/// That one object uses another, by a name that stands in its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) id: String,
}

impl Reference {
    pub(super) fn new(name: impl Into<String>, kind: Kind, id: impl Into<String>) -> Self {
        Self { name: name.into(), kind, id: id.into() }
    }

    fn json(&self) -> Value {
        json!({"id": self.id, "name": self.name, "type": self.kind.name()})
    }
}

/// A saved object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) attributes: Value,
    pub(super) references: Vec<Reference>,
}

impl Object {
    /// Its line, in the order in which Kibana exports: nothing in it depends on when it is made.
    pub(super) fn line(&self) -> String {
        let references: Vec<Value> = self.references.iter().map(Reference::json).collect();
        let line = json!({
            "attributes": self.attributes,
            "coreMigrationVersion": CORE,
            "id": self.id,
            "managed": false,
            "references": references,
            "type": self.kind.name(),
            "typeMigrationVersion": self.kind.version(),
        });
        format!("{line}\n")
    }
}

/// A query in Kibana's own language, as it stands in attributes.
pub(super) fn kql(query: &str) -> Value {
    json!({"query": query, "language": "kuery"})
}
