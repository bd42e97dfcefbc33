//! A YAML file as a tree of values, and for every key the place where it stands. The tree is an ordinary [`serde_json::Value`], so plain
//! derived types read it; the places are kept beside it, by path.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::fmt;

/// Lists and tables within one another.
const DEEPEST: usize = 32;

/// Line and column, counted from 1.
pub type Place = (u64, u64);

/// The file's tree and the places of its keys.
#[derive(Debug, Default)]
pub struct Located {
    /// The values.
    pub tree: Value,
    places: BTreeMap<String, Place>,
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The full key, as in `detectors.forest.features[2]`.
    pub key: String,
    /// Where it stands, if it stands in the file.
    pub place: Option<Place>,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

impl Located {
    /// Reads YAML. Keys given twice, and documents that blow up by their anchors, are refused.
    ///
    /// # Errors
    /// When it is no YAML; the mistake has the place.
    pub fn read(text: &str) -> Result<Self, Mistake> {
        // No configuration is so deep; what is, would take the reader's stack (found by the fuzzer).
        let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: DEEPEST } };
        let node: Spanned<Node> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            let place = error.location().map(|location| (location.line(), location.column()));
            // The library shows a piece of the file below its first line; the place says as much.
            let message = error.without_snippet().to_string();
            Mistake { key: String::new(), place, message }
        })?;
        let mut places = BTreeMap::new();
        let mut tree = node.value.plant(String::new(), &mut places);
        // A section whose keys are all commented out is there, and empty.
        if let Some(sections) = tree.as_object_mut() {
            sections.retain(|_, section| !section.is_null());
        }
        Ok(Self { tree, places })
    }

    /// Where a key stands, or the nearest key above it that stands in the file.
    pub fn place(&self, key: &str) -> Option<Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return Some(*place);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }

    /// Reads the tree as a `T`. A value that does not fit is noted and left out, and the rest is read on, so that all mistakes are found;
    /// for that every field of `T` must have a default.
    pub fn parse<T: DeserializeOwned + Default>(&self, mistakes: &mut Vec<Mistake>) -> T {
        let mut tree = self.tree.clone();
        loop {
            let error = match serde_path_to_error::deserialize::<_, T>(&tree) {
                Ok(parsed) => return parsed,
                Err(error) => error,
            };
            let message = error.inner().to_string();
            let mut path: Vec<Step> = error.path().iter().filter_map(step).collect();
            // A key that is unknown is reported at the table that holds it.
            if let Some(unknown) = unknown_key(&message)
                && path.last() != Some(&Step::Key(unknown.to_owned()))
            {
                path.push(Step::Key(unknown.to_owned()));
            }
            let key = path.iter().fold(String::new(), |key, step| step.below(&key));
            mistakes.push(Mistake { place: self.place(&key), key, message });
            if !remove(&mut tree, &path) {
                return T::default();
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    fn below(&self, parent: &str) -> String {
        match self {
            Self::Key(key) if parent.is_empty() => key.clone(),
            Self::Key(key) => format!("{parent}.{key}"),
            Self::Index(index) => format!("{parent}[{index}]"),
        }
    }
}

fn step(segment: &serde_path_to_error::Segment) -> Option<Step> {
    match segment {
        serde_path_to_error::Segment::Map { key } => Some(Step::Key(key.clone())),
        serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
        serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => None,
    }
}

fn unknown_key(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split_once('`').map(|(name, _)| name)
}

/// Takes a value out of the tree; of a list's element the whole list goes, or the others would move.
fn remove(tree: &mut Value, path: &[Step]) -> bool {
    let upto = path.iter().position(|step| matches!(step, Step::Index(_))).unwrap_or(path.len());
    let Some((Step::Key(last), above)) = path[..upto].split_last() else { return false };
    let mut at = tree;
    for step in above {
        let Step::Key(key) = step else { return false };
        match at.get_mut(key) {
            Some(below) => at = below,
            None => return false,
        }
    }
    at.as_object_mut().is_some_and(|table| table.shift_remove(last).is_some())
}

/// A value with the places of everything in it.
#[derive(Debug)]
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Table(Vec<(String, Spanned<Node>)>),
}

impl Node {
    fn plant(self, key: String, places: &mut BTreeMap<String, Place>) -> Value {
        let mut child = |step: Step, node: Spanned<Node>| {
            let key = step.below(&key);
            places.insert(key.clone(), (node.referenced.line(), node.referenced.column()));
            node.value.plant(key, places)
        };
        match self {
            Self::Scalar(value) => value,
            Self::List(nodes) => nodes.into_iter().enumerate().map(|(index, node)| child(Step::Index(index), node)).collect(),
            Self::Table(nodes) => {
                let entries = nodes.into_iter().map(|(name, node)| (name.clone(), child(Step::Key(name), node)));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a table")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Number::from_f64(value).map(|number| Node::Scalar(number.into())).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Node, S::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Node, M::Error> {
        let mut nodes = Vec::new();
        while let Some(entry) = map.next_entry()? {
            nodes.push(entry);
        }
        Ok(Node::Table(nodes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Inner {
        count: u32,
        names: Vec<String>,
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        one: Inner,
        many: BTreeMap<String, Inner>,
    }

    fn parse(text: &str) -> (Outer, Vec<String>) {
        let mut mistakes = Vec::new();
        let outer = Located::read(text).unwrap().parse(&mut mistakes);
        (outer, mistakes.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn all_mistakes_are_found_with_line_and_full_key() {
        let text = "one:\n  count: many\n  nams: []\nmany:\n  a:\n    count: 3\n    names: [x, 7]\n  b: {count: -1, extra: 1}\ntwo: 1\n";
        let (outer, mistakes) = parse(text);
        assert_eq!(outer.many["a"].count, 3, "what is right is read");
        let starts = ["2:10: one.count: invalid type", "3:9: one.nams: unknown field", "7:16: many.a.names[1]: invalid type"];
        let more = ["8:14: many.b.count: invalid value", "8:25: many.b.extra: unknown field", "9:6: two: unknown field"];
        for start in starts.into_iter().chain(more) {
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(start)), "{start} in {mistakes:#?}");
        }
        assert_eq!(mistakes.len(), 6);
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        let mistake = Located::read("one:\n  count: 1\n  count: 2\n").unwrap_err();
        assert_eq!(mistake.place.map(|place| place.0), Some(3), "{mistake}");
    }

    #[test]
    fn a_bomb_of_anchors_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = level - 1;
            text += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 10].join(", "));
        }
        assert!(Located::read(&text).is_err());
    }
}
