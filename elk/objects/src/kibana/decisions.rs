//! The dashboard of decisions: what was decided, by which votes, about whom, and what people said about it later.

use super::column::Column;
use super::dashboard::{Control, Dashboard, Panel};
use super::data_view::View;
use super::lens::{Layer, Lens, Shape};
use super::search;
use crate::fields::Stream;

const VIEW: View = View::Of(Stream::Decision);
/// Decisions alone, for labels are in the same data stream.
const DECISIONS: &str = "event.action: decision";
/// Those whose entity is of interest.
const ANOMALIES: &str = "event.action: decision and synod.verdict.anomalous: true";
const BLOCKED: &str = "synod.verdict.outcome: block";
const REVIEWED: &str = "synod.verdict.outcome: review";
const OUTCOME: &str = "synod.verdict.outcome";
const SCORE: &str = "synod.verdict.score";
const ENTITY: &str = "synod.decision.entity";

pub(super) fn dashboard() -> Dashboard {
    let control = |title, field| Control { title, field, view: VIEW };
    Dashboard {
        id: "synod-dashboard-decisions",
        name: "Decisions",
        description: "What was decided, by which votes, about whom, and what people said about it later.",
        note: "The share of *block* and of *review* comes from the policy and should change slowly; if it jumps, look at the scores and at \
               who voted. A detector that abstains is in no vote. Documents are counted as they are there: where only a share of the \
               decisions is sent (`synod.sample.share`), the others are missing here.",
        controls: vec![
            control("Tenant", "organization.id"),
            control("Outcome", OUTCOME),
            control("Detector that voted for it", "synod.votes.anomalous"),
        ],
        panels: [glance(), outcomes(), votes(), whom(), labels(), vec![Panel::search(14, &search::BLOCKED)]]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn lens(id: &'static str, shape: Shape, title: &'static str, description: &'static str, layers: Vec<Layer>) -> Lens {
    Lens { id, title, description, shape, query: DECISIONS, layers }
}

fn number(id: &'static str, title: &'static str, description: &'static str, column: Column) -> Panel {
    Panel::lens(8, 6, lens(id, Shape::Number, title, description, vec![Layer::new(VIEW).value(column)]))
}

fn glance() -> Vec<Panel> {
    vec![
        number("synod-lens-decisions", "Decisions", "How many rows were judged.", Column::count("Decisions")),
        number(
            "synod-lens-blocked-share",
            "Blocked",
            "The share of decisions whose outcome is block.",
            Column::share("Blocked", BLOCKED, ""),
        ),
        number(
            "synod-lens-reviewed-share",
            "To review",
            "The share of decisions whose outcome is review.",
            Column::share("To review", REVIEWED, ""),
        ),
        number(
            "synod-lens-too-few-votes-share",
            "Too few votes",
            "The share of decisions on fewer votes than the policy asks for. It should be 0.",
            Column::share("Too few votes", "synod.verdict.too_few_votes: true", ""),
        ),
        number(
            "synod-lens-late-share",
            "Late rows",
            "The share of rows that came later than history.lateness: what was later than they were may count in their features.",
            Column::share("Late rows", "synod.decision.late: true", ""),
        ),
        number("synod-lens-entities", "Entities", "How many entities were judged, nearly.", Column::distinct("Entities", ENTITY)),
    ]
}

fn outcomes() -> Vec<Panel> {
    let over_time = || Layer::new(VIEW).across(Column::times()).split(Column::values("Outcome", OUTCOME, 3));
    let rate = over_time().value(Column::count("Decisions a second").every_second());
    let percentile = |label, percentile| Column::percentile(label, SCORE, percentile);
    let scores = Layer::new(VIEW).across(Column::times()).value(percentile("half are below", 50));
    let scores = scores.value(percentile("9 of 10 are below", 90)).value(percentile("99 of 100 are below", 99));
    let policies = Layer::new(VIEW).across(Column::values("Policy", "synod.verdict.policy", 5)).value(Column::count("Decisions"));
    let oddities = Column::queries(
        "Row",
        &[
            ("late", "synod.decision.late: true"),
            ("not remembered", "synod.decision.remembered: false"),
            ("a key was full", "synod.decision.full: true"),
            ("made milder by a breaker", "synod.verdict.degraded.by: breaker"),
        ],
    );
    let oddities = Layer::new(VIEW).across(Column::times()).split(oddities).value(Column::count("Decisions"));
    vec![
        Panel::lens(
            24,
            12,
            lens(
                "synod-lens-rate",
                Shape::Bars,
                "Decisions a second by outcome",
                "How many rows were judged, and with which outcome.",
                vec![rate],
            ),
        ),
        Panel::lens(
            24,
            12,
            lens(
                "synod-lens-outcome-shares",
                Shape::Shares,
                "Shares of outcomes",
                "How the outcomes are shared out over time. It changes slowly, unless the rows, the models or the policy changed.",
                vec![over_time().value(Column::count("Decisions"))],
            ),
        ),
        Panel::lens(
            24,
            12,
            lens(
                "synod-lens-scores",
                Shape::Lines,
                "Percentiles of scores",
                "A score of .5 is 1 in 100 where rows are as they were when the models were fitted. If the lines rise together, the rows changed.",
                vec![scores],
            ),
        ),
        Panel::lens(
            12,
            12,
            lens("synod-lens-policies", Shape::Ring, "Policies", "Which rules of the consensus made the verdicts.", vec![policies]),
        ),
        Panel::lens(
            12,
            12,
            lens(
                "synod-lens-late",
                Shape::Bars,
                "Late rows and others out of the ordinary",
                "Rows that came too late, that no later row sees, whose key had as many events as are kept, or whose outcome is milder than \
                 the policy's.",
                vec![oddities],
            ),
        ),
    ]
}

fn votes() -> Vec<Panel> {
    let by_detector =
        |name, field, label| Layer::named(name, VIEW).across(Column::values("Detector", field, 12)).value(Column::count(label));
    let over_time =
        |field| Layer::new(VIEW).across(Column::times()).split(Column::values("Detector", field, 8)).value(Column::count("Decisions"));
    let reasons =
        Layer::new(VIEW).across(Column::values("Detector and reason", "synod.votes.abstentions", 12)).value(Column::count("Decisions"));
    vec![
        Panel::lens(
            16,
            13,
            lens(
                "synod-lens-votes",
                Shape::Ranking,
                "Votes by detector",
                "How often each detector voted for an anomaly, against it, or not at all.",
                vec![
                    by_detector("for", "synod.votes.anomalous", "for"),
                    by_detector("against", "synod.votes.normal", "against"),
                    by_detector("abstained", "synod.votes.abstained", "abstained"),
                ],
            ),
        ),
        Panel::lens(
            16,
            13,
            lens(
                "synod-lens-votes-for",
                Shape::Bars,
                "Votes for an anomaly",
                "Which detectors voted for an anomaly, over time.",
                vec![over_time("synod.votes.anomalous")],
            ),
        ),
        Panel::lens(
            16,
            13,
            lens(
                "synod-lens-abstentions",
                Shape::Bars,
                "Abstentions",
                "Which detectors did not vote, over time. There should be none.",
                vec![over_time("synod.votes.abstained")],
            ),
        ),
        Panel::lens(
            24,
            11,
            lens(
                "synod-lens-abstention-reasons",
                Shape::Table,
                "Reasons of abstention",
                "Why detectors did not vote: timeout, trap, memory, bad_output, not_ready … The runbook says what to do about each.",
                vec![reasons],
            ),
        ),
        Panel::lens(
            24,
            11,
            lens(
                "synod-lens-models",
                Shape::Table,
                "Configurations",
                "Which configurations decisions were made under, by SHA-256: a new one begins where the old one ends.",
                vec![
                    Layer::new(VIEW)
                        .across(Column::values("Configuration", "synod.decision.configuration", 10))
                        .value(Column::count("Decisions"))
                        .value(Column::share("Blocked", BLOCKED, "")),
                ],
            ),
        ),
    ]
}

fn whom() -> Vec<Panel> {
    let entities = Layer::new(VIEW)
        .across(Column::values("Entity", ENTITY, 20))
        .value(Column::count("Anomalies"))
        .value(Column::count("Blocked").of(BLOCKED))
        .value(Column::maximum("Highest score", SCORE));
    let reasons = Layer::new(VIEW).across(Column::values("What is unusual", "synod.reasons", 20)).value(Column::count("Anomalies"));
    let tenants = Layer::new(VIEW)
        .across(Column::values("Tenant", "organization.id", 20))
        .value(Column::count("Decisions"))
        .value(Column::share("To review", REVIEWED, ""))
        .value(Column::share("Blocked", BLOCKED, ""))
        .value(Column::percentile("99 of 100 scores are below", SCORE, 99));
    let of_anomalies = |lens: Lens| Lens { query: ANOMALIES, ..lens };
    vec![
        Panel::lens(
            16,
            13,
            of_anomalies(lens(
                "synod-lens-entities-anomalous",
                Shape::Table,
                "Entities with the most anomalies",
                "Whom anomalies were about most often.",
                vec![entities],
            )),
        ),
        Panel::lens(
            16,
            13,
            of_anomalies(lens(
                "synod-lens-reasons",
                Shape::Table,
                "What is unusual",
                "What was unusual about anomalous rows, most often.",
                vec![reasons],
            )),
        ),
        Panel::lens(16, 13, lens("synod-lens-tenants", Shape::Table, "Tenants", "How the tenants' decisions came out.", vec![tenants])),
    ]
}

fn labels() -> Vec<Panel> {
    let against = Layer::new(VIEW)
        .across(Column::values("Outcome of the decision", "synod.label.outcome", 3))
        .split(Column::values("Label", "synod.label.value", 3))
        .value(Column::count("Labels"));
    let over_time =
        Layer::new(VIEW).across(Column::times()).split(Column::values("Label", "synod.label.value", 3)).value(Column::count("Labels"));
    let of_labels = |lens: Lens| Lens { query: "event.action: label", ..lens };
    vec![
        Panel::lens(
            24,
            11,
            of_labels(lens(
                "synod-lens-labels-against-outcomes",
                Shape::Heat,
                "Labels against outcomes",
                "What people said that the truth is, by what the decision was: fraud that was approved was missed, and legitimate rows that were \
                 blocked were false alarms. A decision that was labelled twice is here twice.",
                vec![against],
            )),
        ),
        Panel::lens(
            24,
            11,
            of_labels(lens(
                "synod-lens-labels",
                Shape::Bars,
                "Labels",
                "What was said when. Labels come days after the decisions.",
                vec![over_time],
            )),
        ),
    ]
}
