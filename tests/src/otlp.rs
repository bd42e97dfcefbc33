//! A collector of traces and logs: it takes OTLP as real ones do, by gRPC and by HTTP, and keeps what it was sent.

use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

pub use opentelemetry_proto::tonic::logs::v1::LogRecord;
pub use opentelemetry_proto::tonic::trace::v1::Span;

/// Spans that take longer do not come.
const LONGEST: Duration = Duration::from_secs(60);

/// A collector. It ends with the tests' process.
#[derive(Debug)]
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

/// What a collector was sent.
#[derive(Debug, Default)]
struct Received {
    exports: Vec<ExportTraceServiceRequest>,
    logs: Vec<ExportLogsServiceRequest>,
    /// Whether log records are refused for now.
    refuses: bool,
    /// The field `authorization` of each export.
    credentials: Vec<String>,
}

impl Collector {
    /// A collector that is called by gRPC; encrypted with this certificate and key, if there are any.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn grpc(tls: Option<(String, String)>) -> Self {
        let received = Arc::default();
        let service = TraceServiceServer::new(Grpc(Arc::clone(&received)));
        let logs = LogsServiceServer::new(Grpc(Arc::clone(&received)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let incoming = {
            let _entered = runtime.enter();
            TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port")
        };
        let address = incoming.local_addr().expect("an address");
        let mut server = Server::builder();
        if let Some((certificate, key)) = tls {
            server = server.tls_config(ServerTlsConfig::new().identity(Identity::from_pem(certificate, key))).expect("a certificate");
        }
        std::thread::spawn(move || runtime.block_on(server.add_service(service).add_service(logs).serve_with_incoming(incoming)));
        Self { address, received }
    }

    /// A collector that is called by HTTP.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn http() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (address, received) = (listener.local_addr().expect("an address"), Arc::<Mutex<Received>>::default());
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { address, received }
    }

    /// All spans that it was sent so far.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().expect("no receiver panics");
        let resources = received.exports.iter().flat_map(|export| &export.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// All log records that it was sent so far.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    #[must_use]
    pub fn logs(&self) -> Vec<LogRecord> {
        let received = self.received.lock().expect("no receiver panics");
        let resources = received.logs.iter().flat_map(|export| &export.resource_logs);
        resources.flat_map(|resource| &resource.scope_logs).flat_map(|scope| scope.log_records.clone()).collect()
    }

    /// From now on log records are refused, for a while (503, UNAVAILABLE), or are not.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    pub fn refuse_logs(&self, refuses: bool) {
        self.received.lock().expect("no receiver panics").refuses = refuses;
    }

    /// What the first export says of who sends.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn resource(&self) -> Vec<(String, String)> {
        let received = self.received.lock().expect("no receiver panics");
        let resource = received.exports.first().and_then(|export| export.resource_spans.first()?.resource.clone());
        resource.expect("an export with a resource").attributes.iter().map(text).collect()
    }

    /// The credentials that came with exports.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    #[must_use]
    pub fn credentials(&self) -> Vec<String> {
        self.received.lock().expect("no receiver panics").credentials.clone()
    }

    /// Everything that it was sent, as text and as the texts within it.
    ///
    /// # Panics
    /// Never, unless another thread panicked.
    #[must_use]
    pub fn everything(&self) -> String {
        let received = self.received.lock().expect("no receiver panics");
        received.exports.iter().fold(String::new(), |mut text, export| {
            let _ = write!(text, "{export:?} {}", String::from_utf8_lossy(&export.encode_to_vec()));
            text
        })
    }

    /// Waits until the spans of a trace are there that `complete` asks for, and returns them.
    ///
    /// # Panics
    /// When they do not come.
    #[must_use]
    pub fn await_trace(&self, trace: &str, complete: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let started = Instant::now();
        loop {
            let spans: Vec<Span> = self.spans().into_iter().filter(|span| hexadecimal(&span.trace_id) == trace).collect();
            if complete(&spans) {
                return spans;
            }
            assert!(started.elapsed() < LONGEST, "the trace {trace} does not come: {:#?}", self.spans());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The id of a trace or a span, as it is written.
#[must_use]
pub fn hexadecimal(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// An attribute of a span, as text; none if it does not have it.
#[must_use]
pub fn attribute(span: &Span, name: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key == name).map(|attribute| text(attribute).1)
}

fn text(attribute: &KeyValue) -> (String, String) {
    let value = match &attribute.value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text.clone(),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(AnyValue { value: Some(Value::DoubleValue(number)) }) => number.to_string(),
        other => panic!("an attribute of another kind: {other:?}"),
    };
    (attribute.key.clone(), value)
}

struct Grpc(Arc<Mutex<Received>>);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let credential = request.metadata().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        keep(&self.0, request.into_inner(), credential);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Grpc {
    async fn export(&self, request: Request<ExportLogsServiceRequest>) -> Result<Response<ExportLogsServiceResponse>, Status> {
        match keep_logs(&self.0, request.into_inner()) {
            true => Ok(Response::new(ExportLogsServiceResponse::default())),
            false => Err(Status::unavailable("not now")),
        }
    }
}

/// Keeps log records, if they are taken now.
fn keep_logs(received: &Mutex<Received>, export: ExportLogsServiceRequest) -> bool {
    let mut received = received.lock().expect("no receiver panics");
    if !received.refuses {
        received.logs.push(export);
    }
    !received.refuses
}

fn keep(received: &Mutex<Received>, export: ExportTraceServiceRequest, credential: String) {
    let mut received = received.lock().expect("no receiver panics");
    received.exports.push(export);
    received.credentials.push(credential);
}

/// Answers the requests of a connection for as long as they come.
fn answer(stream: TcpStream, received: &Mutex<Received>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a connection can be shared"));
    while let Some((head, body)) = request(&mut reader) {
        let field = |name: &str| {
            let value = head.iter().find_map(|line| line.split_once(':').filter(|(known, _)| known.eq_ignore_ascii_case(name)));
            value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let is_otlp = |path: &str| head[0] == format!("POST {path} HTTP/1.1") && field("content-type") == "application/x-protobuf";
        let spans = ExportTraceServiceRequest::decode(body.as_slice()).ok().filter(|_| is_otlp("/v1/traces"));
        let logs = ExportLogsServiceRequest::decode(body.as_slice()).ok().filter(|_| is_otlp("/v1/logs"));
        let status = match (spans, logs) {
            (Some(export), _) => {
                keep(received, export, field("authorization"));
                "200 OK"
            }
            (None, Some(export)) => match keep_logs(received, export) {
                true => "200 OK",
                false => "503 Service Unavailable",
            },
            (None, None) => "400 Bad Request",
        };
        let told = format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
        if (&stream).write_all(told.as_bytes()).is_err() {
            return;
        }
    }
}

/// The lines of a request's head, and its body.
fn request(reader: &mut impl BufRead) -> Option<(Vec<String>, Vec<u8>)> {
    let head: Vec<String> = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let length = head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}
