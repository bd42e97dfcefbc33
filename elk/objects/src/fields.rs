//! The list of fields.

use serde::Deserialize;

/// The list as it is kept.
const TEXT: &str = include_str!("../../fields.yaml");

/// The data streams, by what their names end in before the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Decisions, and the labels that are set on them.
    Decision,
    /// Who did what.
    Audit,
    /// Requests that were answered.
    Access,
    /// What the service says about itself.
    App,
    /// Requests as the edge saw them, before Synod and the tools.
    Edge,
    /// Documents that were refused.
    DeadLetter,
}

impl Stream {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Decision, Self::Audit, Self::Access, Self::App, Self::Edge, Self::DeadLetter];

    /// The dataset, as in `logs-DATASET-namespace`.
    pub fn dataset(self) -> &'static str {
        match self {
            Self::Decision => "synod.decision",
            Self::Audit => "synod.audit",
            Self::Access => "synod.access",
            Self::App => "synod.app",
            Self::Edge => "synod.edge",
            Self::DeadLetter => "synod.dead_letter",
        }
    }
}

/// How a field is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A text that is searched as a whole.
    Keyword,
    /// A text that is searched by its words.
    Text,
    /// A moment.
    Date,
    /// An address of the internet, which is searched by networks as well.
    Ip,
    /// An integer.
    Long,
    /// A number.
    Double,
    /// True or false.
    Boolean,
    /// An object whose values are searched as keywords, whatever its keys are.
    Flattened,
    /// An object by the names of detectors.
    Object,
}

/// A field of documents.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Its path.
    pub name: String,
    /// How it is mapped.
    #[serde(rename = "type")]
    pub kind: Kind,
    streams: Streams,
    /// What it says.
    pub text: String,
    /// Whether a document can have several values.
    #[serde(default)]
    pub many: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Streams {
    Word(All),
    Some(Vec<Stream>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum All {
    All,
}

impl Field {
    /// Whether documents of this stream can have it.
    pub fn is_of(&self, stream: Stream) -> bool {
        match &self.streams {
            Streams::Word(All::All) => true,
            Streams::Some(streams) => streams.contains(&stream),
        }
    }
}

/// The list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// The version of ECS that the names follow.
    pub ecs: String,
    /// All fields.
    pub fields: Vec<Field>,
}

impl Fields {
    /// The list as it is kept in this repository.
    ///
    /// # Panics
    /// When the file is not such a list; a test reads it.
    #[allow(clippy::expect_used)]
    pub fn read() -> Self {
        serde_saphyr::from_str(TEXT).expect("elk/fields.yaml is a list of fields")
    }

    /// Those of a stream.
    pub fn of(&self, stream: Stream) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.is_of(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_no_name_stands_twice_or_within_another() {
        let fields = Fields::read().fields;
        assert!(fields.len() > 50);
        for (index, field) in fields.iter().enumerate() {
            assert!(!field.text.is_empty(), "{}", field.name);
            for other in fields.iter().skip(index + 1) {
                assert_ne!(field.name, other.name);
                let within = |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'));
                assert!(!within(&field.name, &other.name) && !within(&other.name, &field.name), "{} {}", field.name, other.name);
            }
        }
    }
}
