//! The service as it faces the internet: certificates by ACME from a real authority (Pebble), clients' certificates, everything rotated under
//! load, the way from HTTP to HTTPS, and what scanners and attackers send.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, STATUS_200, beginning, farewell, frame, head,
};
use synod_tests::tls::{Authority, VERSIONS, asked, config, encrypted, encrypted_with, own, seen};
use synod_tests::{Connection, Installation, Server, free_port, plugins, send};

const ROW: &str = r#"{"a":0.1,"b":0.2,"c":0.3}"#;
const GET: &str = "GET /healthz HTTP/1.1\r\nhost: synod\r\nconnection: close\r\n\r\n";
/// What does not happen until then does not happen, however busy the machine is.
const LATEST: Duration = Duration::from_secs(30);

/// An installation with more in its configuration's section `listen`.
fn installed(listen: &str) -> Installation {
    let plugin = plugins().join("isolation-forest.wasm");
    let configuration = patient(&three_numbers(&format!("  forest:\n    plugin: {}\n", plugin.display())));
    let at = Installation::new(&format!("{configuration}listen: {listen}\n"));
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

/// Puts a file in place as a careful operator does: at once.
fn place(at: &Installation, name: &str, text: &str) {
    let draft = format!("{name}.new");
    at.write(&draft, text);
    fs::rename(at.path(&draft), at.path(name)).unwrap();
}

fn place_pair(at: &Installation, (certificate, key): &(String, String)) {
    place(at, "server.pem", certificate);
    place(at, "server.key", key);
}

fn hang_up(server: &Server) {
    assert!(Command::new("kill").arg("-HUP").arg(server.process().to_string()).status().unwrap().success());
}

fn counted(server: &Server, metric: &str) -> u64 {
    let metrics = server.administer("/metrics").body;
    let value = metrics.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {metric} in\n{metrics}")).parse().unwrap()
}

fn times_logged(server: &Server, message: &str) -> usize {
    server.events().iter().filter(|event| event["message"].as_str().is_some_and(|text| text.starts_with(message))).count()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LATEST, "it never happens: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LATEST)).unwrap();
    stream.set_write_timeout(Some(LATEST)).unwrap();
    stream
}

/// How many bytes of memory the process has in use.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn clients_are_known_by_their_certificates() {
    let (authority, clients, other) = (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
    let at = installed("{tls: {certificate: server.pem, key: server.key, clients: {authorities: clients.pem, revoked: revoked.pem}}}");
    place_pair(&at, &authority.certificate(2090));
    place(&at, "clients.pem", &clients.pem());
    place(&at, "revoked.pem", &clients.revoked(&[3], 2090));
    let [teller, revoked, foreign] = [clients.client("teller, 7", 1), clients.client("revoked", 3), other.client("teller, 7", 1)];
    let server = Server::start_with(&at, &[("SYNOD_LOGGING__LEVEL", "debug")]);
    let ask = |version, shown| {
        let config = authority.trusting_as(&[version], &["http/1.1"], shown);
        let answer = encrypted(&config, server.data).and_then(|mut stream| asked(&mut stream, GET));
        answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    };
    for version in VERSIONS {
        assert!(ask(version, None), "nobody has to show a certificate");
        assert!(ask(version, Some(&teller)));
        assert!(!ask(version, Some(&foreign)), "who shows one must show a good one");
        assert!(!ask(version, Some(&revoked)), "one that was revoked does not hold");
    }
    // A client may know of it before the server has counted it.
    until("four were refused", || counted(&server, "synod_tls_handshakes_failed_total") == 4);
    until("refused certificates are in the log", || times_logged(&server, "a client's certificate was refused") == 4);
    let shown = server.await_event(|event| event["message"] == "a client showed its certificate");
    assert_eq!(shown["subject"], r"CN=teller\, 7,O=Bank");
    // The list is read again when it changes, and holds for whoever comes then; what cannot be used changes nothing.
    let mut before = encrypted(&authority.trusting_as(&VERSIONS, &["http/1.1"], Some(&teller)), server.data).unwrap();
    place(&at, "revoked.pem", "nonsense");
    until("the list is refused", || times_logged(&server, "the authorities of clients cannot be read again") == 1);
    assert!(ask(VERSIONS[0], Some(&teller)) && !ask(VERSIONS[0], Some(&revoked)));
    place(&at, "revoked.pem", &clients.revoked(&[1, 3], 2090));
    until("the list is read", || times_logged(&server, "the authorities of clients were read again") == 1);
    assert!(!ask(VERSIONS[0], Some(&teller)) && !ask(VERSIONS[1], Some(&teller)));
    assert!(asked(&mut before, GET).unwrap().starts_with("HTTP/1.1 200"), "a connection that is open stays open");
    // A list that is out of date says nothing about anybody.
    place(&at, "revoked.pem", &clients.revoked(&[3], 2021));
    until("the old list is read", || times_logged(&server, "the authorities of clients were read again") == 2);
    assert!(!ask(VERSIONS[0], Some(&teller)) && ask(VERSIONS[0], None));
    server.stop();
}

#[test]
fn a_certificate_can_be_asked_of_every_client() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let at = installed("{tls: {certificate: server.pem, key: server.key, clients: {authorities: clients.pem, required: true}}}");
    place_pair(&at, &authority.certificate(2090));
    place(&at, "clients.pem", "nonsense");
    at.run("serve").failed(1, &["listen.tls.clients.authorities: ", "clients.pem is no certificate in PEM"]);
    at.run("check").failed(2, &["listen.tls.clients.authorities: "]);
    place(&at, "clients.pem", &clients.pem());
    let server = Server::start(&at);
    let teller = clients.client("teller", 1);
    for version in VERSIONS {
        let ask =
            |shown| encrypted(&authority.trusting_as(&[version], &[], shown), server.data).and_then(|mut stream| asked(&mut stream, GET));
        assert!(ask(None).is_err());
        assert!(ask(Some(&teller)).unwrap().starts_with("HTTP/1.1 200"));
    }
    assert_eq!(send(server.administration, "GET", "/healthz", &[], b"").status, 200, "operators need none");
    server.stop();
}

/// Certificates are looked at before anything is served.
#[test]
fn check_opens_the_certificate() {
    let authority = Authority::new("servers");
    let at = installed("{tls: {certificate: server.pem, key: server.key}}");
    at.run("check").failed(2, &["listen.tls.certificate: cannot read ", "server.pem: No such file"]);
    place_pair(&at, &authority.certificate(2090));
    assert!(at.run("check").ok().output.contains("listen.tls: a certificate for synod, until 2090-12-31T00:00:00Z\n"));
    place(&at, "server.key", &authority.certificate(2090).1);
    at.run("check").failed(2, &["listen.tls.key: ", "is not the key of the first certificate in"]);
    place_pair(&at, &authority.certificate(2020));
    at.run("check").failed(2, &["listen.tls.certificate: ", "ended on 2020-12-31T00:00:00Z: clients will refuse it"]);
    at.edit("certificate: server.pem, key: server.key", "acme: {directory: 'https://localhost/', domains: [a.test], root: server.key}");
    at.run("check").failed(2, &["listen.tls.acme.root: ", "server.key is no certificate in PEM"]);
    at.edit("server.key", "server.pem");
    assert!(at.run("check").ok().output.contains("listen.tls: a certificate for a.test by ACME\n"));
    assert!(!at.path("data/acme").exists(), "nothing is made by looking");
}

#[test]
fn certificate_and_client_authorities_are_rotated_a_hundred_times_under_load() {
    let authority = Authority::new("servers");
    let at = installed(
        "{tls: {certificate: server.pem, key: server.key, clients: {authorities: clients.pem, required: true}}, limits: {first_byte: 2m, idle: 2m}}",
    );
    place_pair(&at, &authority.certificate(2090));
    let clients: Vec<Authority> = (0..=100).map(|round| Authority::new(&format!("clients {round}"))).collect();
    let shown = |round: usize| authority.trusting_as(&VERSIONS, &["http/1.1"], Some(&clients[round].client("teller", 1)));
    place(&at, "clients.pem", &clients[0].pem());
    let server = Server::start(&at);
    // What the load shows. Handshakes hold it for reading, so that none is under way with a certificate whose authority goes.
    let current = RwLock::new(shown(0));
    let (over, requests, mut refused) = (AtomicBool::new(false), AtomicUsize::new(0), 0);
    thread::scope(|scope| {
        let load = || {
            while !over.load(Ordering::Relaxed) {
                let config = current.read().unwrap();
                let answer = encrypted(&config, server.data).and_then(|mut stream| asked(&mut stream, GET));
                if !answer.as_ref().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                    over.store(true, Ordering::Relaxed);
                    panic!("a request failed: {answer:?}");
                }
                requests.fetch_add(1, Ordering::Relaxed);
            }
        };
        let load = [scope.spawn(load), scope.spawn(load)];
        for round in 1..=100 {
            let before = own(&encrypted(&current.read().unwrap(), server.data).unwrap());
            place_pair(&at, &authority.certificate(2090 + i32::try_from(round).unwrap()));
            place(&at, "clients.pem", &(clients[round - 1].pem() + &clients[round].pem()));
            // Sometimes nobody says so.
            if round % 20 != 0 {
                hang_up(&server);
            }
            let next = shown(round);
            until("the new certificate is shown", || {
                assert!(!over.load(Ordering::Relaxed), "the load failed");
                own(&encrypted(&current.read().unwrap(), server.data).unwrap()) != before
            });
            // The authorities are read after it. Until then a client of the new one is refused, and this must be the only one that is.
            until("the new authority is known", || {
                let known = encrypted(&next, server.data).and_then(|mut stream| asked(&mut stream, GET)).is_ok();
                refused += u64::from(!known);
                known
            });
            *current.write().unwrap() = next;
        }
        over.store(true, Ordering::Relaxed);
        load.into_iter().for_each(|client| client.join().unwrap());
    });
    assert!(requests.into_inner() > 200, "there was load");
    until("those are all that failed", || counted(&server, "synod_tls_handshakes_failed_total") == refused);
    // An authority that went does not vouch for anybody any more.
    let gone = encrypted(&shown(0), server.data).and_then(|mut stream| asked(&mut stream, GET));
    assert!(gone.is_err(), "{gone:?}");
    server.stop();
}

#[test]
fn whoever_calls_without_encryption_is_sent_to_where_there_is() {
    let authority = Authority::new("servers");
    let at = installed("{tls: {certificate: server.pem, key: server.key}, redirect: '127.0.0.1:0'}");
    place_pair(&at, &authority.certificate_for("*.bank.test", 2090));
    let server = Server::start(&at);
    let ready = server.await_event(|event| event["message"] == "ready");
    let address: SocketAddr = ready["redirect"].as_str().unwrap().parse().unwrap();
    let ask = |request: &str| {
        let mut connection = Connection::open(address);
        connection.write(request);
        connection.answer()
    };
    let port = server.data.port();
    for (method, target, host, location) in [
        ("GET", "/v1/decisions?limit=1&x=%2f", "synod.bank.test", format!("https://synod.bank.test:{port}/v1/decisions?limit=1&x=%2f")),
        ("POST", "/v1/score", "Synod.Bank.test:80", format!("https://synod.bank.test:{port}/v1/score")),
        ("GET", "//evil.test/", "a.bank.test", format!("https://a.bank.test:{port}//evil.test/")),
        ("GET", "http://evil.test/x", "a.bank.test", format!("https://a.bank.test:{port}/x")),
        ("OPTIONS", "*", "a.bank.test", format!("https://a.bank.test:{port}/")),
    ] {
        let answer = ask(&format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!((answer.status, answer.header("location")), (308, Some(location.as_str())), "{method} {target}: {answer:?}");
        assert!(answer.header("x-request-id").is_some() && answer.header("strict-transport-security").is_none(), "{answer:?}");
    }
    for (hosts, status, code) in [
        ("host: evil.test\r\n", 421, "unknown_host"),
        ("host: bank.test\r\n", 421, "unknown_host"),
        ("host: a.bank.test.evil.test\r\n", 421, "unknown_host"),
        ("host: \r\n", 421, "unknown_host"),
        ("", 400, "bad_host"),
        ("host: a.bank.test\r\nhost: evil.test\r\n", 400, "bad_host"),
        ("host: evil.test@a.bank.test\r\n", 400, "bad_host"),
    ] {
        let answer = ask(&format!("GET / HTTP/1.1\r\n{hosts}\r\n"));
        answer.problem(status, code);
        assert_eq!(answer.header("location"), None);
    }
    // By HTTP/2 the host is part of the address.
    let mut http2 = connected(address);
    http2.write_all(&beginning(END_STREAM | END_HEADERS, b"\x82\x86\x84\x01\x0ba.bank.test")).unwrap();
    let head = head(&mut http2);
    // `:status` with a text of its own, which is 308 in Huffman's code (RFC 7541, appendix B).
    assert_eq!(&head[..5], &[0x48, 0x83, 0x64, 0x0f, 0x7f][..], "{head:?}");
    assert!(counted(&server, "synod_connections_open{listener=\"redirect\"}") >= 1);
    drop(http2);
    // Encryption is said to be there to stay where it is, and nothing may be kept.
    let mut stream = encrypted_with(&authority.trusting(&VERSIONS, &["http/1.1"]), server.data, "a.bank.test").unwrap();
    let answer = asked(&mut stream, GET).unwrap();
    for header in ["strict-transport-security: max-age=31536000\r\n", "x-content-type-options: nosniff\r\n", "cache-control: no-store\r\n"]
    {
        assert!(answer.contains(header), "{answer}");
    }
    // All that it has written, once it has ended: lines come a moment after the answers.
    let events = server.stop();
    let bad = events.iter().filter(|event| event["message"] == "request answered" && event["status"] == 400);
    assert_eq!(bad.count(), 3, "a bad Host has its log line");
}

#[test]
fn a_body_has_to_come_at_a_pace() {
    let at = installed("{limits: {body_grace: 700ms, body_rate: 1KiB, body: 4s}}");
    let server = Server::start(&at);
    let begin = |length: usize| {
        let mut stream = connected(server.data);
        stream.write_all(format!("POST /v1/score HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n").as_bytes()).unwrap();
        (stream, Instant::now())
    };
    // Writes pieces now and then until the server has enough of it or all are written, and returns the answer.
    let drip = |mut stream: TcpStream, piece: &str, pause: u64, pieces: usize| {
        for _ in 0..pieces {
            if stream.write_all(piece.as_bytes()).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(pause));
        }
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let refused =
        |answer: &str| answer.starts_with("HTTP/1.1 408") && answer.contains("connection: close") && answer.contains("body_incomplete");
    thread::scope(|scope| {
        scope.spawn(|| {
            let (stream, started) = begin(100);
            let answer = drip(stream, "{", 0, 1);
            assert!(refused(&answer), "{answer}");
            assert!((600..3500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
        });
        scope.spawn(|| {
            // A tenth of the rate.
            let (stream, started) = begin(100_000);
            let answer = drip(stream, "          ", 100, 60);
            assert!(refused(&answer) || answer.is_empty(), "{answer}");
            // What it sent after that was not read, so that the answer may be lost with the connection.
            assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
        });
        scope.spawn(|| {
            // Fast enough, and longer than the grace.
            let (mut stream, started) = begin(ROW.len() + 8000);
            for _ in 0..10 {
                stream.write_all(" ".repeat(800).as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(100));
            }
            stream.write_all(ROW.as_bytes()).unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200", "after {:?}", started.elapsed());
        });
        scope.spawn(|| {
            // Fast enough, and longer than any body may take.
            let (stream, started) = begin(4_000_000);
            let answer = drip(stream, &" ".repeat(2000), 100, 100);
            assert!(refused(&answer) || answer.is_empty(), "{answer}");
            assert!(started.elapsed() > Duration::from_secs(3), "{:?}", started.elapsed());
        });
        scope.spawn(|| {
            // By HTTP/2 the stream is cut, and others on the connection go on.
            let mut http2 = connected(server.data);
            http2.write_all(&beginning(END_HEADERS, b"\x83\x86\x04\x09/v1/score\x01\x05synod")).unwrap();
            http2.write_all(&frame(DATA, 0, 1, b"{")).unwrap();
            let slow = head(&mut http2);
            // `:status` with a text of its own, which is 408 in Huffman's code (RFC 7541, appendix B).
            assert_eq!(&slow[..5], &[0x48, 0x83, 0x68, 0x0f, 0x7f][..], "{slow:?}");
            http2.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 3, b"\x82\x86\x04\x08/healthz\x01\x05synod")).unwrap();
            assert_eq!(head(&mut http2)[0], STATUS_200);
        });
    });
    assert_eq!(counted(&server, "synod_connections_overdue_total{deadline=\"body\"}"), 4);
    let plain = server.get("/healthz");
    assert_eq!((plain.header("cache-control"), plain.header("x-content-type-options")), (Some("no-store"), Some("nosniff")));
    assert_eq!(plain.header("strict-transport-security"), None, "nothing is encrypted here");
    server.stop();
}

/// Has the service answer others while something is done to it, and insists that it takes no more memory for it than this.
fn bears(server: &Server, bytes: u64, attack: impl Fn() + Sync) {
    let before = memory(server);
    let over = AtomicBool::new(false);
    let mut most = before;
    thread::scope(|scope| {
        let attack = scope.spawn(|| {
            attack();
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) && !attack.is_finished() {
            let started = Instant::now();
            assert_eq!(server.get("/healthz").status, 200);
            assert!(started.elapsed() < Duration::from_secs(5), "others wait {:?}", started.elapsed());
            most = most.max(memory(server));
            thread::sleep(Duration::from_millis(20));
        }
        attack.join().unwrap();
    });
    assert!(most - before < bytes, "it takes {} bytes more", most - before);
    server.post("/v1/score", ROW).ok();
    until("all connections are over", || counted(server, "synod_connections_open{listener=\"data\"}") == 0);
}

/// `ENHANCE_YOUR_CALM` (RFC 9113, section 7).
const ENHANCE_YOUR_CALM: u32 = 11;

#[test]
fn streams_that_are_opened_and_reset_end_the_connection() {
    let at = installed("{limits: {idle: 5s}}");
    let server = Server::start(&at);
    server.post("/v1/score", ROW).ok();
    // How many requests, each of them opened and reset at once, are taken on one connection.
    let taken = |flags: u8, head: &[u8]| {
        let mut stream = connected(server.data);
        let _ = stream.write_all(PREFACE);
        let pair = |id: u32| [frame(HEADERS, flags | END_HEADERS, id, head), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat();
        let mut bursts = (0..1000_u32).map(|burst| (0..100).flat_map(|place| pair(burst * 200 + place * 2 + 1)).collect::<Vec<u8>>());
        let taken = bursts.position(|burst| stream.write_all(&burst).is_err());
        let code = taken.and_then(|_| farewell(&mut stream));
        assert!([Some(ENHANCE_YOUR_CALM), None].contains(&code), "{code:?}");
        taken.unwrap_or(1000) * 100
    };
    bears(&server, 64 << 20, || {
        // Requests that wait for their body, and such as can be answered at once.
        let waiting = taken(0, b"\x83\x86\x04\x09/v1/score\x01\x05synod");
        assert!(waiting < 100_000, "so many are not borne");
        taken(END_STREAM, b"\x82\x86\x04\x08/healthz\x01\x05synod");
    });
    server.stop();
}

#[test]
fn heads_without_end_are_refused() {
    let at = installed("{limits: {idle: 5s, header_size: 16KiB}}");
    let server = Server::start(&at);
    server.post("/v1/score", ROW).ok();
    // A head that goes on and on in more frames.
    let field = [b"\x00\x7f\x81\x01".as_slice(), &[b'a'; 256], b"\x01b"].concat();
    let endless = |piece: &[u8]| {
        let mut stream = connected(server.data);
        let _ = stream.write_all(&beginning(0, b"\x82\x86\x84\x01\x05synod"));
        let (piece, mut sent) = (frame(CONTINUATION, 0, 1, piece), 0_u64);
        while sent < 64 << 20 && stream.write_all(&piece).is_ok() {
            sent += piece.len() as u64;
        }
        assert!(sent < 64 << 20, "so much is not borne");
        farewell(&mut stream);
    };
    bears(&server, 64 << 20, || endless(&field.repeat(20)));
    bears(&server, 64 << 20, || endless(b""));
    // Many fields, and one that is too large, in whole frames: by HTTP/2 the limit is on their size.
    for fields in [b"\x00\x01a\x01b".repeat(3000), field.repeat(70)] {
        let mut stream = connected(server.data);
        let _ = stream.write_all(&beginning(END_STREAM | END_HEADERS, &[b"\x82\x86\x04\x08/healthz\x01\x05synod", &fields[..]].concat()));
        let answer = head_or_end(&mut stream);
        assert!(answer.as_ref().is_none_or(|head| head[0] != STATUS_200), "{answer:?}");
    }
    server.stop();
}

/// The next answer's head, or nothing when the stream or the connection is ended instead.
fn head_or_end(stream: &mut TcpStream) -> Option<Vec<u8>> {
    loop {
        match synod_tests::http2::read_frame(stream) {
            Ok((HEADERS, payload)) => return Some(payload),
            Ok((RST_STREAM | synod_tests::http2::GOAWAY, _)) => return None,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("there is no answer"),
            Err(_) => return None,
        }
    }
}

#[test]
fn bodies_that_are_small_and_mean_much_work_are_refused_quickly() {
    let at = installed("{drain: 10s}");
    let server = Server::start(&at);
    server.post("/v1/score", ROW).ok();
    let most = 4 << 20;
    let deep = |open: &str| open.repeat((most - 100) / open.len());
    let table = [
        ("nested lists", deep("["), 400),
        ("nested objects", deep("{\"a\":"), 400),
        ("nested lists in a field", format!("{{\"a\":{}", deep("[")), 400),
        ("a row of many fields", format!("{{{}\"a\":1}}", (0..200_000).map(|name| format!("\"f{name}\":1,")).collect::<String>()), 422),
        ("a field many times", format!("{{{}\"a\":1}}", "\"a\":1,".repeat(600_000)), 422),
        ("many empty rows", format!("[{}{{}}]", "{},".repeat(1_000_000)), 422),
        ("many numbers for rows", format!("[{}1]", "1,".repeat(2_000_000)), 422),
        ("a number of many digits", format!("{{\"a\":{},\"b\":1,\"c\":1}}", "9".repeat(4_000_000)), 400),
        ("an exponent", r#"{"a":1e999999999,"b":1,"c":1}"#.to_owned(), 400),
        ("a text of escapes", format!("{{\"a\":\"{}\",\"b\":1,\"c\":1}}", "\\u0000".repeat(600_000)), 422),
    ];
    for (what, body, expected) in &table {
        bears(&server, 256 << 20, || {
            let started = Instant::now();
            let answer = server.post("/v1/score", body);
            assert_eq!(answer.status, *expected, "{what}: {}", &answer.body[..answer.body.len().min(300)]);
            assert!(answer.body.len() < 1 << 20, "{what}: an answer of {} bytes", answer.body.len());
            assert!(started.elapsed() < Duration::from_secs(10), "{what}: {:?}", started.elapsed());
        });
    }
    server.stop();
}

/// A real authority, with a name server that finds everything on this machine. Both are ended when this is dropped.
struct Pebble {
    processes: Vec<Child>,
    management: SocketAddr,
    root: PathBuf,
}

impl Pebble {
    /// Starts an authority whose certificates hold for so many seconds, and that calls back on this port.
    fn start(folder: &Path, [api, management, name_server]: [u16; 3], callback: u16, seconds: u32) -> Self {
        let authority = Authority::new("pebble");
        let (certificate, key) = authority.certificate_for("localhost", 2090);
        for (name, text) in [("api.pem", &certificate), ("api.key", &key), ("api-root.pem", &authority.pem())] {
            fs::write(folder.join(name), text).unwrap();
        }
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{api}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": folder.join("api.pem"), "privateKey": folder.join("api.key"), "httpPort": free_port(), "tlsPort": callback,
            "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": seconds,
        }});
        fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
        let names = format!("127.0.0.1:{name_server}");
        let management = SocketAddr::from(([127, 0, 0, 1], management));
        let mut server = program("pebble-challtestsrv");
        server.args(["-dns01", &names, "-management", &format!("127.0.0.1:{}", free_port())]);
        server.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "", "-defaultIPv4", "127.0.0.1"]);
        let mut pebble = program("pebble");
        pebble.arg("-config").arg(folder.join("pebble.json")).args(["-dnsserver", &names]);
        // No pauses before it looks, and no nonces that it refuses by chance.
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        let processes = [(server, "names.log"), (pebble, "pebble.log")].map(|(mut command, log)| {
            let log = File::create(folder.join(log)).unwrap();
            command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn().unwrap()
        });
        let root = folder.join("api-root.pem");
        let pebble = Self { processes: processes.into(), management, root };
        until("Pebble answers", || TcpStream::connect(("127.0.0.1", api)).is_ok() && TcpStream::connect(pebble.management).is_ok());
        pebble
    }

    /// The root of what it signs; another one after each start.
    fn issuing_root(&self) -> RootCertStore {
        let mut api = RootCertStore::empty();
        api.add(CertificateDer::from_pem_file(&self.root).unwrap()).unwrap();
        let mut stream = encrypted_with(&config(api, &VERSIONS, &[], None), self.management, "localhost").unwrap();
        let answer = asked(&mut stream, "GET /roots/0 HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(body.as_bytes()).unwrap()).unwrap();
        roots
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// A program that `scripts/test.sh` installs.
fn program(name: &str) -> Command {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|folder| folder.join(name).is_file());
    assert!(found, "{name} is not there: scripts/test.sh installs it");
    Command::new(name)
}

#[test]
fn a_certificate_is_had_from_an_authority_renewed_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (ports, data) = ([free_port(), free_port(), free_port()], free_port());
    let clients = Authority::new("clients");
    let at = installed(&format!(
        "{{tls: {{acme: {{directory: 'https://localhost:{}/dir', domains: [synod.test, api.synod.test], contact: [a@bank.test], root: root.pem}}, \
         clients: {{authorities: clients.pem, required: true}}}}, redirect: '127.0.0.1:0'}}",
        ports[0]
    ));
    at.write("clients.pem", clients.pem());
    // The root of the authority's own address is made when it starts; here it is another one for now.
    at.write("root.pem", clients.pem());
    let start = || Server::start_with(&at, &[("SYNOD_LISTEN__DATA", &format!("127.0.0.1:{data}"))]);
    let orders = |server: &Server, result: &str| counted(server, &format!("synod_certificate_orders_total{{result=\"{result}\"}}"));
    let failed = "a certificate could not be had";

    // Nobody is there yet: whoever comes is told so by the handshake, and operators are served.
    let server = start();
    until("an order fails", || times_logged(&server, failed) > 0 && orders(&server, "failed") > 0);
    assert_eq!(seen(server.data, "synod.test"), None);
    assert_eq!(server.administer("/healthz").status, 200);
    server.stop();

    const PERIOD: u32 = 24;
    let pebble = Pebble::start(folder.path(), ports, data, PERIOD);
    fs::copy(&pebble.root, at.path("root.pem")).unwrap();
    let server = start();
    until("there is a certificate", || seen(server.data, "synod.test").is_some());
    // It is one that clients trust, for both names; and the challenge was answered although clients need certificates.
    let shown = clients.client("teller", 1);
    let trusting = config(pebble.issuing_root(), &VERSIONS, &["http/1.1"], Some(&shown));
    for name in ["synod.test", "api.synod.test"] {
        let mut stream = encrypted_with(&trusting, server.data, name).unwrap();
        assert!(asked(&mut stream, GET).unwrap().starts_with("HTTP/1.1 200"));
    }
    assert_eq!((orders(&server, "issued"), orders(&server, "failed")), (1, 0));
    let first = seen(server.data, "synod.test").unwrap();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let ends = counted(&server, "synod_certificate_expiry_seconds{listener=\"data\"}");
    assert!((now()..=now() + u64::from(PERIOD)).contains(&ends), "it ends at {ends}, and now it is {}", now());
    // What is kept is for its owner alone.
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    until("both are kept", || fs::read_dir(at.path("data/acme")).unwrap().count() == 2);
    assert_eq!(mode(&at.path("data/acme")), 0o700);
    assert!(fs::read_dir(at.path("data/acme")).unwrap().all(|file| mode(&file.unwrap().path()) == 0o600));
    // Without encryption, only names of the certificate are sent on.
    let ready = server.await_event(|event| event["message"] == "ready");
    let address: SocketAddr = ready["redirect"].as_str().unwrap().parse().unwrap();
    for (host, status) in [("api.synod.test", 308), ("evil.test", 421)] {
        let mut connection = Connection::open(address);
        connection.write(format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(connection.answer().status, status, "{host}");
    }

    // At two thirds of its period there is another one.
    until("it is renewed", || seen(server.data, "synod.test").is_some_and(|certificate| certificate != first));
    let second = seen(server.data, "synod.test").unwrap();
    encrypted_with(&trusting, server.data, "synod.test").unwrap();
    assert_eq!(orders(&server, "issued"), 2);
    until("it is kept", || times_logged(&server, "a new certificate is served") == 2);
    thread::sleep(Duration::from_millis(300));

    // The authority goes. After a restart what was kept is served at once, and still is when its renewal fails.
    drop(pebble);
    server.stop();
    let server = start();
    until("the kept one is served", || seen(server.data, "synod.test") == Some(second.clone()));
    until("that is said", || times_logged(&server, "the certificate that was kept is served") == 1);
    until("a renewal fails", || times_logged(&server, failed) > 0);
    assert_eq!(seen(server.data, "synod.test"), Some(second));
    assert_eq!((orders(&server, "issued"), orders(&server, "failed").min(1)), (0, 1));
    server.stop();
}

/// As if this machine's clock were ahead: each certificate has ended by the time it is there, and is to be renewed at once.
#[test]
fn an_authority_is_not_asked_without_pause() {
    let folder = tempfile::tempdir().unwrap();
    let (ports, data) = ([free_port(), free_port(), free_port()], free_port());
    let directory = format!("https://localhost:{}/dir", ports[0]);
    let at = installed(&format!("{{tls: {{acme: {{directory: '{directory}', domains: [synod.test], root: root.pem}}}}}}"));
    let pebble = Pebble::start(folder.path(), ports, data, 1);
    fs::copy(&pebble.root, at.path("root.pem")).unwrap();
    let server = Server::start_with(&at, &[("SYNOD_LISTEN__DATA", &format!("127.0.0.1:{data}"))]);
    let issued = || counted(&server, "synod_certificate_orders_total{result=\"issued\"}");
    until("there is a certificate", || issued() == 1);
    // An order takes one or two seconds.
    thread::sleep(Duration::from_secs(6));
    assert_eq!(issued(), 1);
    until("it is asked again", || issued() == 2);
    server.stop();
}

/// What `testssl.sh` may find beside good things: only what follows from a certificate that no public authority signed.
const OF_A_TEST_CERTIFICATE: [&str; 3] = ["cert_chain_of_trust", "cert_trust", "cert_revocation"];

#[test]
fn testssl_finds_nothing_grave() {
    let authority = Authority::new("servers");
    let at = installed("{tls: {certificate: server.pem, key: server.key}}");
    place_pair(&at, &authority.fresh_certificate_for("127.0.0.1", 90));
    let server = Server::start(&at);
    let findings = at.path("findings.json");
    // Protocols, kinds of ciphers, what the server prefers, its certificate, its headers, and the renegotiation, compression, ROBOT and
    // fallback weaknesses. The others are of protocols and ciphers that are not offered.
    let mut scan = program("testssl");
    scan.args([
        "-p",
        "-s",
        "-P",
        "-S",
        "-h",
        "-R",
        "-C",
        "-BB",
        "-Z",
        "-H",
        "-I",
        "--fast",
        "--warnings",
        "off",
        "--color",
        "0",
        "-n",
        "none",
    ]);
    scan.args(["--connect-timeout", "10", "--openssl-timeout", "10", "--ip", "127.0.0.1", "--jsonfile"]).arg(&findings);
    let output = scan.arg(format!("https://{}", server.data)).stdin(Stdio::null()).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = fs::read_to_string(&findings).unwrap_or_else(|error| panic!("{error}\n{report}"));
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}\n{report}"));
    let severity = |id: &str| {
        let found = findings.iter().find(|finding| finding["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in\n{text}"))["severity"].as_str().unwrap().to_owned()
    };
    let finding = |id: &str| findings.iter().find(|finding| finding["id"] == id).unwrap()["finding"].as_str().unwrap().to_owned();
    for absent in ["SSLv2", "SSLv3", "TLS1", "TLS1_1"] {
        assert!(finding(absent).starts_with("not offered"), "{absent}: {}", finding(absent));
    }
    for present in ["TLS1_2", "TLS1_3"] {
        assert!(finding(present).starts_with("offered"), "{present}: {}", finding(present));
    }
    for weak in ["cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_LOW", "cipherlist_3DES_IDEA"] {
        assert!(["OK", "INFO"].contains(&severity(weak).as_str()) && finding(weak).starts_with("not offered"), "{weak}: {}", finding(weak));
    }
    assert!(["OK", "INFO"].contains(&severity("HSTS_time").as_str()), "{}", finding("HSTS_time"));
    let grave: Vec<&Value> = findings
        .iter()
        .filter(|finding| ["HIGH", "CRITICAL", "FATAL", "MEDIUM"].contains(&finding["severity"].as_str().unwrap()))
        .filter(|finding| !OF_A_TEST_CERTIFICATE.iter().any(|id| finding["id"].as_str().unwrap().starts_with(id)))
        .collect();
    assert!(grave.is_empty(), "{grave:#?}");
    assert!(findings.len() > 40, "it looked: {text}");
    let mut stream = encrypted_with(&authority.trusting(&VERSIONS, &["http/1.1"]), server.data, "127.0.0.1").unwrap();
    assert!(asked(&mut stream, GET).unwrap().starts_with("HTTP/1.1 200"), "it is served as before");
    server.stop();
}

/// What h2spec holds against a listener that speaks HTTP/1.1 as well: whoever does not begin as HTTP/2 does is answered by HTTP/1.1, with 400,
/// before the connection is closed.
const WITHOUT_ENCRYPTION: [&str; 1] = ["2: Sends invalid connection preface"];

#[test]
fn h2spec_finds_nothing() {
    let Some(h2spec) = std::env::var_os("SYNOD_H2SPEC").map(PathBuf::from).filter(|path| path.is_file()) else {
        println!("skipped: SYNOD_H2SPEC does not name the program; scripts/test.sh installs it where there is go");
        return;
    };
    let authority = Authority::new("servers");
    let at = installed("{tls: {certificate: server.pem, key: server.key}, limits: {idle: 30s}}");
    place_pair(&at, &authority.certificate_for("127.0.0.1", 2090));
    let encrypted = Server::start(&at);
    check_by_h2spec(&h2spec, encrypted.data, &["-t", "-k"], &[]);
    encrypted.stop();
    let at = installed("{limits: {idle: 30s}}");
    let plain = Server::start(&at);
    check_by_h2spec(&h2spec, plain.data, &[], &WITHOUT_ENCRYPTION);
    plain.stop();
}

/// Runs it until it finds nothing but the exceptions. Many of its cases send a request and then what must not come after it; where the answer
/// is sooner they find nothing to complain about that is a fault. So a case has failed if it fails every time, on a path that answers at once
/// and on one that waits for a body.
fn check_by_h2spec(h2spec: &Path, address: SocketAddr, more: &[&str], exceptions: &[&str]) {
    let mut always: Option<Vec<String>> = None;
    for path in ["/healthz", "/v1/score"].repeat(5) {
        let mut command = Command::new(h2spec);
        command.args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "-P", path, "-o", "10"]).args(more);
        let text = String::from_utf8(command.stdin(Stdio::null()).output().unwrap().stdout).unwrap();
        let summary = text.lines().find(|line| line.contains(" tests, ")).unwrap_or_else(|| panic!("no summary in\n{text}"));
        let passed = summary.split(", ").find_map(|part| part.strip_suffix(" passed")?.parse::<u32>().ok());
        assert!(passed.is_some_and(|passed| passed > 130), "{summary}");
        let failed: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("× ")).collect();
        let still = match always {
            None => failed.into_iter().map(str::to_owned).collect(),
            Some(before) => before.into_iter().filter(|case| failed.contains(&case.as_str())).collect::<Vec<_>>(),
        };
        println!("{address}{path}: {summary}; {still:?}");
        if still.iter().all(|case| exceptions.iter().any(|known| case == known)) {
            return;
        }
        always = Some(still);
    }
    panic!("these fail every time: {always:#?}");
}
