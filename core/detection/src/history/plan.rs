//! From declared questions about the past to what is kept of an event, and how each value is computed.

use super::aggregate::{Operand, Window};
use super::events::{Events, Kept};
use super::memory::Bounds;
use super::{Aggregate, Seen};
use crate::{Batch, Expression, FeatureError, Kind, Schema};
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// What a feature asks of the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// What is asked.
    pub aggregate: Aggregate,
    /// Of what: an expression over the row's fields, or a text field, as the aggregate needs it.
    pub of: Option<String>,
    /// The fields that make the key; rows with the same values share a history.
    pub per: Vec<String>,
    /// Which events are looked at.
    pub window: Window,
}

/// A column that is kept of each event.
#[derive(Debug, Clone, PartialEq)]
enum Column {
    Number(Expression),
    Text(usize),
}

/// One kind of key with what is kept for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeyPlan {
    names: Vec<String>,
    fields: Vec<usize>,
    columns: Vec<Column>,
    pub(crate) kept: Kept,
    values: Vec<PlannedValue>,
}

/// A value of a row, from the history of one key.
#[derive(Debug, Clone, PartialEq)]
struct PlannedValue {
    aggregate: Aggregate,
    window: Window,
    /// Which of the kept columns; absent for an aggregate of nothing.
    column: Option<usize>,
    /// Where the value stands among all.
    place: usize,
}

/// All history features of an installation, bound to its schema.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryPlan {
    time: usize,
    sources: Vec<Past>,
    pub(crate) keys: Vec<KeyPlan>,
}

/// What an entity may take in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeySize {
    /// The fields of the key.
    pub per: Vec<String>,
    /// Bytes of one event.
    pub event: usize,
    /// Bytes of a key beside its events.
    pub key: usize,
    /// Events that a key needs to keep whatever their times are, if that is all it needs.
    pub last: Option<usize>,
    /// The longest window, in microseconds.
    pub span: i64,
    /// Most bytes that a key can take.
    pub most: usize,
}

impl HistoryPlan {
    /// Binds what is asked of the past to the schema. What is asked twice is kept and computed once.
    ///
    /// # Errors
    /// When a field is not there or has the wrong type, or the schema has no time.
    pub fn new<'a>(schema: &Schema, sources: impl IntoIterator<Item = &'a Past>) -> Result<Self, FeatureError> {
        let mut plan = Self::default();
        for past in sources {
            if !plan.sources.contains(past) {
                plan.time = schema.time().ok_or_else(|| FeatureError::Field("a history needs `schema.time`".into()))?;
                plan.add(schema, past)?;
                plan.sources.push(past.clone());
            }
        }
        Ok(plan)
    }

    fn add(&mut self, schema: &Schema, past: &Past) -> Result<(), FeatureError> {
        let place = self.sources.len();
        let fields = key_fields(schema, &past.per)?;
        let operand = operand(schema, past)?;
        let known = self.keys.iter().position(|key| key.fields == fields);
        let key = known.unwrap_or_else(|| {
            let names = past.per.clone();
            self.keys.push(KeyPlan { names, fields, columns: Vec::new(), kept: Kept::default(), values: Vec::new() });
            self.keys.len() - 1
        });
        let key = &mut self.keys[key];
        let column = operand.map(|operand| key.column(operand));
        key.keep(past);
        key.values.push(PlannedValue { aggregate: past.aggregate, window: past.window, column, place });
        Ok(())
    }

    /// How many values a row has.
    pub fn width(&self) -> usize {
        self.sources.len()
    }

    /// What the values answer, in their order.
    pub fn sources(&self) -> &[Past] {
        &self.sources
    }

    /// Where the value of this question stands.
    pub fn place(&self, past: &Past) -> Option<usize> {
        self.sources.iter().position(|known| known == past)
    }

    /// The fields of each key.
    pub fn keys(&self) -> impl Iterator<Item = &[String]> {
        self.keys.iter().map(|key| key.names.as_slice())
    }

    /// The fields that the history only compares with themselves: those of keys, and texts. A keyed digest does as well as the value.
    pub fn compared_fields(&self) -> impl Iterator<Item = usize> {
        let texts = self.columns().filter_map(|column| if let Column::Text(field) = column { Some(*field) } else { None });
        self.keys.iter().flat_map(|key| key.fields.iter().copied()).chain(texts)
    }

    /// The fields whose values the history computes with.
    pub fn computed_fields(&self) -> impl Iterator<Item = usize> {
        self.columns().flat_map(|column| if let Column::Number(expression) = column { expression.fields() } else { Vec::new() })
    }

    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.keys.iter().flat_map(|key| &key.columns)
    }

    /// What is kept and how, as text: two plans with the same text can read each other's snapshots.
    pub fn identity(&self, bounds: &Bounds) -> String {
        let key = |key: &KeyPlan| {
            let columns: Vec<String> = key.columns.iter().map(Column::identity).collect();
            format!("{:?} keeps {:?} for {:?}", key.names, columns, key.kept)
        };
        let keys: Vec<String> = self.keys.iter().map(key).collect();
        format!("{}; {bounds:?}", keys.join("; "))
    }

    /// What each kind of key takes in memory.
    pub fn sizes(&self, bounds: &Bounds) -> Vec<KeySize> {
        let size = |key: &KeyPlan| {
            let event = key.stride() * size_of::<u64>();
            let last = (key.kept.span == 0 && !key.kept.all).then_some(key.kept.last + 1);
            // The greatest capacity stands a quarter empty, and one place waits for the next event.
            let events = bounds.events + 1;
            KeySize {
                per: key.names.clone(),
                event,
                key: super::memory::BYTES_OF_KEY,
                last,
                span: key.kept.span,
                most: super::memory::BYTES_OF_KEY + events * event,
            }
        };
        self.keys.iter().map(size).collect()
    }

    pub(crate) fn moment(&self, batch: &Batch, row: usize) -> Option<i64> {
        if self.keys.is_empty() { None } else { batch.moment(self.time, row) }
    }
}

fn key_fields(schema: &Schema, per: &[String]) -> Result<Vec<usize>, FeatureError> {
    if per.is_empty() {
        return Err(FeatureError::Field("`per` is missing: the field whose history is asked, or declare `schema.entity`".into()));
    }
    let field = |name: &String| match schema.index(name) {
        None => Err(FeatureError::Field(format!("per: there is no field `{name}`"))),
        Some(index) if schema.fields()[index].kind == Kind::Time => Err(FeatureError::Field(format!("per: field `{name}` holds a time"))),
        Some(index) => Ok(index),
    };
    per.iter().map(field).collect()
}

fn operand(schema: &Schema, past: &Past) -> Result<Option<Column>, FeatureError> {
    let name = past.aggregate.name();
    let wrong = |why: String| Err(FeatureError::Field(why));
    match (past.aggregate.operand(), &past.of) {
        (Operand::None, None) => Ok(None),
        (Operand::None, Some(_)) => wrong(format!("`{name}` has no `of`")),
        (Operand::Number, None) => wrong(format!("`of` is missing: `{name}` of which number?")),
        (Operand::Text, None) => wrong(format!("`of` is missing: `{name}` of which text field?")),
        (Operand::Number, Some(text)) => Ok(Some(Column::Number(Expression::compile(text, schema)?))),
        (Operand::Text, Some(field)) => match schema.index(field) {
            Some(index) if schema.fields()[index].kind == Kind::Text => Ok(Some(Column::Text(index))),
            Some(_) => wrong(format!("field `{field}` holds no text, and `{name}` needs one")),
            None => wrong(format!("there is no field `{field}`")),
        },
    }
}

impl Column {
    fn identity(&self) -> String {
        match self {
            Self::Number(expression) => expression.text().to_owned(),
            Self::Text(field) => format!("text {field}"),
        }
    }

    /// What is kept of a row: a number's bits, or a text's mark, which is 0 for none.
    fn word(&self, batch: &Batch, row: usize, secret: &Secret) -> u64 {
        match self {
            Self::Number(expression) => expression.value(batch, row).to_bits(),
            Self::Text(field) => batch.text(*field, row).map_or(0, |text| secret.mark(text)),
        }
    }
}

/// Marks of texts and keys must not be guessable, or a client could make keys that share a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) [u8; 16]);

impl Secret {
    fn hasher(self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }

    pub(crate) fn mark(self, text: &str) -> u64 {
        let mut hasher = self.hasher();
        hasher.write(text.as_bytes());
        // 0 stands for no text.
        hasher.finish128().h1.max(1)
    }
}

/// Whose past is meant: the keys of two realms never meet, whatever their values are. Realms share the bounds of the histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Realm(Option<Secret>);

impl Realm {
    /// The realm of everything that has no other.
    pub const COMMON: Self = Self(None);

    /// A realm of its own. `secret` is the same whenever this realm is meant, and nobody can guess it: it takes the place of the
    /// histories' secret where keys are made.
    pub fn of(secret: [u8; 16]) -> Self {
        Self(Some(Secret(secret)))
    }

    /// What keys are digested with. Texts that are kept of events are compared within one key only, and need no realm.
    pub(super) fn secret(self, common: Secret) -> Secret {
        self.0.unwrap_or(common)
    }
}

impl KeyPlan {
    /// Words of an event: its time and its columns.
    pub(crate) fn stride(&self) -> usize {
        1 + self.columns.len()
    }

    fn column(&mut self, column: Column) -> usize {
        self.columns.iter().position(|known| *known == column).unwrap_or_else(|| {
            self.columns.push(column);
            self.columns.len() - 1
        })
    }

    fn keep(&mut self, past: &Past) {
        match (past.aggregate, past.window) {
            (Aggregate::SinceLast, _) => self.kept.last = self.kept.last.max(1),
            (_, Window::All) => self.kept.all = true,
            (_, Window::Last(count)) => self.kept.last = self.kept.last.max(count as usize),
            (_, Window::Time(span)) => self.kept.span = self.kept.span.max(span),
        }
    }

    /// The key of a row; none if one of its fields is missing.
    pub(crate) fn key(&self, batch: &Batch, row: usize, secret: Secret) -> Option<u128> {
        let mut hasher = secret.hasher();
        for field in &self.fields {
            if batch.is_missing(*field, row) {
                return None;
            }
            match batch.text(*field, row) {
                Some(text) => {
                    // The length keeps ("ab", "c") and ("a", "bc") apart.
                    hasher.write_usize(text.len());
                    hasher.write(text.as_bytes());
                }
                None => hasher.write_u64(batch.number(*field, row).to_bits()),
            }
        }
        Some(hasher.finish128().as_u128())
    }

    /// A row as an event.
    pub(crate) fn event(&self, time: i64, batch: &Batch, row: usize, secret: &Secret, event: &mut Vec<u64>) {
        event.clear();
        event.push(super::events::word_of_time(time));
        event.extend(self.columns.iter().map(|column| column.word(batch, row, secret)));
    }

    /// Writes the values of a row: `event` is the row's own, which is not among `events` yet. `marks` is scratch.
    pub(crate) fn values(&self, events: Option<&Events>, time: i64, event: &[u64], marks: &mut Vec<u64>, values: &mut [f64]) {
        let none = Events::default();
        let events = events.unwrap_or(&none);
        let end = events.before(time, self.stride());
        for value in &self.values {
            let number = value.compute(events, self.stride(), end, time, event, marks);
            values[value.place] = if number.is_finite() { number } else { f64::NAN };
        }
    }

    /// How the key's history stands to a row of this time.
    pub(crate) fn seen(&self, events: &Events, time: i64, lateness: i64, most: usize) -> Seen {
        let newest = events.newest(self.stride()).unwrap_or(i64::MIN);
        Seen { late: time < newest.saturating_sub(lateness), full: events.len() >= most }
    }
}

impl PlannedValue {
    fn compute(&self, events: &Events, stride: usize, end: usize, time: i64, event: &[u64], marks: &mut Vec<u64>) -> f64 {
        let start = match self.window {
            Window::All => 0,
            Window::Last(count) => end.saturating_sub(count as usize),
            Window::Time(span) => events.before(time.saturating_sub(span), stride).min(end),
        };
        let words = events.words(stride);
        let Some(column) = self.column else {
            return match self.aggregate {
                Aggregate::SinceLast if start < end => (time - events.time(end - 1, stride)) as f64 / 1e6,
                Aggregate::SinceLast => f64::NAN,
                _ => (end - start) as f64,
            };
        };
        let of_events = words[start * stride..end * stride].iter().skip(1 + column).step_by(stride).copied();
        let own = event[1 + column];
        match self.aggregate.operand() {
            Operand::Text => {
                marks.clear();
                marks.extend(of_events);
                self.aggregate.of_texts(marks, own)
            }
            _ => self.aggregate.of_numbers(of_events.map(f64::from_bits), f64::from_bits(own)),
        }
    }
}

/// How a field's type shows in [`Past`]; used when a stored plan is compared with the schema.
impl std::fmt::Display for Past {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = self.of.as_ref().map_or_else(String::new, |of| format!(" of {of}"));
        write!(f, "{}{of} per {}", self.aggregate.name(), self.per.join(" and "))?;
        match self.window {
            Window::All => Ok(()),
            Window::Last(count) => write!(f, " over the last {count} events"),
            Window::Time(span) => write!(f, " over {}", Spelled(span)),
        }
    }
}

/// A span as people write it.
struct Spelled(i64);

impl std::fmt::Display for Spelled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0 / 1_000_000;
        let units = [(86_400, "days"), (3_600, "hours"), (60, "minutes")];
        match units.iter().find(|(unit, _)| seconds >= *unit && seconds % unit == 0) {
            Some((unit, name)) => write!(f, "{} {name}", seconds / unit),
            None => write!(f, "{} seconds", self.0 as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, Value};

    /// Computed by another implementation of SipHash-1-3 with 128 bits, from the length of the text (eight bytes, little-endian) and the
    /// text. Snapshots hold such keys, so that they must not change.
    #[test]
    fn a_key_is_the_digest_of_its_values_under_the_secret_of_its_realm() {
        let schema = Schema::new(vec![Field::new("account", Kind::Text), Field::new("at", Kind::Time)]).unwrap().with_time("at").unwrap();
        let past = Past { aggregate: Aggregate::Count, of: None, per: vec!["account".into()], window: Window::All };
        let plan = HistoryPlan::new(&schema, [&past]).unwrap();
        let mut batch = Batch::new(&schema);
        let mut row = batch.row(&schema);
        row.set(0, Value::Text("account 0"));
        row.set(1, Value::Time(0));
        row.finish().unwrap();
        let key = |realm: Realm| plan.keys[0].key(&batch, 0, realm.secret(Secret([7; 16])));
        assert_eq!(key(Realm::COMMON), Some(0x49f3_3e67_5e3d_17d7_c6b2_2c15_1a46_b98b));
        assert_eq!(key(Realm::of([1; 16])), Some(0x59cc_bdb0_9235_4234_3429_6662_7038_9ce6));
    }
}
