//! `synod health`: asks a running server whether it is ready, and says why not in one line. For containers and service managers, which have
//! nothing but an exit code to go by; it needs no other program.

use super::installation::configuration;
use super::{CommandError, chain};
use crate::cli::Health;
use axum::body::Bytes;
use axum::http::{Request, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpStream;
use url::Url;

/// The most that is read of an answer.
const MOST: usize = 1 << 20;
/// Bytes of the line that says why; Docker keeps 4,096 of a probe's output.
const LONGEST: usize = 2000;

/// An answer: its status and its body.
type Answer = (u16, Bytes);

/// Whatever is wrong, the exit code is 1: Docker reserves all others.
pub(super) fn run(arguments: &Health) -> Result<(), CommandError> {
    ask(arguments).map_err(|why| CommandError::Failed(why.chars().take(LONGEST).collect()))
}

fn ask(arguments: &Health) -> Result<(), String> {
    let server = server(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let asking = async {
        let in_full = get(&server, "/readyz?verbose", if arguments.verbose { "text/plain" } else { "application/json" }).await?;
        // The clients' listener tells no more than this to just anybody.
        if matches!(in_full.0, 401 | 403) { get(&server, "/readyz", "application/json").await } else { Ok(in_full) }
    };
    let answer = runtime.block_on(async { tokio::time::timeout(arguments.timeout, asking).await });
    let (status, body) = answer.map_err(|_| format!("{server} does not answer within {:?}", arguments.timeout))??;
    let text = String::from_utf8_lossy(&body);
    let why = match serde_json::from_str(&text) {
        Ok(report) => summary(&report),
        Err(_) if arguments.verbose => text.trim_end().to_owned(),
        Err(_) => format!("{server} answers with status {status}"),
    };
    match status {
        200 => {
            println!("{why}");
            Ok(())
        }
        503 => Err(why),
        _ => Err(format!("{server} answers with status {status}: it is no Synod, or asks for a credential")),
    }
}

/// Where the server is asked.
fn server(arguments: &Health) -> Result<Url, String> {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => {
            let listen = configuration(&arguments.common).map_err(|error| error.to_string())?.listen.administration;
            if listen.port() == 0 {
                return Err("`listen.administration` names no port: say with --url where the server is".into());
            }
            format!("http://{}", reached(listen))
        }
    };
    let parsed = Url::parse(&url).map_err(|error| format!("--url: {error}; write for instance http://127.0.0.1:8081"))?;
    match parsed.scheme() == "http" && parsed.has_host() {
        true => Ok(parsed),
        false => Err("--url: the listener of the operators is asked, without TLS: write for instance http://127.0.0.1:8081".into()),
    }
}

/// Where a listener is reached from the same machine.
fn reached(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(ip, listener.port())
}

async fn get(server: &Url, path: &str, accept: &str) -> Result<Answer, String> {
    let unreachable = |error: &dyn std::error::Error| format!("{server} cannot be reached: {}", chain(error));
    let host = server.host_str().unwrap_or_default();
    let port = server.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(|error| unreachable(&error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(&error))?;
    tokio::spawn(connection);
    let request = Request::get(path).header(header::HOST, format!("{host}:{port}")).header(header::ACCEPT, accept);
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MOST).collect().await.map_err(|error| format!("{server}: {error}"))?;
    Ok((status, body.to_bytes()))
}

/// A report in one line: whether it is ready, and each part that is not well.
fn summary(report: &Value) -> String {
    let text = |part: &Value, key: &str| part[key].as_str().unwrap_or_default().to_owned();
    let list = |key: &str| report[key].as_array().cloned().unwrap_or_default();
    let unwell = list("parts").into_iter().filter(|part| part["state"] != "ok");
    let mut why: Vec<String> =
        unwell.map(|part| format!("{} {}: {}", text(&part, "name"), text(&part, "state"), text(&part, "reason"))).collect();
    why.extend(list("detectors").iter().filter(|detector| detector["ready"] == false).map(|detector| {
        let name = text(detector, "name");
        format!("detector/{name} cannot vote")
    }));
    why.extend((report["storing"] == false).then(|| "decisions cannot be stored".to_owned()));
    let ready = if report["ready"] == true { "ready" } else { "not ready" };
    let separator = if why.is_empty() { "" } else { "; " };
    format!("{ready}{separator}{}", why.join("; ")).replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_listener_on_every_address_is_reached_on_this_machine() {
        let reached = |text: &str| super::reached(text.parse().unwrap()).to_string();
        let listeners = ["0.0.0.0:8081", "[::]:8081", "10.1.2.3:8081", "127.0.0.1:8081"];
        assert_eq!(listeners.map(reached), ["127.0.0.1:8081", "[::1]:8081", "10.1.2.3:8081", "127.0.0.1:8081"]);
    }

    #[test]
    fn a_line_says_why() {
        let part = |name: &str, state: &str| json!({"name": name, "state": state, "reason": "because\nof it"});
        let full =
            json!({"ready": false, "parts": [part("log", "failed"), json!({"name": "disk", "state": "ok"}), part("index", "degraded")]});
        assert_eq!(summary(&full), "not ready; log failed: because of it; index degraded: because of it");
        assert_eq!(summary(&json!({"ready": true, "parts": []})), "ready");
        let short = json!({"ready": false, "storing": false, "detectors": [{"name": "a", "ready": false}, {"name": "b", "ready": true}]});
        assert_eq!(summary(&short), "not ready; detector/a cannot vote; decisions cannot be stored");
    }
}
