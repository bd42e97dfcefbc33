//! The protocol's gRPC service. Its methods are routes as all others, with the same layers around them; what goes wrong is a problem as
//! everywhere, and becomes a status in `errors.rs`.

mod codec;
mod message;

use self::generated::grpc_inference_service_server::{GrpcInferenceService, GrpcInferenceServiceServer};
use self::generated::{
    InferStatistics, ModelConfig, ModelConfigRequest, ModelConfigResponse, ModelInferRequest, ModelInferResponse, ModelInput,
    ModelMetadataRequest, ModelMetadataResponse, ModelOutput, ModelReadyRequest, ModelReadyResponse, ModelStatistics,
    ModelStatisticsRequest, ModelStatisticsResponse, RepositoryIndexRequest, RepositoryIndexResponse, RepositoryModelLoadRequest,
    RepositoryModelLoadResponse, RepositoryModelUnloadRequest, RepositoryModelUnloadResponse, ServerLiveRequest, ServerLiveResponse,
    ServerMetadataRequest, ServerMetadataResponse, ServerReadyRequest, ServerReadyResponse, StatisticDuration,
};
use super::super::guard::{permitted, score_of_model};
use super::super::{Problem, Service, body, score};
use super::{Clock, EXTENSIONS, NAME, errors, find, is_ready, judged, selected, state, type_name};
use crate::access::Caller;
use crate::inference::{self, Given, Model, Sum, Taken};
use crate::telemetry::tracing::Hop;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use http_body_util::Full;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service as _;
use tonic::{Code, Status, async_trait};

/// What `proto/inference.proto` gives.
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
mod generated {
    use super::codec;
    include!(concat!(env!("CARGO_MANIFEST_DIR"), "/proto/inference.rs"));
}

pub(in super::super) async fn grpc(
    State(service): State<Arc<Service>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if !errors::is_grpc(&parts.headers) {
        return Err(Problem::unsupported("this path is called by gRPC, with the content type application/grpc"));
    }
    let body = body::read(&service, body).await?;
    let limit = service.config.limits.body;
    let told = Arc::default();
    let call = Call { service, caller, headers: parts.headers.clone(), body: body.clone(), told: Arc::clone(&told) };
    let mut server = GrpcInferenceServiceServer::new(call)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate)
        .max_decoding_message_size(limit)
        .max_encoding_message_size(usize::MAX);
    let Ok(response) = server.call(Request::from_parts(parts, Full::new(body))).await;
    match (told.get(), Status::from_header_map(response.headers())) {
        (Some(problem), _) => Err(Problem::clone(problem)),
        // It never came to the method: the message could not be read.
        (None, Some(status)) => Err(unreadable(&status, limit)),
        (None, None) => Ok(response.map(Body::new)),
    }
}

/// The library takes most of what it cannot read for a fault of the service.
fn unreadable(status: &Status, limit: usize) -> Problem {
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange => Problem::too_large(limit),
        Code::Unimplemented => Problem::unsupported(status.message()),
        _ => Problem::invalid_request(status.message()),
    }
}

/// One call of a method.
struct Call {
    service: Arc<Service>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
    /// What went wrong, if anything did: [`grpc`] answers it.
    told: Arc<OnceLock<Problem>>,
}

type Answered<T> = Result<tonic::Response<T>, Status>;

impl Call {
    fn tell<T>(&self, answer: Result<T, Problem>) -> Answered<T> {
        answer.map(tonic::Response::new).map_err(|problem| {
            let status = Status::unknown(problem.detail());
            // Nobody has told anything before: a call has one method.
            let _ = self.told.set(problem);
            status
        })
    }

    fn find(&self, name: &str, version: &str) -> Result<Model, Problem> {
        find(&self.service, name, version)
    }

    async fn infer(&self, request: ModelInferRequest) -> Result<ModelInferResponse, Problem> {
        permitted(Some(&self.caller), &score_of_model(&request.model_name))?;
        let model = self.find(&request.model_name, &request.model_version)?;
        let started = Instant::now();
        let answered = self.answered(model, request).await;
        if answered.is_err() {
            self.service.inferences.refused(model, started.elapsed());
        }
        answered
    }

    async fn answered(&self, model: Model, request: ModelInferRequest) -> Result<ModelInferResponse, Problem> {
        let service = &self.service;
        let mut clock = Clock::start();
        let asked = score::asked(service, &self.caller, &self.headers, &self.body)?;
        let selected = selected(model, &self.caller, request.outputs.iter().map(|output| output.name.as_str()))?;
        let (raw, for_pandas) = (!request.raw_input_contents.is_empty(), message::is_for_pandas(&request));
        let batch = Hop::Schema.during(|| message::batch(service.engine.schema(), service.config.limits.rows, &request))?;
        let rows = batch.rows();
        clock.took.input = clock.lap();
        let outputs = judged(service, &self.caller, model, batch, asked, &selected).await?;
        clock.took.inference = clock.lap();
        let answer = Hop::Answer.during(|| message::answer(&outputs, raw, for_pandas));
        clock.took.output = clock.lap();
        clock.note(service, model, rows);
        let (model_name, model_version) = (model.name(&service.engine).to_owned(), model.version(&service.engine));
        Ok(ModelInferResponse { model_name, model_version, id: request.id, ..answer })
    }

    fn metadata(&self, model: Model) -> ModelMetadataResponse {
        use generated::model_metadata_response::TensorMetadata;
        let engine = &self.service.engine;
        let tensor = |name: &str, datatype: inference::Datatype| TensorMetadata {
            name: name.to_owned(),
            datatype: datatype.name().to_owned(),
            shape: vec![-1],
        };
        ModelMetadataResponse {
            name: model.name(engine).to_owned(),
            versions: vec![model.version(engine)],
            platform: model.platform().to_owned(),
            inputs: inference::taken(engine.schema()).map(|taken| tensor(taken.name, taken.datatype)).collect(),
            outputs: model.gives().iter().map(|given| tensor(given.name(), given.datatype())).collect(),
        }
    }

    fn configuration(&self, model: Model) -> ModelConfig {
        let engine = &self.service.engine;
        let data_type = |datatype| generated::DataType::from_str_name(&type_name(datatype)).unwrap_or_default().into();
        let input = |taken: Taken<'_>| ModelInput {
            name: taken.name.to_owned(),
            data_type: data_type(taken.datatype),
            dims: vec![-1],
            optional: taken.optional,
        };
        let output = |given: &Given| ModelOutput { name: given.name().to_owned(), data_type: data_type(given.datatype()), dims: vec![-1] };
        ModelConfig {
            name: model.name(engine).to_owned(),
            platform: model.platform().to_owned(),
            max_batch_size: 0,
            input: inference::taken(engine.schema()).map(input).collect(),
            output: model.gives().iter().map(output).collect(),
            backend: NAME.to_owned(),
        }
    }

    fn statistics(&self, model: Model) -> ModelStatistics {
        let counted = self.service.inferences.counted(model);
        let sum = |sum: Sum| Some(StatisticDuration { count: sum.count, ns: sum.nanoseconds });
        ModelStatistics {
            name: model.name(&self.service.engine).to_owned(),
            version: model.version(&self.service.engine),
            last_inference: counted.last,
            inference_count: counted.rows,
            execution_count: counted.succeeded.count,
            inference_stats: Some(InferStatistics {
                success: sum(counted.succeeded),
                fail: sum(counted.failed),
                queue: sum(Sum::default()),
                compute_input: sum(counted.input),
                compute_infer: sum(counted.inference),
                compute_output: sum(counted.output),
            }),
        }
    }

    fn index(&self, only_ready: bool) -> RepositoryIndexResponse {
        use generated::repository_index_response::ModelIndex;
        let engine = &self.service.engine;
        let entry = |model: Model| {
            let (state, reason) = state(&self.service, model);
            let (name, version) = (model.name(engine).to_owned(), model.version(engine));
            ModelIndex { name, version, state: state.to_owned(), reason: reason.to_owned() }
        };
        let models = Model::all(engine).filter(|model| !only_ready || model.is_ready(engine));
        RepositoryIndexResponse { models: models.map(entry).collect() }
    }
}

#[async_trait]
impl GrpcInferenceService for Call {
    async fn server_live(&self, _: tonic::Request<ServerLiveRequest>) -> Answered<ServerLiveResponse> {
        self.tell(Ok(ServerLiveResponse { live: true }))
    }

    async fn server_ready(&self, _: tonic::Request<ServerReadyRequest>) -> Answered<ServerReadyResponse> {
        self.tell(Ok(ServerReadyResponse { ready: is_ready(&self.service) }))
    }

    async fn model_ready(&self, request: tonic::Request<ModelReadyRequest>) -> Answered<ModelReadyResponse> {
        let request = request.into_inner();
        let model = self.find(&request.name, &request.version);
        self.tell(model.map(|model| ModelReadyResponse { ready: model.is_ready(&self.service.engine) }))
    }

    async fn server_metadata(&self, _: tonic::Request<ServerMetadataRequest>) -> Answered<ServerMetadataResponse> {
        let extensions = EXTENSIONS.map(str::to_owned).to_vec();
        self.tell(Ok(ServerMetadataResponse { name: NAME.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), extensions }))
    }

    async fn model_metadata(&self, request: tonic::Request<ModelMetadataRequest>) -> Answered<ModelMetadataResponse> {
        let request = request.into_inner();
        self.tell(self.find(&request.name, &request.version).map(|model| self.metadata(model)))
    }

    async fn model_infer(&self, request: tonic::Request<ModelInferRequest>) -> Answered<ModelInferResponse> {
        self.tell(self.infer(request.into_inner()).await)
    }

    async fn model_config(&self, request: tonic::Request<ModelConfigRequest>) -> Answered<ModelConfigResponse> {
        let request = request.into_inner();
        let model = self.find(&request.name, &request.version);
        self.tell(model.map(|model| ModelConfigResponse { config: Some(self.configuration(model)) }))
    }

    async fn model_statistics(&self, request: tonic::Request<ModelStatisticsRequest>) -> Answered<ModelStatisticsResponse> {
        let request = request.into_inner();
        let models = match request.name.is_empty() {
            true => Ok(Model::all(&self.service.engine).collect()),
            false => self.find(&request.name, &request.version).map(|model| vec![model]),
        };
        let counted = |models: Vec<Model>| models.into_iter().map(|model| self.statistics(model)).collect();
        self.tell(models.map(|models| ModelStatisticsResponse { model_stats: counted(models) }))
    }

    async fn repository_index(&self, request: tonic::Request<RepositoryIndexRequest>) -> Answered<RepositoryIndexResponse> {
        self.tell(Ok(self.index(request.into_inner().ready)))
    }

    async fn repository_model_load(&self, _: tonic::Request<RepositoryModelLoadRequest>) -> Answered<RepositoryModelLoadResponse> {
        self.tell(Err(Problem::models_are_fixed()))
    }

    async fn repository_model_unload(&self, _: tonic::Request<RepositoryModelUnloadRequest>) -> Answered<RepositoryModelUnloadResponse> {
        self.tell(Err(Problem::models_are_fixed()))
    }
}
