//! Rows in, verdicts or votes out.

use super::{SCORING, detector, header, json, link, of_json, parameter};
use crate::config::{Config, Storing};
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::row;
use crate::http::openapi::shape::{list, named, text};
use crate::http::score::wrong_values;
use synod_detection::decode_rows;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::{ContentBuilder, Required};

/// A string of structured fields, or the same without its quotes.
const IDEMPOTENCY_KEY: &str = r#"^([!#-~]([ !#-~]{0,253}[!#-~])?|"[ !#-~]{1,255}")$"#;

pub(super) fn score(config: &Config) -> Description {
    let words = "Judges a row by all detectors, stores the decision, and answers once it is durable; or a list of rows. A list is answered by \
                 a list: a row that is refused has its error in its place, and the others are judged all the same. If all are refused, the \
                 request is.\n\nAn id is judged once: the same row again gives the decision that was made (`synod-repeated: true`), another row \
                 with the same id 409 `conflict`. `Idempotency-Key` does the same for rows without ids.";
    let mut answer = json("The verdict, or in a list one for each row.", one_or_list("DecidedRow"))
        .header("synod-repeated", header("`true` if the decision on this one row was made before."))
        .link("decision", link("getDecision", "id", "$response.body#/decision", "All that is stored of the decision."))
        .link("explanation", link("getExplanation", "id", "$response.body#/decision", "What each score was made of."))
        .link("label", link("labelDecision", "id", "$response.body#/decision", "To say what the truth about it is."));
    if config.schema.entity().is_some_and(|field| config.storing[field] == Storing::Keep) {
        answer = answer.link("entity", link("getEntity", "key", "$response.body#/entity", "What is known of whom the row is about."));
    }
    Description::new("score", SCORING, "Score rows by all detectors", words)
        .parameters([idempotency_key()])
        .body(rows(config))
        .answer(200, answer)
        .problems(of_rows(config))
        .problems(of_deciding())
}

pub(super) fn score_by_one(config: &Config) -> Description {
    let words =
        "Has one detector vote. That is no decision: nothing is stored, and nothing is remembered. Lists are answered as by `score`.";
    Description::new("scoreByDetector", SCORING, "Score rows by one detector", words)
        .parameters([detector(config)])
        .body(rows(config))
        .answer(200, json("The vote, or in a list one for each row.", one_or_list("VotedRow")))
        .problems(of_rows(config))
        .problems([no_detector(config), Problem::overloaded(config.limits.timeout)])
}

pub(super) fn idempotency_key() -> Parameter {
    let words = "A text of 1 to 255 visible characters, in quotes or without (draft-ietf-httpapi-idempotency-key-header-07): the same request \
                 with the same key is judged once.";
    parameter(ParameterIn::Header, "Idempotency-Key", words, text().pattern(Some(IDEMPOTENCY_KEY)))
}

pub(super) fn no_detector(config: &Config) -> Problem {
    let known: Vec<&str> = config.detectors.iter().map(|detector| detector.name.as_str()).collect();
    Problem::no_detector("other", &known)
}

/// A row or a list of rows.
pub(super) fn rows(config: &Config) -> RequestBody {
    let some = list(named("Row")).title(Some("List of rows")).max_items(Some(config.limits.rows));
    let schema = OneOfBuilder::new().item(named("Row")).item(some);
    let words = format!(
        "A row, or a list of at most {} rows; at most {} bytes. What `curl -d` declares by itself (application/x-www-form-urlencoded) is \
         read as JSON as well.",
        config.limits.rows, config.limits.body
    );
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(row::example(&config.schema)));
    RequestBodyBuilder::new().required(Some(Required::True)).description(Some(words)).content("application/json", content.build()).build()
}

/// An answer for a row, or a list with an answer or an error for each.
fn one_or_list(answer: &str) -> OneOfBuilder {
    let each = OneOfBuilder::new().item(named(answer)).item(named("RefusedRow"));
    OneOfBuilder::new().item(named(answer)).item(list(each).title(Some("List of answers")))
}

/// What can be wrong with rows.
pub(super) fn of_rows(config: &Config) -> Vec<Problem> {
    let no_rows = decode_rows(&config.schema, b"3", 1).err().map(|error| Problem::not_json(&error));
    let wrong = decode_rows(&config.schema, br#"{"other": 1}"#, 1).map(|decoded| wrong_values(&decoded.rows, true)).unwrap_or_default();
    let others = [Problem::too_large(config.limits.body), beyond_quota(), Problem::refused(wrong)];
    of_json().into_iter().chain(no_rows).chain(others).collect()
}

pub(super) fn beyond_quota() -> Problem {
    Problem::beyond_quota("principal-rows", 100)
}

/// What can come in between a row and its decision.
pub(super) fn of_deciding() -> Vec<Problem> {
    vec![
        Problem::bad_key(),
        Problem::conflict(),
        Problem::in_progress(),
        Problem::not_stored("the decision could not be stored, and does not count"),
        Problem::overloaded(std::time::Duration::from_secs(10)),
    ]
}
