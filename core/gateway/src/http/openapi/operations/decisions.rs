//! What was decided, why, and what people said about it.

use super::{DECISIONS, header, json, link, of_json, of_reading, parameter};
use crate::config::Config;
use crate::http::Problem;
use crate::http::decisions::query::{LIMITS, LONGEST_VALUE, USUAL_LIMIT};
use crate::http::openapi::operation::Description;
use crate::http::openapi::shape::{moment, named, of, one_of, score, text, truth, uuid};
use crate::http::problem::Wrong;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{ContentBuilder, Required, Type};

pub(super) fn list(config: &Config) -> Description {
    let words = "Decisions that all of these admit, newest first. A parameter that is not listed here is refused.";
    Description::new("listDecisions", DECISIONS, "Search decisions", words)
        .parameters(filter(config))
        .parameters(pages("decisions"))
        .answer(200, json("A page of decisions.", named("PageOfDecisions")).header("Link", next_page()))
        .problems(of_query())
        .problems([Problem::bad_cursor("`cursor`: this is not a cursor")])
        .problems(of_reading(config))
}

pub(super) fn next_page() -> utoipa::openapi::header::Header {
    header("Where the next page is, as `rel=\"next\"` (RFC 8288).")
}

pub(super) fn query(name: &str, words: &str, schema: utoipa::openapi::schema::ObjectBuilder) -> Parameter {
    parameter(ParameterIn::Query, name, words, schema)
}

/// What decisions can be asked for by.
fn filter(config: &Config) -> Vec<Parameter> {
    let words = || text().max_length(Some(LONGEST_VALUE));
    let entity = query("entity", "Whom they are about.", words());
    let others = [
        query("outcome", "What was to be done.", one_of(["approve", "review", "block"])),
        query("anomalous", "What the verdict was.", truth()),
        query("detector", "Whose vote; only together with `vote`.", words()),
        query("vote", "What that detector said; only together with `detector`.", one_of(["yes", "no", "abstained"])),
        query("minimum_score", "Least score of the verdict, included.", score()),
        query("maximum_score", "Greatest score, included; not below `minimum_score`.", score()),
        query("label", "The last label.", one_of(["fraud", "legitimate", "unsure"])),
    ];
    // Where rows have no entity, nobody can be asked for.
    let entity = config.schema.entity().map(|_| entity);
    entity.into_iter().chain(others).chain(times()).chain([tenant()]).collect()
}

/// Whose decisions. A caller with a tenant may only name its own.
pub(super) fn tenant() -> Parameter {
    let words = "Whose; empty for those of no tenant. A caller of a tenant sees that one's in any case, and can name no other.";
    query("tenant", words, text().max_length(Some(LONGEST_VALUE)))
}

pub(super) fn times() -> Vec<Parameter> {
    vec![
        query("from", "Decided at this time or later; a `+` in it is written %2B.", moment()),
        query("until", "Decided before this time, which must not be before `from`.", moment()),
    ]
}

/// How lists of these are paged.
pub(super) fn pages(things: &str) -> Vec<Parameter> {
    let (least, most) = (*LIMITS.start() as isize, *LIMITS.end() as isize);
    let limit = of(Type::Integer).minimum(Some(least)).maximum(Some(most)).default(Some(json!(USUAL_LIMIT)));
    let cursor = text().pattern(Some("^[0-9a-f]{32}$"));
    vec![
        query("limit", &format!("Most {things} on the page."), limit),
        query("cursor", "Where to go on: as the page before gave it, with the same other parameters.", cursor),
    ]
}

pub(super) fn of_query() -> Vec<Problem> {
    vec![Problem::bad_query("`limit` must be a number from 1 to 200, not `ten`")]
}

fn id() -> Parameter {
    parameter(ParameterIn::Path, "id", "The decision's id.", uuid())
}

pub(super) fn one(config: &Config) -> Description {
    let answer = json("The decision with its labels, oldest first.", named("DecisionWithLabels"))
        .link("explanation", link("getExplanation", "id", "$response.body#/id", "What each score was made of."))
        .link("label", link("labelDecision", "id", "$response.body#/id", "To say what the truth about it is."));
    Description::new("getDecision", DECISIONS, "One decision", "All that is stored of a decision.")
        .parameters([id()])
        .answer(200, answer)
        .problems([Problem::no_decision()])
        .problems(of_reading(config))
}

pub(super) fn explanation(config: &Config) -> Description {
    let words =
        "What each detector's score was made of, beside what is usual. A vote of a model that is not served any more is not explained.";
    Description::new("getExplanation", DECISIONS, "Explain a decision", words)
        .parameters([id()])
        .answer(200, json("The explanation.", named("Explanation")))
        .problems([Problem::no_decision()])
        .problems(of_reading(config))
}

pub(super) fn label(config: &Config) -> Description {
    let wrong =
        Wrong { pointer: "/label".into(), detail: "unknown variant `Fraud`, expected one of `fraud`, `legitimate`, `unsure`".into() };
    let answer = json("The label as it is stored.", named("LabelRecord"))
        .link("decision", link("getDecision", "id", "$response.body#/decision", "The decision with its labels."));
    Description::new("labelDecision", DECISIONS, "Label a decision", "Says what the truth about a decision is. The last label counts.")
        .parameters([id()])
        .body(saying())
        .answer(201, answer)
        .problems([
            Problem::no_decision(),
            Problem::invalid_label(vec![wrong]),
            Problem::label_too_large(16 << 10),
            Problem::too_many_labels(100),
        ])
        .problems([Problem::not_stored("the label could not be stored, and does not count")])
        .problems(of_json())
        .problems(of_reading(config))
}

fn saying() -> RequestBody {
    let example = json!({"label": "fraud", "by": "ana", "note": "called the customer"});
    let content = ContentBuilder::new().schema(Some(named("Saying"))).example(Some(example));
    RequestBodyBuilder::new()
        .required(Some(Required::True))
        .description(Some("The label, in at most 16 KiB."))
        .content("application/json", content.build())
        .build()
}

pub(super) fn quality(config: &Config) -> Description {
    let words = "Precision, recall and F1 of the policy and of each detector over the labelled decisions.";
    Description::new("getQuality", DECISIONS, "How well it did", words)
        .parameters(times())
        .parameters([tenant()])
        .answer(200, json("The measures, and of what they are.", named("Quality")))
        .problems(of_query())
        .problems(of_reading(config))
}

pub(super) fn entity() -> Description {
    let key =
        parameter(ParameterIn::Path, "key", "The entity, as rows name it.", text().min_length(Some(1)).max_length(Some(LONGEST_VALUE)));
    Description::new(
        "getEntity",
        DECISIONS,
        "What is known of an entity",
        "What is remembered of whom rows are about, and the latest decisions.",
    )
    .parameters([key, tenant()])
    .problems(of_query())
    .answer(200, json("What is known.", named("Entity")))
    .problems([Problem::no_entity(), Problem::no_entities("rows have no entity: declare `schema.entity`"), Problem::too_many_reads()])
}
