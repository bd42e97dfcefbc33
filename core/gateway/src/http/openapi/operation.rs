//! From what an operation's author says of it to the whole of it: permission, security, errors and headers follow from tables.

use super::security;
use super::shape::{of, text};
use crate::access::Permission;
use crate::config::Config;
use crate::http::{Needs, Problem, inference, limits, oauth};
use crate::limiting::{Standing, Unit};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder};
use utoipa::openapi::{ComponentsBuilder, ContentBuilder, Ref, RefOr, Required, Type};

/// What the fields of draft-ietf-httpapi-ratelimit-headers-11 say.
const LIMIT: &str = "What is left of the quota of which the least is left: its name, `r` what is left, `t` in how many seconds more of it can \
                     be had. Not there where nothing limits the caller.";
const POLICY: &str = "That quota: its name, `q` how much it allows, `qu` of what (requests, if nothing is said), `w` in how many seconds.";

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

/// Where an operation stands: what follows from that is not said by its author.
pub(super) struct Place<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) needs: &'a Needs,
}

impl Place<'_> {
    /// Whether clients authenticate there by themselves, and are told of their mistakes in the operation's own words.
    fn is_for_clients_of_oauth(&self) -> bool {
        self.path == oauth::TOKEN_PATH
    }

    fn is_limited(&self) -> bool {
        limits::is_limited_path(self.path)
    }

    fn tells(&self) -> Tells {
        if inference::is_its_path(self.path) { Tells::WithError } else { Tells::Problems }
    }
}

/// What every operation can answer: by whom it is called, what limits its callers, and what goes wrong for reasons of the service's own.
fn of_every_operation(config: &Config, place: &Place<'_>, reads_body: bool) -> Vec<Problem> {
    let mut problems = vec![Problem::bad_host("the request has no Host"), Problem::internal()];
    if !place.is_for_clients_of_oauth() {
        problems.push(Problem::invalid_credential());
        problems.extend(reads_body.then(|| of_every_body(config)).into_iter().flatten());
    }
    if *place.needs != Needs::Nothing {
        problems.extend([Problem::no_credential(), Problem::forbidden(&example_permission(place.needs))]);
    }
    if place.is_limited() {
        problems.push(quota_exceeded());
    }
    problems
}

/// What `http/body.rs` answers.
fn of_every_body(config: &Config) -> [Problem; 3] {
    let full = "the bodies of other requests take all the memory that there is for them; try again later";
    [Problem::body_incomplete(), Problem::too_large(config.limits.body), Problem::at_capacity("memory", full)]
}

fn quota_exceeded() -> Problem {
    let standing = Standing { policy: "principal", unit: Unit::Requests, quota: 100, window: Some(60), remaining: 0, reset: Some(1) };
    Problem::quota_exceeded(&standing, Duration::from_secs(1))
}

fn example_permission(needs: &Needs) -> Permission {
    match needs {
        Needs::The(permission) => permission.clone(),
        Needs::Nothing | Needs::ScoreOfNamedDetector | Needs::ScoreOfNamedModel | Needs::ScoreOfModelInMessage => Permission::Score,
    }
}

/// The whole operation, and its method.
pub(super) fn complete(config: &Config, place: &Place<'_>, description: Description, common: &mut Common) -> (HttpMethod, Operation) {
    let permission = security::permission(place.needs);
    let words = match &permission {
        Some(permission) => format!("{}\n\nNeeds the permission `{permission}`.", description.details),
        None => format!("{}\n\nNeeds no permission.", description.details),
    };
    let in_path = description.parameters.iter().any(|parameter| parameter.parameter_in == ParameterIn::Path);
    let reads_body = description.body.is_some();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(description.id))
        .tag(description.tag)
        .summary(Some(description.summary))
        .description(Some(words.trim_start()))
        .parameters(Some(description.parameters))
        .parameter_ref(Ref::new("#/components/parameters/RequestId"))
        .request_body(description.body)
        .securities(Some(security::requirements(config, place.needs)));
    if let Some(permission) = permission {
        operation = operation.extensions(Some(ExtensionsBuilder::new().add("x-permission", permission).build()));
    }
    let mut by_status = BTreeMap::<u16, Vec<Problem>>::new();
    // With nothing in the place of a parameter it is another path.
    let not_found = in_path.then(Problem::not_found);
    for problem in description.problems.into_iter().chain(not_found).chain(of_every_operation(config, place, reads_body)) {
        by_status.entry(problem.status()).or_default().push(problem);
    }
    for (status, answer) in description.answers {
        // A status can stand for an answer and for problems as well: then the content type tells which it is.
        let answer = match by_status.remove(&status) {
            Some(problems) => either(answer, refusal(&sorted(problems), place.tells())),
            None => answer,
        };
        operation = operation.response(status.to_string(), with_common_headers(answer, place.is_limited()));
    }
    for (status, problems) in by_status {
        operation = operation.response(status.to_string(), common.refused(problems, place.tells()));
    }
    (self::method(place.method), operation.build())
}

/// This answer or that one, whose content types are different.
fn either(mut one: Response, other: Response) -> Response {
    one.description = format!("{} Or {}", one.description, other.description);
    one.headers.extend(other.headers);
    one.content.extend(other.content);
    one
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

/// Headers that every answer has, or every one of a route that is limited.
fn with_common_headers(mut answer: Response, is_limited: bool) -> Response {
    let limits = is_limited.then_some([("RateLimit", "RateLimit"), ("RateLimit-Policy", "RateLimitPolicy")]);
    for (name, component) in [("x-request-id", "RequestId")].into_iter().chain(limits.into_iter().flatten()) {
        answer.headers.insert(name.into(), RefOr::Ref(Ref::new(format!("#/components/headers/{component}"))));
    }
    answer
}

/// How problems are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tells {
    /// As they are.
    Problems,
    /// With the one member more that clients of the Open Inference Protocol read.
    WithError,
}

/// What several operations share: refusals with the same codes are one component.
#[derive(Default)]
pub(super) struct Common {
    refusals: BTreeMap<String, Response>,
}

impl Common {
    /// The response that stands for these problems, all of one status.
    fn refused(&mut self, problems: Vec<Problem>, tells: Tells) -> Ref {
        let problems = sorted(problems);
        let name = problems.iter().map(|problem| camel(problem.code())).collect::<Vec<_>>().join("Or");
        // The same code can come with two statuses.
        let suffix = if tells == Tells::WithError { "OfInference" } else { "" };
        let name = format!("{name}{}{suffix}", problems.first().map_or(0, Problem::status));
        self.refusals.entry(name.clone()).or_insert_with(|| refusal(&problems, tells));
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
        let header = |schema: ObjectBuilder, words: &str| HeaderBuilder::new().schema(Some(schema)).description(Some(words)).build();
        components
            .parameter("RequestId", parameter.build())
            .header("RequestId", header(id(), "The request's id, as it is logged."))
            .header("RateLimit", header(text(), LIMIT))
            .header("RateLimitPolicy", header(text(), POLICY))
            .responses_from_iter(self.refusals)
    }
}

fn camel(code: &str) -> String {
    let capital = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>();
    code.split('_').map(capital).collect()
}

/// Each code once, in order.
fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(Problem::code);
    problems.dedup_by_key(|problem| problem.code());
    problems
}

fn refusal(problems: &[Problem], tells: Tells) -> Response {
    let status = problems.first().map_or(500, Problem::status);
    let mut codes = of(Type::Object)
        .property("code", text().enum_values(Some(problems.iter().map(Problem::code))))
        .property("status", of(Type::Integer).enum_values(Some([Value::from(status)])));
    if tells == Tells::WithError {
        codes = codes.property("error", text().description(Some("The detail."))).required("error");
    }
    let schema = AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(codes);
    let example = |problem: &Problem| (problem.code(), ExampleBuilder::new().value(Some(self::example(problem, tells))).build());
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
    // By whom a request is refused, and so whether it was counted before, the component cannot know.
    with_common_headers(response.build(), true)
}

fn example(problem: &Problem, tells: Tells) -> Value {
    let mut example = json!(problem);
    if let (Tells::WithError, Some(members)) = (tells, example.as_object_mut()) {
        members.insert("error".into(), problem.detail().into());
    }
    example
}
