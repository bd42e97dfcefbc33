//! The sections `history` and `decisions`, and what is stored of each field.

use super::{Checker, DetectorConfig};
use crate::config::text::{self, Durability, Storing};
use crate::config::units;
use std::time::Duration;
use synod_detection::history::{Bounds, HistoryPlan};
use synod_detection::{Definition, Kind, Schema};

/// How far histories may grow.
#[derive(Debug, Clone, Copy)]
pub struct Remembering {
    /// The bounds of each kind of key.
    pub bounds: Bounds,
    /// How far ahead of the clock a row's time may be; a row beyond it is judged and not remembered, in microseconds.
    pub ahead: i64,
}

/// How decisions are kept.
#[derive(Debug, Clone, Copy)]
pub struct Decisions {
    /// When they are acknowledged.
    pub durability: Durability,
    /// Bytes of a segment of the log.
    pub segment: u64,
    /// Older ones are dropped.
    pub keep_for: Option<Duration>,
    /// The oldest ones beyond so many bytes are dropped.
    pub keep_bytes: Option<u64>,
    /// After so many decisions the histories are written down, so that a restart need not read all of them.
    pub snapshot_after: u64,
}

pub(super) fn remembering(at: &mut Checker<'_>, text: &text::History) -> Remembering {
    let mut micros = |key: &str, span: &str| {
        let duration = at.taken(key, units::duration(span), Duration::from_secs(1));
        i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
    };
    let lateness = micros("history.lateness", &text.lateness);
    let ahead = micros("history.ahead", &text.ahead);
    at.within("history.events", text.events as f64, 1.0, 65_536.0, "a number of events from 1 to 65536");
    at.within("history.entities", text.entities as f64, 1.0, 1e9, "a number of keys from 1 to 1000000000");
    Remembering { bounds: Bounds { lateness, events: text.events, entities: text.entities }, ahead }
}

pub(super) fn decisions(at: &mut Checker<'_>, text: &text::Decisions) -> Decisions {
    at.within("decisions.snapshot_after", text.snapshot_after as f64, 1_000.0, 1e9, "a number of decisions from 1000 to 1000000000");
    let segment = at.taken("decisions.segment", units::bytes(&text.segment), 1 << 26) as u64;
    at.within("decisions.segment", segment as f64, 65_536.0, 4e9, "a size from 64KiB to 4GB");
    let keep_for = text.keep_for.as_ref().and_then(|span| at.taken("decisions.keep_for", units::duration(span).map(Some), None));
    let keep_bytes = text.keep_bytes.as_ref().and_then(|size| at.taken("decisions.keep_bytes", units::bytes(size).map(Some), None));
    Decisions {
        durability: text.durability,
        segment,
        keep_for,
        keep_bytes: keep_bytes.map(|bytes| bytes as u64),
        snapshot_after: text.snapshot_after,
    }
}

pub(super) fn storing(at: &mut Checker<'_>, text: &text::Schema, schema: &Schema) -> Vec<Storing> {
    for (role, index) in [("id", schema.id()), ("entity", schema.entity()), ("time", schema.time())] {
        let Some(name) = index.map(|index| schema.fields()[index].name.as_str()) else { continue };
        let allowed = match text.fields.get(name).map(|field| field.store) {
            Some(Storing::Keep) | None => true,
            Some(Storing::Hmac) => role != "time",
            Some(Storing::Mask | Storing::Drop) => false,
        };
        if !allowed {
            let ways = if role == "time" { "`keep`" } else { "`keep` or `hmac`" };
            at.mistake(&format!("schema.fields.{name}.store"), format!("decisions are found by the {role}: it must be {ways}"));
        }
    }
    let of = |(name, field): (&String, &text::Field)| {
        if field.store != Storing::Keep && field.store != Storing::Drop && field.r#type.is_some_and(|kind| kind != Kind::Text) {
            at.mistake(&format!("schema.fields.{name}.store"), "only text can be masked or hashed: use `keep` or `drop`");
        }
        field.store
    };
    text.fields.iter().map(of).collect()
}

/// All that the detectors ask of the past. It is folded from what is stored, and must find there what it reads.
pub(super) fn history<'a>(
    at: &mut Checker<'_>,
    detectors: impl Iterator<Item = &'a DetectorConfig> + Clone,
    recorded: &[Definition],
    schema: &Schema,
    storing: &[Storing],
) -> HistoryPlan {
    let definitions = || detectors.clone().flat_map(|detector| &detector.definitions).chain(recorded);
    let plan = HistoryPlan::new(schema, definitions().flat_map(|definition| definition.source.past()));
    let plan = at.taken("features", plan, HistoryPlan::default());
    let compared = plan.compared_fields().map(|field| (field, true));
    let computed = plan.computed_fields().map(|field| (field, false));
    for (field, digest_will_do) in compared.chain(computed) {
        let declared = &schema.fields()[field];
        let found = match storing.get(field) {
            Some(Storing::Keep) | None => true,
            Some(Storing::Hmac) => digest_will_do && declared.kind == Kind::Text,
            Some(Storing::Mask | Storing::Drop) => false,
        };
        if !found {
            let ways = if digest_will_do && declared.kind == Kind::Text { "`keep` or `hmac`" } else { "`keep`" };
            let key = format!("schema.fields.{}.store", declared.name);
            at.mistake(&key, format!("a history feature reads this field from what is stored: it must be {ways}"));
        }
    }
    plan
}
