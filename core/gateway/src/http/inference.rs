//! The Open Inference Protocol, version 2: its routes by REST, with binary tensors and compression as Triton's clients use them, and its
//! gRPC service on the same listener. What the protocol is about, whatever carries it, stands in `crate::inference`.

mod answer;
mod compression;
mod errors;
mod grpc;
mod request;

pub(super) use answer::Header as InferenceResponse;
pub(super) use errors::{in_its_words, is_its_path};
pub(super) use grpc::grpc;
pub(super) use request::Header as InferenceRequest;

use self::compression::Encoding;
use self::request::Read;
use super::guard::permitted;
use super::score::{self, json};
use super::{Problem, Service, body};
use crate::access::{Caller, Permission};
use crate::inference::{self, Counted, Datatype, Mistake, Model, NoModel, NotGiven, Output, Sum, Took};
use crate::ledger::Asked;
use crate::telemetry::tracing::Hop;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;
use synod_detection::Batch;
use utoipa::ToSchema;

/// What serves, as clients are told.
const NAME: &str = "synod";
/// The extensions of the protocol that are served.
const EXTENSIONS: [&str; 4] = ["binary_tensor_data", "model_configuration", "model_repository", "statistics"];
/// Most bytes of a request that only asks.
const SMALL: usize = 64 << 10;

/// Which model a path names; no version is the one that is served.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    model: String,
    #[serde(default)]
    version: String,
}

/// A path whose parameters are no text names nothing.
type ModelPath = Result<Path<Named>, PathRejection>;

fn find(service: &Service, name: &str, version: &str) -> Result<Model, Problem> {
    Model::find(&service.engine, name, version).map_err(|none| match none {
        NoModel::Name(known) => Problem::no_model(name, &known),
        NoModel::Version(served) => Problem::no_version(name, version, &served),
    })
}

fn named(service: &Service, path: ModelPath) -> Result<Model, Problem> {
    let Path(named) = path.map_err(|_| Problem::not_found())?;
    find(service, &named.model, &named.version)
}

pub(super) async fn server() -> Result<Response, Problem> {
    json(&json!({"name": NAME, "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS}))
}

pub(super) async fn live() -> Result<Response, Problem> {
    json(&json!({"live": true}))
}

pub(super) async fn ready(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let ready = is_ready(&service);
    readiness(ready, &json!({"ready": ready}))
}

fn is_ready(service: &Service) -> bool {
    service.engine.detectors().iter().all(|detector| detector.is_ready())
}

pub(super) async fn model_ready(State(service): State<Arc<Service>>, path: ModelPath) -> Result<Response, Problem> {
    let model = named(&service, path)?;
    let ready = model.is_ready(&service.engine);
    readiness(ready, &json!({"name": model.name(&service.engine), "ready": ready}))
}

/// The protocol has "not ready" be a status from 400 on, and its clients look at nothing else.
fn readiness(ready: bool, answer: &Value) -> Result<Response, Problem> {
    let mut response = json(answer)?;
    if !ready {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}

pub(super) async fn metadata(State(service): State<Arc<Service>>, path: ModelPath) -> Result<Response, Problem> {
    let model = named(&service, path)?;
    let (engine, schema) = (&service.engine, service.engine.schema());
    let taken = |taken: inference::Taken<'_>| {
        let parameters = json!({"optional": taken.optional});
        json!({"name": taken.name, "datatype": taken.datatype.name(), "shape": [-1], "parameters": parameters})
    };
    let given = |given: &inference::Given| json!({"name": given.name(), "datatype": given.datatype().name(), "shape": [-1]});
    let mut parameters = Map::new();
    if let Ok(fields) = inference::matrix(schema) {
        // One input of any other name stands for all: its columns are these.
        parameters.insert("columns_of_matrix".into(), fields.join(",").into());
    }
    json(&json!({
        "name": model.name(engine),
        "versions": [model.version(engine)],
        "platform": model.platform(),
        "inputs": inference::taken(schema).map(taken).collect::<Vec<_>>(),
        "outputs": model.gives().iter().map(given).collect::<Vec<_>>(),
        "parameters": parameters,
    }))
}

pub(super) async fn configuration(State(service): State<Arc<Service>>, path: ModelPath) -> Result<Response, Problem> {
    let model = named(&service, path)?;
    let schema = service.engine.schema();
    let input = |taken: inference::Taken<'_>| json!({"name": taken.name, "data_type": type_name(taken.datatype), "dims": [-1], "optional": taken.optional});
    let output = |given: &inference::Given| json!({"name": given.name(), "data_type": type_name(given.datatype()), "dims": [-1]});
    json(&json!({
        "name": model.name(&service.engine),
        "platform": model.platform(),
        "backend": NAME,
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 0,
        "input": inference::taken(schema).map(input).collect::<Vec<_>>(),
        "output": model.gives().iter().map(output).collect::<Vec<_>>(),
    }))
}

/// A datatype as Triton's configurations name it.
fn type_name(datatype: Datatype) -> String {
    match datatype {
        Datatype::Bytes => "TYPE_STRING".into(),
        other => format!("TYPE_{}", other.name()),
    }
}

pub(super) async fn statistics(State(service): State<Arc<Service>>, path: ModelPath) -> Result<Response, Problem> {
    let model = named(&service, path)?;
    json(&json!({"model_stats": [counted(&service, model)]}))
}

pub(super) async fn all_statistics(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    json(&json!({"model_stats": Model::all(&service.engine).map(|model| counted(&service, model)).collect::<Vec<_>>()}))
}

fn counted(service: &Service, model: Model) -> Value {
    let Counted { last, rows, succeeded, failed, input, inference, output } = service.inferences.counted(model);
    let sum = |sum: Sum| json!({"count": sum.count, "ns": sum.nanoseconds});
    json!({
        "name": model.name(&service.engine),
        "version": model.version(&service.engine),
        "last_inference": last,
        "inference_count": rows,
        "execution_count": succeeded.count,
        "inference_stats": {
            "success": sum(succeeded),
            "fail": sum(failed),
            "queue": sum(Sum::default()),
            "compute_input": sum(input),
            "compute_infer": sum(inference),
            "compute_output": sum(output),
            "cache_hit": sum(Sum::default()),
            "cache_miss": sum(Sum::default()),
        },
        "batch_stats": [],
    })
}

/// Which models are listed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = RepositoryIndexRequest)]
pub(super) struct IndexOf {
    /// Only those that are ready.
    #[serde(default)]
    ready: bool,
}

pub(super) async fn index(State(service): State<Arc<Service>>, body: Body) -> Result<Response, Problem> {
    let bytes = body::read(&service, body).await?;
    let asked = match bytes.trim_ascii() {
        [] => IndexOf::default(),
        _ if bytes.len() > SMALL => return Err(Problem::too_large(SMALL)),
        // Derived types take a list for an object.
        [b'[', ..] => return Err(Problem::invalid_request("the request is no JSON object but a list")),
        text => serde_json::from_slice(text).map_err(|error| Problem::invalid_request(error.to_string()))?,
    };
    let models = Model::all(&service.engine).filter(|model| !asked.ready || model.is_ready(&service.engine));
    let entry = |model: Model| {
        let (state, reason) = state(&service, model);
        json!({"name": model.name(&service.engine), "version": model.version(&service.engine), "state": state, "reason": reason})
    };
    json(&models.map(entry).collect::<Vec<_>>())
}

/// A model's state as the protocol names it, and why it is so.
fn state(service: &Service, model: Model) -> (&'static str, &'static str) {
    match (model.is_ready(&service.engine), model) {
        (true, _) => ("READY", ""),
        (false, Model::Policy) => ("UNAVAILABLE", "fewer detectors can vote than the policy asks for"),
        (false, Model::Detector(_)) => ("UNAVAILABLE", "the detector did not start; the log says why"),
    }
}

pub(super) async fn models_are_fixed() -> Problem {
    Problem::models_are_fixed()
}

pub(super) async fn no_shared_memory() -> Problem {
    Problem::no_shared_memory()
}

pub(super) async fn infer(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    path: ModelPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let model = named(&service, path)?;
    let bytes = body::read(&service, body).await?;
    let started = Instant::now();
    let answered = answered(&service, &caller, model, &headers, bytes).await;
    if answered.is_err() {
        service.inferences.refused(model, started.elapsed());
    }
    answered
}

async fn answered(service: &Arc<Service>, caller: &Caller, model: Model, headers: &HeaderMap, bytes: Bytes) -> Result<Response, Problem> {
    let encoding = Encoding::accepted(headers);
    let asked = score::asked(service, caller, headers, &bytes)?;
    let mut clock = Clock::start();
    let Read { id, batch, selected, binary, for_pandas } = Hop::Schema.during(|| {
        let bytes = compression::plain(headers, bytes, service.config.limits.body)?;
        request::read(service, model, caller, headers, &bytes)
    })?;
    clock.took.input = clock.lap();
    let rows = batch.rows();
    let outputs = judged(service, caller, model, batch, asked, &selected).await?;
    clock.took.inference = clock.lap();
    let answer = answer::Answer { model, id: id.as_deref(), outputs: &outputs, binary: &binary, for_pandas };
    let response = Hop::Answer.during(|| answer::response(&service.engine, &answer, encoding))?;
    clock.took.output = clock.lap();
    clock.note(service, model, rows);
    Ok(response)
}

/// The time that each step of an answer takes.
struct Clock {
    last: Instant,
    took: Took,
}

impl Clock {
    fn start() -> Self {
        Self { last: Instant::now(), took: Took::default() }
    }

    fn lap(&mut self) -> std::time::Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.last, now)
    }

    fn note(self, service: &Service, model: Model, rows: usize) {
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        service.inferences.answered(model, rows, self.took, now);
    }
}

/// Has a model judge rows: the policy decides, and what it decides is stored; a detector's vote leaves no trace.
async fn judged(
    service: &Arc<Service>,
    caller: &Caller,
    model: Model,
    batch: Batch,
    asked: Asked,
    selected: &[inference::Given],
) -> Result<Vec<Output>, Problem> {
    let outputs = match model {
        Model::Policy => {
            let told = score::decide(service, batch, asked).await?;
            let decisions = told.into_iter().map(|told| told.map(|told| told.decision)).collect::<Result<Vec<_>, _>>()?;
            inference::of_decisions(selected, &decisions)
        }
        Model::Detector(place) => {
            let (ballots, _, _) = score::vote(service, caller, place, batch).await?;
            inference::of_votes(selected, &ballots)
        }
    };
    outputs.map_err(Problem::no_verdict)
}

/// The outputs that are asked for, of those that the caller may see.
fn selected<'a>(model: Model, caller: &Caller, names: impl Iterator<Item = &'a str>) -> Result<Vec<inference::Given>, Problem> {
    let sees_scores = caller.may(&Permission::ReadScores);
    inference::selected(model, names, sees_scores).map_err(|not_given| match not_given {
        NotGiven::Mistake(mistake) => wrong(vec![mistake]),
        // Refused in the words of every other refusal.
        NotGiven::Withheld => match permitted(Some(caller), &Permission::ReadScores) {
            Err(problem) => problem,
            Ok(()) => Problem::internal(),
        },
    })
}

fn wrong(mistakes: Vec<Mistake>) -> Problem {
    let wrong = |mistake: Mistake| super::problem::Wrong { pointer: mistake.pointer, detail: mistake.detail };
    Problem::invalid_tensors(mistakes.into_iter().map(wrong).collect())
}
