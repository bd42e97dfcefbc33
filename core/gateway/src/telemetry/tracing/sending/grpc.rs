//! OTLP by gRPC.

use super::{Failed, MOST, SendMistake};
use crate::telemetry::tracing::Settings;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

#[derive(Debug)]
pub(super) struct Client {
    service: TraceServiceClient<Channel>,
}

impl Client {
    /// A client that connects when there is something to send.
    pub(super) fn new(settings: &Settings) -> Result<Self, SendMistake> {
        let endpoint = Endpoint::from_shared(settings.endpoint.to_string()).map_err(SendMistake::Grpc)?;
        let endpoint = endpoint.connect_timeout(settings.timeout).user_agent(super::http::USER_AGENT).map_err(SendMistake::Grpc)?;
        let endpoint = match settings.is_encrypted() {
            true => endpoint.tls_config(trust(settings)?).map_err(SendMistake::Grpc)?,
            false => endpoint,
        };
        let service = TraceServiceClient::new(endpoint.connect_lazy()).max_decoding_message_size(MOST);
        Ok(Self { service })
    }

    pub(super) async fn send(
        &mut self,
        spans: &ExportTraceServiceRequest,
        headers: HeaderMap,
    ) -> Result<ExportTraceServiceResponse, Failed> {
        let request = tonic::Request::from_parts(MetadataMap::from_headers(headers), tonic::Extensions::default(), spans.clone());
        let answer = self.service.export(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| Failed::Grpc(status.code()))
    }
}

fn trust(settings: &Settings) -> Result<ClientTlsConfig, SendMistake> {
    let Some(path) = &settings.root else { return Ok(ClientTlsConfig::new().with_native_roots()) };
    // Read as for HTTP, which says what is wrong with it.
    crate::calling::tls(Some(path))?;
    let pem = std::fs::read(path).map_err(|source| SendMistake::Read { path: path.clone(), source })?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}
