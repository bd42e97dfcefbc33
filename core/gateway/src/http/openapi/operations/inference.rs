//! The Open Inference Protocol, by REST. OpenAPI has no words for gRPC, in which the same is served.

use super::{INFERENCE, header, json, parameter, scoring};
use crate::config::Config;
use crate::http::Problem;
use crate::http::openapi::operation::Description;
use crate::http::openapi::row;
use crate::http::openapi::shape::{Shape, list, named, object, of, one_of, text, truth};
use crate::http::problem::Wrong;
use crate::inference::{Given, Model, POLICY, Taken, taken};
use serde_json::{Value, json};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::ObjectBuilder;
use utoipa::openapi::{Content, ContentBuilder, Required, Type};

/// Whether a path names a version of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Model,
    Version,
}

impl Of {
    /// A name for an operation, as in `getModelMetadata` and `getModelVersionMetadata`.
    fn id(self, before: &str, after: &str) -> String {
        format!("{before}{}{after}", if self == Self::Version { "ModelVersion" } else { "Model" })
    }

    fn parameters(self, config: &Config) -> Vec<Parameter> {
        let models = std::iter::once(POLICY).chain(config.detectors.iter().map(|detector| detector.name.as_str()));
        let words = "Which model: a detector, or `policy`, which decides by all of them.";
        let model = parameter(ParameterIn::Path, "model", words, one_of(models));
        let version = parameter(ParameterIn::Path, "version", "The version that is served.", text());
        [model].into_iter().chain((self == Self::Version).then_some(version)).collect()
    }

    fn problems(self) -> impl Iterator<Item = Problem> {
        let version = (self == Self::Version).then(|| Problem::no_version("forest", "7", "1"));
        [Problem::no_model("other", &[POLICY.into(), "forest".into()])].into_iter().chain(version)
    }
}

fn about(of: Of, id: String, config: &Config, summary: &str, details: &str) -> Description {
    Description::new(id, INFERENCE, summary, details).parameters(of.parameters(config)).problems(of.problems())
}

pub(super) fn server() -> Description {
    let schema = object([("name", text().into()), ("version", text().into()), ("extensions", list(text()).into())]);
    Description::new("getInferenceServer", INFERENCE, "What serves models", "").answer(200, json("Its name, and what it can do.", schema))
}

pub(super) fn live() -> Description {
    Description::new("isInferenceLive", INFERENCE, "Whether it lives", "").answer(200, json("It does.", object([("live", truth().into())])))
}

pub(super) fn ready() -> Description {
    let readiness = || object([("ready", truth().into())]);
    Description::new("isInferenceReady", INFERENCE, "Whether every model can be asked", "")
        .answer(200, json("All can.", readiness()))
        .answer(400, json("Some cannot: the protocol wants this status.", readiness()))
}

pub(super) fn model_ready(config: &Config, of: Of) -> Description {
    let readiness = || object([("name", text().into()), ("ready", truth().into())]);
    about(of, of.id("is", "Ready"), config, "Whether a model can be asked", "")
        .answer(200, json("It can.", readiness()))
        .answer(400, json("It cannot: the protocol wants this status.", readiness()))
}

pub(super) fn metadata(config: &Config, of: Of) -> Description {
    about(of, of.id("get", "Metadata"), config, "What a model takes and gives", "")
        .answer(200, json("Its inputs and outputs.", named("ModelMetadata")))
}

pub(super) fn configuration(config: &Config, of: Of) -> Description {
    about(of, of.id("get", "Configuration"), config, "A model's configuration", "An extension of Triton's.")
        .answer(200, json("The configuration.", named("ModelConfiguration")))
}

pub(super) fn statistics(config: &Config, of: Of) -> Description {
    about(of, of.id("get", "Statistics"), config, "How often a model was asked", "An extension of Triton's.")
        .answer(200, json("Since the start.", named("ModelStatistics")))
}

pub(super) fn all_statistics() -> Description {
    Description::new("listModelStatistics", INFERENCE, "How often each model was asked", "An extension of Triton's.")
        .answer(200, json("Since the start.", named("ModelStatistics")))
}

pub(super) fn index() -> Description {
    let entry = object([
        ("name", text().into()),
        ("version", text().into()),
        ("state", one_of(["READY", "UNAVAILABLE"]).into()),
        ("reason", text().into()),
    ]);
    let body = RequestBodyBuilder::new()
        .required(Some(Required::False))
        .description(Some("Which models, in at most 64 KiB."))
        .content("application/json", content(named("RepositoryIndexRequest")));
    Description::new("listModels", INFERENCE, "List the models", "An extension of Triton's.")
        .body(body.build())
        .answer(200, json("The models.", list(entry)))
        .problems([Problem::invalid_request("the request is no JSON object but a list"), Problem::too_large(64 << 10)])
}

/// Loading or unloading.
pub(super) fn fixed(id: &str, summary: &str) -> Description {
    let words = "Is refused: `synod fit` makes versions, and the service serves them from its next start on.";
    let model = parameter(ParameterIn::Path, "model", "Which model.", text());
    Description::new(id, INFERENCE, summary, words).parameters([model]).problems([Problem::models_are_fixed()])
}

pub(super) fn infer(config: &Config, of: Of) -> Description {
    let words = "Judges rows that come as tensors. The model `policy` decides as `score` does, and what it decides is stored; that of a \
                 detector votes as `scoreByDetector` does, and leaves no trace. Needs `score:policy` for `policy`, and to see scores \
                 `scores:read` as well. Any wrong row refuses the request. A body can be compressed (`Content-Encoding`: gzip or deflate), and \
                 an answer is for those who ask (`Accept-Encoding`).";
    let length = of_length("How many bytes of the body are JSON, if tensors follow in binary form.");
    about(of, of.id("infer", ""), config, "Judge rows by a model", words)
        .parameters([parameter(ParameterIn::Header, LENGTH, "How many bytes of the body are JSON, if more follows.", length)])
        .parameters([scoring::idempotency_key()])
        .body(tensors(config))
        .answer(200, outputs())
        .problems(of_tensors(config))
        .problems(scoring::of_deciding())
        .problems([Problem::no_verdict("too few detectors voted")])
}

const LENGTH: &str = "Inference-Header-Content-Length";

fn of_length(words: &str) -> ObjectBuilder {
    of(Type::Integer).minimum(Some(0)).description(Some(words))
}

fn content(schema: impl Into<Shape>) -> Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

fn tensors(config: &Config) -> RequestBody {
    let words = format!(
        "Tensors of at most {} rows, in at most {} bytes: as JSON, or as JSON that is followed by the tensors that are in binary form.",
        config.limits.rows, config.limits.body
    );
    let json = ContentBuilder::new().schema(Some(named("InferenceRequest"))).example(Some(example(config))).build();
    let body = RequestBodyBuilder::new().required(Some(Required::True)).description(Some(words));
    body.content("application/json", json).content("application/octet-stream", content(text())).build()
}

/// The example of a row, as tensors.
fn example(config: &Config) -> Value {
    let row = row::example(&config.schema);
    let tensor = |taken: Taken<'_>| {
        let value = row.get(taken.name).filter(|value| !value.is_null())?;
        Some(json!({"name": taken.name, "datatype": taken.datatype.name(), "shape": [1], "data": [value]}))
    };
    json!({"inputs": taken(&config.schema).filter_map(tensor).collect::<Vec<_>>()})
}

fn outputs() -> ResponseBuilder {
    let length = HeaderBuilder::new().schema(Some(of_length("How many bytes are JSON, if tensors follow."))).build();
    json("The outputs; with those that were asked for in binary form after the JSON.", named("InferenceResponse"))
        .content("application/octet-stream", content(text()))
        .header(LENGTH, length)
        .header("Content-Encoding", header("How it is compressed, if it is."))
}

fn of_tensors(config: &Config) -> Vec<Problem> {
    let missing = Wrong { pointer: "/inputs".into(), detail: "input `amount` is missing".into() };
    vec![
        Problem::invalid_request("missing field `inputs` at line 1 column 2"),
        Problem::invalid_tensors(vec![missing]),
        Problem::no_shared_memory(),
        Problem::unsupported("the body's Content-Encoding is not read; gzip and deflate are, one of them"),
        Problem::too_large(config.limits.body),
        scoring::beyond_quota(),
    ]
}

/// What the answers are made of.
pub(in crate::http::openapi) fn schemas() -> Vec<(&'static str, Shape)> {
    let datatype = || named("Datatype").into();
    let shape = || list(of(Type::Integer)).into();
    let optional = object([("optional", truth().into())]);
    let input = object([("name", text().into()), ("datatype", datatype()), ("shape", shape()), ("parameters", optional.into())]);
    let output = object([("name", given()), ("datatype", datatype()), ("shape", shape())]);
    let columns = text().description(Some("The fields that one tensor of all fields holds, in its order, with commas between them."));
    let metadata = object([
        ("name", text().into()),
        ("versions", list(text()).into()),
        ("platform", text().into()),
        ("inputs", list(input).into()),
        ("outputs", list(output).into()),
        ("parameters", of(Type::Object).property("columns_of_matrix", columns).into()),
    ]);
    vec![("ModelMetadata", metadata.into()), ("ModelConfiguration", configured()), ("ModelStatistics", counted())]
}

/// The name of an output.
fn given() -> Shape {
    let mut names: Vec<&str> = Model::Policy.gives().iter().chain(Model::Detector(0).gives()).copied().map(Given::name).collect();
    names.sort_unstable();
    names.dedup();
    one_of(names).into()
}

fn configured() -> Shape {
    let tensor = |name: Shape| {
        let dims = list(of(Type::Integer)).into();
        [("name", name), ("data_type", text().pattern(Some("^TYPE_[A-Z0-9]+$")).into()), ("dims", dims)]
    };
    let input = object(tensor(text().into()).into_iter().chain([("optional", truth().into())]));
    let latest = object([("num_versions", of(Type::Integer).into())]);
    object([
        ("name", text().into()),
        ("platform", text().into()),
        ("backend", text().into()),
        ("version_policy", object([("latest", latest.into())]).into()),
        ("max_batch_size", of(Type::Integer).into()),
        ("input", list(input).into()),
        ("output", list(object(tensor(given()))).into()),
    ])
    .into()
}

fn counted() -> Shape {
    let number = || of(Type::Integer).minimum(Some(0));
    let sum = || object([("count", number().into()), ("ns", number().into())]);
    let kinds = ["success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"];
    let model = object([
        ("name", text().into()),
        ("version", text().into()),
        ("last_inference", number().description(Some("When, in milliseconds since 1970; 0 is never.")).into()),
        ("inference_count", number().description(Some("Rows.")).into()),
        ("execution_count", number().description(Some("Requests.")).into()),
        ("inference_stats", object(kinds.map(|kind| (kind, sum().into()))).into()),
        ("batch_stats", list(of(Type::Object)).into()),
    ]);
    object([("model_stats", list(model).into())]).into()
}
