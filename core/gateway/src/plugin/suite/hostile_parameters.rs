//! Parameters: the defaults must do, mistakes must be told by their names, and nothing that is written there may be a trap.

use super::{Answer, BRIEF, Call, Subject, properties};
use serde_json::{Map, Value, json};
use synod_host::{Failure, Refusal};

/// Most parameters of a plugin that are tried one by one.
const MOST_PROPERTIES: usize = 64;
/// Rows that are learnt from where parameters are far out.
const FEW_ROWS: usize = 64;
/// So deep the service reads JSON; what is deeper gets to no plugin.
const DEEPEST: usize = 127;
/// A parameter that no plugin has.
const UNKNOWN: &str = "no_such_parameter";

/// No parameters are right, and so are all defaults of the schema.
pub(super) fn defaults(subject: &Subject<'_>) -> Answer {
    let properties = properties(subject.description());
    let defaults: Map<String, Value> =
        properties.iter().filter_map(|(name, schema)| Some((name.clone(), schema.get("default")?.clone()))).collect();
    for (what, document) in [("no parameters", json!({})), ("all defaults of the schema", Value::Object(defaults.clone()))] {
        match subject.plugin.check(&document.to_string()) {
            Ok(mistakes) if mistakes.is_empty() => {}
            Ok(mistakes) => {
                return Answer::broken(
                    format!("{what} are refused: {}", mistakes.join("; ")),
                    "let every parameter have a default that is right",
                );
            }
            Err(failure) => return Answer::of(&failure, &format!("checking {what}"), Call::Check),
        }
    }
    let without = properties.len() - defaults.len();
    if without > 0 {
        let names: Vec<&str> =
            properties.iter().filter(|(_, schema)| schema.get("default").is_none()).map(|(name, _)| name.as_str()).take(5).collect();
        return Answer::broken(format!("parameters without a default: {}", names.join(", ")), "name each default in the schema");
    }
    Answer::Held(match properties.len() {
        0 => "there are no parameters".to_owned(),
        1 => "one parameter, with a default that is right".to_owned(),
        count => format!("{count} parameters, each with a default that is right"),
    })
}

/// The parameters to fit with are right.
pub(super) fn accepted(subject: &Subject<'_>) -> Answer {
    match subject.plugin.check(&subject.parameters) {
        Ok(mistakes) if mistakes.is_empty() => Answer::Held(subject.parameters.chars().take(200).collect()),
        Ok(mistakes) => {
            let more = mistakes.len().saturating_sub(5);
            let told = mistakes.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
            let told = if more > 0 { format!("{told}; and {more} more") } else { told };
            Answer::broken(told, "mend `parameters` in plugin.yaml (or --parameters)")
        }
        Err(failure) => Answer::of(&failure, "checking the parameters", Call::Check),
    }
}

/// Hostile parameters are mistakes that are named, or are taken; they are never a trap.
pub(super) fn hostile(subject: &Subject<'_>) -> Answer {
    let mut tried = 0;
    for document in nonsense() {
        tried += 1;
        if let Err(answer) = told(subject, &document) {
            return answer;
        }
    }
    let unknown = json!({ UNKNOWN: 1 });
    let known = properties(subject.description());
    let wrong = known
        .iter()
        .take(MOST_PROPERTIES)
        .filter(|(_, schema)| is_typed(schema))
        .map(|(name, _)| (name.as_str(), json!({ name.as_str(): {"\u{7}": [null]} })));
    for (name, document) in std::iter::once((UNKNOWN, unknown)).chain(wrong) {
        tried += 1;
        match must_be_told(subject, name, &document) {
            Ok(()) => {}
            Err(answer) => return answer,
        }
    }
    for (name, _) in known.iter().take(MOST_PROPERTIES) {
        for value in extremes() {
            tried += 1;
            if let Err(answer) = survived(subject, &json!({ name.as_str(): value })) {
                return answer;
            }
        }
    }
    Answer::Held(format!("{tried} hostile documents: mistakes are named, and none is a trap"))
}

/// What is not even an object with parameters.
fn nonsense() -> Vec<String> {
    let texts = ["", "{", "null", "[]", "1", "\"{}\"", "{\"a\":1,\"a\":2}", "{\"\u{0}\":1}", "\u{feff}{}", "{} {}"];
    let mut documents: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    documents.push("[".repeat(DEEPEST));
    documents.push("{\"a\":".repeat(DEEPEST));
    documents.push(json!({ "a".repeat(100_000): 1 }).to_string());
    documents
}

/// Values that fit the type of some parameter, and are far out.
fn extremes() -> Vec<Value> {
    let number = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let mut values: Vec<Value> =
        ["-1", "0", "1e308", "-1e308", "5e-324", "0.5", "9007199254740993", "4294967295", "18446744073709551615"].map(number).into();
    values.extend([
        json!(null),
        json!(true),
        json!(""),
        json!("\u{0}"),
        json!("x".repeat(10_000)),
        json!([]),
        json!({}),
        json!(vec![0; 1000]),
        json!([0, -1, 1e300]),
    ]);
    values
}

/// Whether the schema says anything of a value.
fn is_typed(schema: &Value) -> bool {
    schema
        .as_object()
        .is_some_and(|schema| ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"].iter().any(|key| schema.contains_key(*key)))
}

/// Asks for mistakes: there may be some or none, but an answer.
fn told(subject: &Subject<'_>, document: &str) -> Result<Vec<String>, Answer> {
    let shown: String = document.chars().take(60).collect();
    subject.plugin.check(document).map_err(|failure| Answer::of(&failure, &format!("checking the parameters {shown:?}"), Call::Check))
}

/// A mistake is told with the parameter's name, and a fit is refused.
fn must_be_told(subject: &Subject<'_>, name: &str, document: &Value) -> Result<(), Answer> {
    let mistakes = told(subject, &document.to_string())?;
    if mistakes.is_empty() {
        return Err(Answer::broken(
            format!("{document} is taken without a word"),
            "refuse what is no parameter, and values of another type (in Rust: `deny_unknown_fields`)",
        ));
    }
    if !mistakes.iter().any(|mistake| mistake.contains(name)) {
        return Err(Answer::broken(
            format!("{document} is refused with {:?}", mistakes.join("; ")),
            format!("name the parameter: `{name}`"),
        ));
    }
    match fit(subject, document) {
        Err(Failure::Refused { kind: Refusal::Parameters, .. }) => Ok(()),
        // The host itself refuses a fit without the foreign model that is needed.
        Err(Failure::Refused { kind: Refusal::Artifact, .. }) if subject.artifact.is_none() => Ok(()),
        Err(failure) => Err(Answer::of(&failure, &format!("a fit with {document}"), Call::Fit)),
        Ok(_) => Err(Answer::broken(format!("a fit with {document} goes through"), "have `fit` refuse what `check` refuses")),
    }
}

/// Values far out are a mistake, or can be learnt with; a trap they are not.
fn survived(subject: &Subject<'_>, document: &Value) -> Result<(), Answer> {
    if !told(subject, &document.to_string())?.is_empty() {
        return Ok(());
    }
    match fit(subject, document) {
        // What takes long, or much memory, may do so where somebody wants it.
        Err(failure @ (Failure::Trap { .. } | Failure::Output { .. })) => {
            let shown: String = document.to_string().chars().take(60).collect();
            Err(Answer::of(&failure, &format!("a fit with {shown}, in which `check` found no mistake"), Call::Fit))
        }
        _ => Ok(()),
    }
}

fn fit(subject: &Subject<'_>, document: &Value) -> Result<Vec<u8>, Failure> {
    let (features, text) = (subject.features(), document.to_string());
    let rows = &subject.rows.normal[..subject.rows.count().min(FEW_ROWS) * subject.rows.width()];
    let training = synod_host::Training { parameters: &text, ..subject.training(&features, rows) };
    subject.plugin.fit(&training, &BRIEF, &mut |_, _| {})
}
