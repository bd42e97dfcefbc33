//! OTLP by gRPC.

use super::{Collector, Failed, MOST, SendMistake};
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Extensions, Request, Response, Status};

#[derive(Debug)]
pub(super) struct Client {
    spans: TraceServiceClient<Channel>,
    logs: LogsServiceClient<Channel>,
}

impl Client {
    /// A client that connects when there is something to send.
    pub(super) fn new(collector: &Collector) -> Result<Self, SendMistake> {
        let endpoint = Endpoint::from_shared(collector.endpoint.to_string()).map_err(SendMistake::Grpc)?;
        let endpoint = endpoint.connect_timeout(collector.timeout).user_agent(super::http::USER_AGENT).map_err(SendMistake::Grpc)?;
        let endpoint = match collector.is_encrypted() {
            true => endpoint.tls_config(trust(collector)?).map_err(SendMistake::Grpc)?,
            false => endpoint,
        };
        let channel = endpoint.connect_lazy();
        Ok(Self {
            spans: TraceServiceClient::new(channel.clone()).max_decoding_message_size(MOST),
            logs: LogsServiceClient::new(channel).max_decoding_message_size(MOST),
        })
    }

    pub(super) async fn spans(
        &mut self,
        spans: &ExportTraceServiceRequest,
        headers: HeaderMap,
    ) -> Result<ExportTraceServiceResponse, Failed> {
        told(self.spans.export(request(spans.clone(), headers)).await)
    }

    pub(super) async fn logs(&mut self, logs: &ExportLogsServiceRequest, headers: HeaderMap) -> Result<ExportLogsServiceResponse, Failed> {
        told(self.logs.export(request(logs.clone(), headers)).await)
    }
}

fn request<T>(message: T, headers: HeaderMap) -> Request<T> {
    Request::from_parts(MetadataMap::from_headers(headers), Extensions::default(), message)
}

fn told<T>(answer: Result<Response<T>, Status>) -> Result<T, Failed> {
    answer.map(Response::into_inner).map_err(|status| Failed::Grpc(status.code()))
}

fn trust(collector: &Collector) -> Result<ClientTlsConfig, SendMistake> {
    let Some(path) = &collector.root else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    // Read as for HTTP, which says what is wrong with it.
    crate::calling::tls(Some(path)).map_err(|source| SendMistake::Root { section: collector.section, source })?;
    let pem = std::fs::read(path).map_err(|source| SendMistake::Read { path: path.clone(), source })?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}
