//! Routes that the configuration declares, with the answers that it gives them.

use super::{DECLARED, decisions, detector, json, of_reading, parameter, scoring};
use crate::config::{Answer, Config, Route, Serves};
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::row;
use crate::http::openapi::shape::{Shape, list, moment, named, of, one_of, or_null, score, text, truth, uuid};
use indexmap::IndexMap;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType};
use utoipa::openapi::{RefOr, Type};

pub(in crate::http::openapi) fn method(route: &Route) -> &'static str {
    match route.serves {
        Serves::Verdict | Serves::Detector => "POST",
        Serves::Detectors | Serves::Decisions => "GET",
    }
}

/// `index` counts the declared routes.
pub(in crate::http::openapi) fn describe(config: &Config, index: usize, route: &Route) -> Description {
    let id = format!("declared_{}_{}", index + 1, words(&route.path).join("_"));
    let new = |summary: &str, details: &str| Description::new(id, DECLARED, format!("{} ({summary})", route.path), details);
    match route.serves {
        Serves::Verdict => new("verdicts", "Rows are judged by all detectors; any wrong row refuses the request.")
            .parameters([scoring::idempotency_key()])
            .body(scoring::rows(config))
            .answer(200, json("The verdict, or in a list one for each row.", one_or_list(config, route)))
            .problems(scoring::of_rows(config))
            .problems(scoring::of_deciding())
            .problems(of_no_verdict(route)),
        Serves::Detector => new("one detector", "Rows are judged by one detector; any wrong row refuses the request.")
            .parameters(by_path(config, route))
            .body(scoring::rows(config))
            .answer(200, json("The vote, or in a list one for each row.", one_or_list(config, route)))
            .problems(scoring::of_rows(config))
            .problems(by_path(config, route).map(|_| scoring::no_detector(config)))
            .problems([
                Problem::overloaded(config.limits.timeout),
                Problem::no_verdict("the detector abstained: timeout: it took too long"),
            ]),
        Serves::Detectors => new("names of the detectors", "").answer(200, json("The names.", list(name_of_detector(config)))),
        Serves::Decisions => new("decisions", "Decisions, newest first.")
            .parameters(entity(route))
            .parameters(decisions::pages("decisions"))
            .parameters([decisions::tenant()])
            .answer(200, json("A page of decisions.", list(answer(config, route))).header("Link", decisions::next_page()))
            .problems(decisions::of_query())
            .problems([Problem::bad_cursor("`cursor`: this is not a cursor")])
            .problems(entity(route).into_iter().flat_map(|_| [Problem::no_entity(), Problem::no_entities("nobody can be found by this")]))
            .problems(of_reading(config)),
    }
}

/// The letters and digits of a path.
fn words(path: &str) -> Vec<&str> {
    path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect()
}

/// A route whose answers have no place for "nobody knows" refuses to guess.
fn of_no_verdict(route: &Route) -> Option<Problem> {
    let guesses = !route.answer.values().any(|answer| *answer == Answer::Outcome);
    guesses.then(|| Problem::no_verdict("too few detectors voted, and this route's answer has no `outcome` that could say so"))
}

fn by_path(config: &Config, route: &Route) -> Option<Parameter> {
    route.detector.is_none().then(|| detector(config))
}

fn entity(route: &Route) -> Option<Parameter> {
    let key = text().min_length(Some(1)).max_length(Some(crate::http::decisions::query::LONGEST_VALUE));
    route.path.contains("{entity}").then(|| parameter(ParameterIn::Path, "entity", "Whom the decisions are about.", key))
}

fn one_or_list(config: &Config, route: &Route) -> OneOfBuilder {
    OneOfBuilder::new().item(answer(config, route)).item(list(answer(config, route)).title(Some("List of answers")))
}

/// The answer to a row.
fn answer(config: &Config, route: &Route) -> ObjectBuilder {
    let mut properties = IndexMap::<String, Shape>::new();
    for (key, answer) in &route.answer {
        if key == Route::WHOLE {
            // The fields of the row, over what stands before them.
            let stored = config
                .schema
                .fields()
                .iter()
                .zip(&config.storing)
                .filter_map(|(field, storing)| Some((field.name.clone(), RefOr::from(row::stored_field(field, *storing)?))));
            properties.extend(stored);
        } else {
            properties.insert(key.clone(), self::shape(config, route.serves, *answer));
        }
    }
    let required = route.answer.keys().filter(|key| *key != Route::WHOLE);
    let object = properties.into_iter().fold(of(Type::Object), |object, (key, shape)| object.property(key, shape));
    required.fold(object, |object, key| object.required(key))
}

fn shape(config: &Config, serves: Serves, answer: Answer) -> Shape {
    let nullable = |shape: ObjectBuilder, kind: Type| -> ObjectBuilder { shape.schema_type(or_null(kind)) };
    match answer {
        // In a list of decisions, null where too few detectors voted to say so.
        Answer::Anomalous if serves == Serves::Decisions => nullable(truth(), Type::Boolean).into(),
        Answer::Anomalous => truth().into(),
        // Null where they are withheld from the caller; a rule that counts votes has no threshold at all.
        Answer::Score => nullable(score(), Type::Number).into(),
        Answer::RawScore | Answer::Threshold => nullable(of(Type::Number), Type::Number).into(),
        Answer::Outcome => named("Outcome").into(),
        Answer::Id | Answer::Entity => ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])).into(),
        Answer::Detector => name_of_detector(config).into(),
        Answer::Decision => uuid().into(),
        Answer::Decided => moment().into(),
        Answer::At => nullable(moment(), Type::String).into(),
        Answer::Reasons => list(text()).schema_type(or_null(Type::Array)).into(),
        Answer::Row => named("StoredRow").into(),
    }
}

fn name_of_detector(config: &Config) -> ObjectBuilder {
    one_of(config.detectors.iter().map(|detector| detector.name.as_str()))
}
