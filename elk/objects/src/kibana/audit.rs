//! The dashboard of the audit trail: who did what, and who was refused. A record can stand for several acts of the same kind, so that acts are
//! summed up and records are not counted.

use super::column::Column;
use super::dashboard::{Control, Dashboard, Panel};
use super::data_view::View;
use super::lens::{Layer, Lens, Shape};
use super::search;
use crate::fields::Stream;

const VIEW: View = View::Of(Stream::Audit);
const ACTION: &str = "event.action";
const REFUSED: &str = "event.action: \"credential.refused\"";
const DENIED: &str = "event.action: \"permission.denied\"";
const OF_KEYS: &str = "event.action: (\"key.created\" or \"key.rotated\" or \"key.revoked\" or \"signing_key.created\")";

pub(super) fn dashboard() -> Dashboard {
    let control = |title, field| Control { title, field, view: VIEW };
    Dashboard {
        id: "synod-dashboard-audit",
        name: "Audit",
        description: "Who did what, what came of it, and whose credentials were refused.",
        note: "The chain of hashes that proves the trail whole is in Synod's own log: `synod audit` checks it. What is here is a copy to look at. \
               A record can stand for several refusals of the same kind; they are counted one by one.",
        controls: vec![
            control("Tenant", "organization.id"),
            control("Action", ACTION),
            control("Actor", "user.name"),
            control("Outcome", "event.outcome"),
        ],
        panels: [glance(), acts(), refusals(), keys(), vec![Panel::search(12, &search::REFUSED)]].into_iter().flatten().collect(),
    }
}

/// How many acts the records stand for.
fn acts_of(label: &'static str) -> Column {
    Column::sum(label, "synod.audit.count")
}

fn lens(id: &'static str, shape: Shape, title: &'static str, description: &'static str, query: &'static str, layer: Layer) -> Lens {
    Lens { id, title, description, shape, query, layers: vec![layer] }
}

fn number(id: &'static str, title: &'static str, description: &'static str, query: &'static str, column: Column) -> Panel {
    Panel::lens(12, 6, lens(id, Shape::Number, title, description, query, Layer::new(VIEW).value(column)))
}

fn glance() -> Vec<Panel> {
    vec![
        number("synod-lens-acts", "Acts", "How many acts were audited.", "", acts_of("Acts")),
        number(
            "synod-lens-refused-credentials",
            "Refused credentials",
            "Credentials that did not hold: expired, revoked, wrong, or forged.",
            REFUSED,
            acts_of("Refused credentials"),
        ),
        number(
            "synod-lens-denied",
            "Denied permissions",
            "Somebody known asked for what they may not.",
            DENIED,
            acts_of("Denied permissions"),
        ),
        number("synod-lens-key-changes", "Key changes", "Keys that were created, rotated or revoked.", OF_KEYS, acts_of("Key changes")),
    ]
}

fn acts() -> Vec<Panel> {
    let over_time =
        Layer::new(VIEW).across(Column::times()).split(Column::values("Action", ACTION, 10).and_others()).value(acts_of("Acts"));
    let outcomes = Layer::new(VIEW).across(Column::values("Outcome", "event.outcome", 3)).value(acts_of("Acts"));
    let actors = Layer::new(VIEW)
        .across(Column::values("Actor", "user.name", 20))
        .value(acts_of("Acts"))
        .value(acts_of("Failed").of("event.outcome: failure"))
        .value(Column::distinct("Addresses", "source.address"));
    let actions = Layer::new(VIEW)
        .across(Column::values("Action", ACTION, 20))
        .split(Column::values("Outcome", "event.outcome", 2))
        .value(acts_of("Acts"));
    vec![
        Panel::lens(36, 12, lens("synod-lens-actions", Shape::Bars, "Actions over time", "What was done when.", "", over_time)),
        Panel::lens(12, 12, lens("synod-lens-audit-outcomes", Shape::Ring, "Outcomes", "Whether it was allowed and done.", "", outcomes)),
        Panel::lens(
            24,
            13,
            lens(
                "synod-lens-actors",
                Shape::Table,
                "Actors",
                "Who did how much, what of it failed, and from how many addresses.",
                "",
                actors,
            ),
        ),
        Panel::lens(24, 13, lens("synod-lens-action-table", Shape::Table, "Actions", "What was done, and what came of it.", "", actions)),
    ]
}

fn refusals() -> Vec<Panel> {
    let addresses = Layer::new(VIEW)
        .across(Column::values("Address", "source.address", 20))
        .value(acts_of("Refused"))
        .value(Column::distinct("Principals", "user.name"));
    let reasons = Layer::new(VIEW)
        .across(Column::times())
        .split(Column::values("Reason", "synod.audit.reason", 8).and_others())
        .value(acts_of("Refused"));
    let denied = Layer::new(VIEW)
        .across(Column::values("Actor", "user.name", 10))
        .split(Column::values("Permission", "synod.audit.target", 5))
        .value(acts_of("Denied"));
    vec![
        Panel::lens(
            16,
            12,
            lens(
                "synod-lens-addresses",
                Shape::Table,
                "Refused credentials by address",
                "Where credentials that did not hold came from; of several addresses a block. One address with many is somebody guessing.",
                REFUSED,
                addresses,
            ),
        ),
        Panel::lens(
            16,
            12,
            lens(
                "synod-lens-refusal-reasons",
                Shape::Bars,
                "Why credentials were refused",
                "Expired and revoked ones are mostly forgotten \
                 clients; unknown ones are not.",
                REFUSED,
                reasons,
            ),
        ),
        Panel::lens(
            16,
            12,
            lens("synod-lens-denials", Shape::Table, "Denied permissions by actor", "Who asked for what they may not.", DENIED, denied),
        ),
    ]
}

fn keys() -> Vec<Panel> {
    let changes = Layer::new(VIEW)
        .across(Column::values("Key", "synod.audit.target", 20))
        .split(Column::values("Action", ACTION, 4))
        .value(acts_of("Changes"));
    let by = Layer::new(VIEW).across(Column::times()).split(Column::values("Action", ACTION, 4)).value(acts_of("Changes"));
    vec![
        Panel::lens(
            24,
            11,
            lens("synod-lens-keys", Shape::Table, "Keys", "Which keys were created, rotated or revoked.", OF_KEYS, changes),
        ),
        Panel::lens(24, 11, lens("synod-lens-keys-over-time", Shape::Bars, "Key changes over time", "When keys changed.", OF_KEYS, by)),
    ]
}
