//! Connections as an outsider can make them: silent, slow, many, malformed, encrypted, and open while the service stops.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::http2::{END_HEADERS, END_STREAM, PREFACE, STATUS_200, beginning, frame, head};
use synod_tests::tls::{Authority, VERSIONS, encrypted, own};
use synod_tests::{Connection, Installation, Server, plugins, send};

const ROW: &str = r#"{"a":0.1,"b":0.2,"c":0.3}"#;
const GET: &str = "GET /healthz HTTP/1.1\r\nhost: synod\r\n\r\n";
/// What is closed later is not closed in time, however busy the machine is.
const LATEST: Duration = Duration::from_secs(15);

/// An installation with more in its configuration's section `listen`.
fn installed(listen: &str) -> Installation {
    let plugin = plugins().join("isolation-forest.wasm");
    let configuration = patient(&three_numbers(&format!("  forest:\n    plugin: {}\n", plugin.display())));
    let at = Installation::new(&format!("{configuration}listen: {listen}\n"));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LATEST)).unwrap();
    stream.set_write_timeout(Some(LATEST)).unwrap();
    stream
}

/// How long it takes until the server closes the connection; what it says before that does not matter.
fn closed_after(stream: &mut impl Read) -> Duration {
    let (started, mut buffer) = (Instant::now(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return started.elapsed(),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("it is never closed"),
            Err(_) => return started.elapsed(),
        }
    }
}

fn closed_between(stream: &mut impl Read, earliest: u64, latest: u64) {
    let took = closed_after(stream);
    let (earliest, latest) = (Duration::from_millis(earliest), Duration::from_millis(latest));
    assert!((earliest..latest).contains(&took), "closed after {took:?}, which is not within {earliest:?} and {latest:?}");
}

fn answered(stream: &mut (impl Read + Write), request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.ends_with("alive\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "closed after {text}");
        text += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    text
}

/// Writes a byte of a head again and again, until the server has closed.
fn drip(mut stream: TcpStream) -> Duration {
    let started = Instant::now();
    while stream.write_all(b"x").is_ok() {
        assert!(started.elapsed() < LATEST, "a drip keeps the connection open");
        thread::sleep(Duration::from_millis(50));
    }
    started.elapsed()
}

/// Asks for answers without end, and takes none of them.
fn never_reads(mut stream: TcpStream) {
    let requests = "GET /v1/detectors HTTP/1.1\r\nhost: synod\r\n\r\n".repeat(1000);
    loop {
        match stream.write_all(requests.as_bytes()) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("it is never closed"),
            Err(_) => return,
        }
    }
}

fn counted(server: &Server, metric: &str) -> u64 {
    let metrics = server.administer("/metrics").body;
    let value = metrics.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {metric} in\n{metrics}")).parse().unwrap()
}

#[test]
fn whoever_keeps_the_service_waiting_is_cut_off() {
    let at = installed("{limits: {first_byte: 600ms, header: 900ms, idle: 1500ms, stall: 1s}}");
    let server = Server::start(&at);
    let open = || connected(server.data);
    thread::scope(|scope| {
        scope.spawn(|| closed_between(&mut open(), 500, 3000));
        scope.spawn(|| {
            let mut partial = open();
            partial.write_all(b"GET /healthz HTTP/1.1\r\nhos").unwrap();
            closed_between(&mut partial, 800, 3000);
        });
        scope.spawn(|| {
            let mut slow = open();
            slow.write_all(b"GET /healthz HTTP/1.1\r\nx: ").unwrap();
            assert!(drip(slow) < Duration::from_secs(4));
        });
        scope.spawn(|| {
            let mut kept = open();
            answered(&mut kept, GET);
            thread::sleep(Duration::from_secs(1));
            // Later than any head may take, and earlier than it is idle for too long.
            answered(&mut kept, GET);
            closed_between(&mut kept, 1300, 4000);
        });
        scope.spawn(|| {
            let mut second = open();
            answered(&mut second, GET);
            second.write_all(b"GET /healthz HTTP/1.1\r\nx: ").unwrap();
            assert!(drip(second) < Duration::from_secs(4), "the second head has a deadline as well");
        });
        scope.spawn(|| {
            let mut http2 = open();
            http2.write_all(PREFACE).unwrap();
            closed_between(&mut http2, 1200, 4000);
        });
        scope.spawn(|| never_reads(open()));
        for _ in 0..20 {
            assert_eq!(server.get("/healthz").status, 200, "the others are served meanwhile");
            thread::sleep(Duration::from_millis(50));
        }
    });
    let overdue = |deadline: &str| counted(&server, &format!("synod_connections_overdue_total{{deadline=\"{deadline}\"}}"));
    assert_eq!((overdue("first_byte"), overdue("header"), overdue("idle"), overdue("stall")), (1, 3, 2, 1));
    assert_eq!(counted(&server, "synod_connections_open{listener=\"data\"}"), 0);
    server.stop();
}

/// Connects from another address of the machine itself.
fn connected_from(source: &str, address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LATEST)).unwrap();
    stream
}

#[test]
fn there_are_only_so_many_connections_from_an_address_and_in_all() {
    let at = installed("{limits: {connections: 5, connections_per_address: 3}}");
    let server = Server::start(&at);
    let from = |source: &str| connected_from(source, server.data);
    let served = |source: &str| {
        let mut stream = from(source);
        answered(&mut stream, GET);
        stream
    };
    let mut first: Vec<TcpStream> = (0..3).map(|_| served("127.0.0.1")).collect();
    assert!(closed_after(&mut from("127.0.0.1")) < Duration::from_secs(5));
    let _second: Vec<TcpStream> = (0..2).map(|_| served("127.0.0.2")).collect();
    assert!(closed_after(&mut from("127.0.0.3")) < Duration::from_secs(5));
    // Operators are not counted among clients.
    let operators: Vec<TcpStream> = (0..4).map(|_| connected(server.administration)).collect();
    let refused = |reason: &str| counted(&server, &format!("synod_connections_refused_total{{listener=\"data\",reason=\"{reason}\"}}"));
    assert_eq!((refused("per_address"), refused("in_all")), (1, 1));
    drop((first.pop(), operators));
    let started = Instant::now();
    while counted(&server, "synod_connections_open{listener=\"data\"}") > 4 {
        assert!(started.elapsed() < LATEST, "a place is given back");
    }
    served("127.0.0.3");
    answered(&mut first[0], GET);
    drop(first);
    server.stop();
}

/// The command that serves, by a shell that lets it open so many files at most.
fn with_open_files(at: &Installation, files: u32) -> Command {
    let server = at.command("serve");
    let words: Vec<String> =
        [server.get_program()].into_iter().chain(server.get_args()).map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {files}; exec {}", words.join(" "))).current_dir(server.get_current_dir().unwrap());
    shell.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

#[test]
fn more_connections_than_the_system_allows_are_waited_with_and_said_once() {
    let at = installed("{drain: 10s}");
    let server = Server::start_command(&at, with_open_files(&at, 100), &[]);
    let flood: Vec<TcpStream> = (0..150).map(|_| connected(server.data)).collect();
    let said = "connections cannot be accepted";
    await_logged(&server, said, 1);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(times_logged(&server, said), 1);
    drop(flood);
    assert_eq!(server.get("/healthz").status, 200, "it goes on by itself");
    server.stop();
}

fn told(server: &Server, request: &str) -> (u16, String) {
    let mut stream = connected(server.data);
    // A refusal may come before all is written.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.strip_prefix("HTTP/1.1 ").or(answer.strip_prefix("HTTP/1.0 ")).map_or(0, |rest| rest[..3].parse().unwrap());
    (status, answer)
}

#[test]
fn malformed_heads_are_refused() {
    let at = installed("{limits: {header_size: 8KiB, header_count: 20, idle: 300ms}}");
    let server = Server::start(&at);
    let fields = |count: usize| (0..count).map(|number| format!("x-{number}: 1\r\n")).collect::<String>();
    let table = [
        ("host: a\r\n\r\n".to_owned(), 200),
        ("host: [::1]:80\r\n\r\n".to_owned(), 200),
        ("\r\n".to_owned(), 400),
        ("host: a\r\nhost: a\r\n\r\n".to_owned(), 400),
        ("host: a\r\nHost: b\r\n\r\n".to_owned(), 400),
        ("host: a b\r\n\r\n".to_owned(), 400),
        ("host: a@b\r\n\r\n".to_owned(), 400),
        ("host: a\nx: y\r\n\r\n".to_owned(), 400),
        ("host: a\r\n\n".to_owned(), 400),
        (format!("host: a\r\n{}\r\n", fields(19)), 200),
        (format!("host: a\r\n{}\r\n", fields(20)), 431),
        (format!("host: a\r\nx: {}\r\n\r\n", "y".repeat(6000)), 200),
        (format!("host: a\r\nx: {}\r\n\r\n", "y".repeat(100_000)), 431),
        (format!("host: a\r\n{}", fields(100_000)), 431),
    ];
    for (rest, expected) in table {
        let (status, answer) = told(&server, &format!("GET /healthz HTTP/1.1\r\n{rest}"));
        assert_eq!(status, expected, "{:?}: {answer}", &rest[..rest.len().min(60)]);
    }
    let (_, missing) = told(&server, "GET /healthz HTTP/1.1\r\n\r\n");
    assert!(missing.contains("application/problem+json") && missing.contains("\"code\":\"bad_host\""), "{missing}");
    assert!(missing.contains("connection: close"), "{missing}");
    assert_eq!(told(&server, "GET /healthz HTTP/1.1\nhost: a\n\n").0, 400);
    assert_eq!(told(&server, "GET /healthz HTTP/1.0\r\n\r\n").0, 200, "HTTP/1.0 knows no Host");
    assert_eq!(counted(&server, "synod_requests_with_bad_host_total"), 6);
    // A body is no head: there line feeds are as good as any byte, also in a second request.
    let body = ROW.replace(',', ",\n");
    let request = format!("POST /v1/score HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut connection = Connection::open(server.data);
    for _ in 0..2 {
        connection.write(&request);
        connection.answer().ok();
    }
    server.stop();
}

/// Asks for `/healthz` by HTTP/2, in its raw frames, and returns the first byte of the answer's head.
fn by_http2(stream: &mut (impl Read + Write)) -> u8 {
    stream.write_all(&beginning(END_STREAM | END_HEADERS, b"\x82\x86\x04\x08/healthz\x01\x05synod")).unwrap();
    head(stream)[0]
}

#[test]
fn http_2_is_spoken_and_its_streams_are_bounded() {
    let at = installed("{limits: {streams: 7}}");
    let server = Server::start(&at);
    assert_eq!(by_http2(&mut connected(server.data)), STATUS_200);
    let mut settings = connected(server.data);
    settings.write_all(PREFACE).unwrap();
    let mut header = [0; 9];
    settings.read_exact(&mut header).unwrap();
    let mut payload = vec![0; usize::from(header[2])];
    settings.read_exact(&mut payload).unwrap();
    assert_eq!(header[3], 4, "the server's settings come first");
    assert!(payload.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 7]), "MAX_CONCURRENT_STREAMS in {payload:?}");
    server.stop();
}

#[test]
fn a_request_under_way_is_answered_when_the_service_stops() {
    let at = installed("{drain: 20s}");
    let mut server = Server::start(&at);
    let mut idle = connected(server.data);
    answered(&mut idle, GET);
    let mut connection = Connection::open(server.data);
    let mut http2 = connected(server.data);
    http2.write_all(&beginning(END_HEADERS, b"\x83\x86\x04\x09/v1/score\x01\x05synod")).unwrap();
    let (first, rest) = ROW.split_at(5);
    connection.write(format!("POST /v1/score HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{first}", ROW.len()));
    // Until it is read there is nothing under way.
    thread::sleep(Duration::from_millis(300));
    server.ask_to_stop();
    assert!(closed_after(&mut idle) < Duration::from_secs(5), "who asks nothing is let go");
    let started = Instant::now();
    while TcpStream::connect(server.data).is_ok() {
        assert!(started.elapsed() < LATEST, "a service that stops takes no new connection");
        thread::sleep(Duration::from_millis(10));
    }
    connection.write(rest);
    connection.answer().ok();
    http2.write_all(&frame(0, END_STREAM, 1, ROW.as_bytes())).unwrap();
    assert_eq!(head(&mut http2)[0], STATUS_200);
    assert_eq!(server.await_end(), 0);
}

#[test]
fn a_stop_waits_for_nobody_longer_than_it_may() {
    let at = installed("{drain: 500ms}");
    let mut server = Server::start(&at);
    let mut connection = connected(server.data);
    connection.write_all(b"POST /v1/score HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{").unwrap();
    thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    server.ask_to_stop();
    assert_eq!(server.await_end(), 0);
    // The body itself would be waited for ten seconds.
    assert!(started.elapsed() < Duration::from_secs(8), "it took {:?}", started.elapsed());
    assert!(server.events().iter().any(|event| event["message"].as_str().unwrap_or_default().starts_with("connections are cut")));
}

/// An installation with a certificate of this authority. What stands in the file first is in use first.
fn with_certificate(authority: &Authority, year: i32) -> Installation {
    let at = installed("{tls: {certificate: server.pem, key: server.key}, limits: {handshake: 700ms, first_byte: 2m, idle: 2m}}");
    write_pair(&at, &authority.certificate(year));
    at
}

/// Puts files in place as a careful operator does: each one at once.
fn write_pair(at: &Installation, (certificate, key): &(String, String)) {
    for (name, text) in [("server.pem", certificate), ("server.key", key)] {
        at.write("new", text);
        fs::rename(at.path("new"), at.path(name)).unwrap();
    }
}

fn times_logged(server: &Server, beginning: &str) -> usize {
    server.events().iter().filter(|event| event["message"].as_str().is_some_and(|text| text.starts_with(beginning))).count()
}

fn await_logged(server: &Server, beginning: &str, times: usize) {
    let started = Instant::now();
    while times_logged(server, beginning) < times {
        assert!(started.elapsed() < LATEST, "`{beginning}` is not logged {times} times");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn connections_can_be_encrypted() {
    let authority = Authority::new("authority");
    let at = with_certificate(&authority, 2090);
    let server = Server::start(&at);
    for version in VERSIONS {
        let mut stream = encrypted(&authority.trusting(&[version], &["http/1.1"]), server.data).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(b"http/1.1".as_slice()));
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
        answered(&mut stream, GET);
    }
    let mut stream = encrypted(&authority.trusting(&VERSIONS, &["http/1.1", "h2"]), server.data).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(b"h2".as_slice()), "the better one is taken");
    assert_eq!(by_http2(&mut stream), STATUS_200);
    assert!(encrypted(&Authority::new("other").trusting(&VERSIONS, &[]), server.data).is_err(), "another authority's client");
    // Who does not shake hands: one that waits, and one that speaks without encryption.
    closed_between(&mut connected(server.data), 500, 3000);
    let mut plain = connected(server.data);
    plain.write_all(GET.as_bytes()).unwrap();
    closed_after(&mut plain);
    assert_eq!(counted(&server, "synod_connections_overdue_total{deadline=\"handshake\"}"), 1);
    assert_eq!(counted(&server, "synod_tls_handshakes_failed_total"), 3);
    // The end of the year 2090.
    assert_eq!(counted(&server, "synod_certificate_expiry_seconds{listener=\"data\"}"), 3_818_361_600);
    assert_eq!(send(server.administration, "GET", "/healthz", &[], b"").status, 200, "operators are on the machine itself");
    server.stop();
}

#[test]
fn files_that_make_no_certificate_change_nothing() {
    let authority = Authority::new("authority");
    let at = with_certificate(&authority, 2090);
    let server = Server::start(&at);
    let client = authority.trusting(&VERSIONS, &[]);
    let mut old = encrypted(&client, server.data).unwrap();
    let shown = own(&old);
    let refused = "the certificate cannot be read again";
    let other = authority.certificate(2091);
    for (times, (name, text)) in [("server.key", other.1.as_str()), ("server.pem", "nonsense"), ("server.key", "")].into_iter().enumerate()
    {
        at.write(name, text);
        await_logged(&server, refused, times + 1);
        let mut new = encrypted(&client, server.data).unwrap();
        assert_eq!(own(&new), shown, "{name}");
        answered(&mut new, GET);
    }
    let event = server.await_event(|event| event["error"].as_str().is_some_and(|text| text.contains("is not the key of")));
    assert!(event["error"].as_str().unwrap().starts_with("listen.tls.key: "), "{event}");
    write_pair(&at, &other);
    await_logged(&server, "the certificate was read again", 1);
    assert_ne!(own(&encrypted(&client, server.data).unwrap()), shown);
    answered(&mut old, GET);
    server.stop();
}

#[test]
fn a_wrong_certificate_keeps_the_service_from_starting_and_an_old_one_does_not() {
    let authority = Authority::new("authority");
    let at = with_certificate(&authority, 2090);
    let (certificate, key) = authority.certificate(2090);
    let table = [
        ("server.key", key.as_str(), vec!["listen.tls.key: ", "server.key is not the key of the first certificate in", "server.pem"]),
        ("server.key", "nonsense", vec!["listen.tls.key: ", "server.key is no private key in PEM"]),
        ("server.pem", "nonsense", vec!["listen.tls.certificate: ", "server.pem is no certificate in PEM"]),
    ];
    for (name, text, messages) in table {
        at.write(name, text);
        at.run("serve").failed(1, &messages);
    }
    fs::remove_file(at.path("server.pem")).unwrap();
    at.run("serve").failed(1, &["listen.tls.certificate: cannot read ", "server.pem: No such file"]);
    drop((certificate, key));
    write_pair(&at, &authority.certificate(2020));
    let server = Server::start(&at);
    assert_eq!(times_logged(&server, "the certificate has ended"), 1);
    server.stop();
}
