//! From what an operation's author says of it to the whole of it: permission, security, errors and headers follow from tables.

use super::security;
use super::shape::{of, text};
use crate::access::Permission;
use crate::config::Config;
use crate::http::{Needs, Problem};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::AllOfBuilder;
use utoipa::openapi::{ComponentsBuilder, ContentBuilder, Ref, RefOr, Required, Type};

/// What its author says of an operation.
pub(super) struct Description {
    /// A name that is there once: clients make functions of it.
    pub(super) id: String,
    pub(super) tag: &'static str,
    /// A line.
    pub(super) summary: String,
    /// More, as Markdown.
    pub(super) details: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<RequestBody>,
    /// What it answers when all went well; a status more than once is not meant to be.
    pub(super) answers: Vec<(u16, Response)>,
    /// What it can answer otherwise. What every operation can is added.
    pub(super) problems: Vec<Problem>,
}

impl Description {
    pub(super) fn new(id: impl Into<String>, tag: &'static str, summary: impl Into<String>, details: impl Into<String>) -> Self {
        let (id, summary, details) = (id.into(), summary.into(), details.into());
        Self { id, tag, summary, details, parameters: Vec::new(), body: None, answers: Vec::new(), problems: Vec::new() }
    }

    pub(super) fn parameters(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    pub(super) fn body(mut self, body: RequestBody) -> Self {
        self.body = Some(body);
        self
    }

    pub(super) fn answer(mut self, status: u16, answer: impl Into<Response>) -> Self {
        self.answers.push((status, answer.into()));
        self
    }

    pub(super) fn problems(mut self, problems: impl IntoIterator<Item = Problem>) -> Self {
        self.problems.extend(problems);
        self
    }
}

/// What every operation can answer: by whom it is called, and what goes wrong for reasons of the service's own.
fn of_every_operation(needs: &Needs) -> Vec<Problem> {
    let every = [Problem::bad_host("the request has no Host"), Problem::invalid_credential(), Problem::internal()];
    let guarded = (*needs != Needs::Nothing).then(|| [Problem::no_credential(), Problem::forbidden(&example_permission(needs))]);
    every.into_iter().chain(guarded.into_iter().flatten()).collect()
}

fn example_permission(needs: &Needs) -> Permission {
    match needs {
        Needs::The(permission) => permission.clone(),
        Needs::Nothing | Needs::ScoreOfNamedDetector | Needs::ScoreOfNamedModel | Needs::ScoreOfModelInMessage => Permission::Score,
    }
}

/// The whole operation, and its method.
pub(super) fn complete(
    config: &Config,
    method: &str,
    needs: &Needs,
    description: Description,
    common: &mut Common,
) -> (HttpMethod, Operation) {
    let permission = security::permission(needs);
    let words = match &permission {
        Some(permission) => format!("{}\n\nNeeds the permission `{permission}`.", description.details),
        None => format!("{}\n\nNeeds no permission.", description.details),
    };
    let in_path = description.parameters.iter().any(|parameter| parameter.parameter_in == ParameterIn::Path);
    let mut operation = OperationBuilder::new()
        .operation_id(Some(description.id))
        .tag(description.tag)
        .summary(Some(description.summary))
        .description(Some(words.trim_start()))
        .parameters(Some(description.parameters))
        .parameter_ref(Ref::new("#/components/parameters/RequestId"))
        .request_body(description.body)
        .securities(Some(security::requirements(config, needs)));
    if let Some(permission) = permission {
        operation = operation.extensions(Some(ExtensionsBuilder::new().add("x-permission", permission).build()));
    }
    for (status, answer) in description.answers {
        operation = operation.response(status.to_string(), with_request_id(answer));
    }
    let mut by_status = BTreeMap::<u16, Vec<Problem>>::new();
    // With nothing in the place of a parameter it is another path.
    let not_found = in_path.then(Problem::not_found);
    for problem in description.problems.into_iter().chain(not_found).chain(of_every_operation(needs)) {
        by_status.entry(problem.status()).or_default().push(problem);
    }
    for (status, problems) in by_status {
        operation = operation.response(status.to_string(), common.refused(problems));
    }
    (self::method(method), operation.build())
}

fn method(name: &str) -> HttpMethod {
    match name {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn with_request_id(mut answer: Response) -> Response {
    answer.headers.insert("x-request-id".into(), RefOr::Ref(Ref::new("#/components/headers/RequestId")));
    answer
}

/// What several operations share: refusals with the same codes are one component.
#[derive(Default)]
pub(super) struct Common {
    refusals: BTreeMap<String, Response>,
}

impl Common {
    /// The response that stands for these problems, all of one status.
    fn refused(&mut self, mut problems: Vec<Problem>) -> Ref {
        problems.sort_by_key(Problem::code);
        problems.dedup_by_key(|problem| problem.code());
        let name = problems.iter().map(|problem| camel(problem.code())).collect::<Vec<_>>().join("Or");
        // The same code can come with two statuses.
        let name = format!("{name}{}", problems.first().map_or(0, Problem::status));
        self.refusals.entry(name.clone()).or_insert_with(|| refusal(&problems));
        Ref::from_response_name(name)
    }

    /// All components.
    pub(super) fn into_components(self, components: ComponentsBuilder) -> ComponentsBuilder {
        let id = || text().min_length(Some(1)).max_length(Some(128)).pattern(Some("^[!-~]+$"));
        let parameter = ParameterBuilder::new()
            .name("x-request-id")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Under which name the request is logged and answered. Without one, or with one that is no 1 to 128 visible ASCII characters, it gets a new one.",
            ))
            // Any text is taken, so that a proxy's odd one costs nobody a request.
            .schema(Some(text()));
        let header = HeaderBuilder::new().schema(Some(id())).description(Some("The request's id, as it is logged."));
        components.parameter("RequestId", parameter.build()).header("RequestId", header.build()).responses_from_iter(self.refusals)
    }
}

fn camel(code: &str) -> String {
    let capital = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>();
    code.split('_').map(capital).collect()
}

fn refusal(problems: &[Problem]) -> Response {
    let status = problems.first().map_or(500, Problem::status);
    let codes = of(Type::Object)
        .property("code", text().enum_values(Some(problems.iter().map(Problem::code))))
        .property("status", of(Type::Integer).enum_values(Some([Value::from(status)])));
    let schema = AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(codes);
    let example = |problem: &Problem| (problem.code(), ExampleBuilder::new().value(Some(json!(problem))).build());
    let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(problems.iter().map(example));
    let words = problems.iter().map(|problem| format!("`{}`: {}", problem.code(), problem.title())).collect::<Vec<_>>();
    let mut response = ResponseBuilder::new().description(words.join("; ")).content("application/problem+json", content.build());
    if problems.iter().any(Problem::says_when) {
        let seconds =
            HeaderBuilder::new().schema(Some(of(Type::Integer).minimum(Some(0)))).description(Some("In how many seconds to try again."));
        response = response.header("Retry-After", seconds.build());
    }
    if status == 401 {
        let challenge = HeaderBuilder::new().schema(Some(text())).description(Some("What to come with (RFC 6750)."));
        response = response.header("WWW-Authenticate", challenge.build());
    }
    with_request_id(response.build())
}
