//! Limits as clients meet them: quotas that can be read and waited for, a gate that refuses at once when too many wait, and one caller's
//! flood beside another caller.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use synod_tests::configurations::{patient, three_numbers, three_numbers_csv};
use synod_tests::{Answer, Connection, Installation, Server, guests, send};

const ROW: &str = r#"{"a":0.1,"b":0.2,"c":0.3}"#;
/// Brings out the guest's behaviour: its first feature is above a half.
const TRIGGER: &str = r#"{"a":0.9,"b":0.2,"c":0.3}"#;
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const REDUCED_CAPACITY: &str = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity";
/// What comes later does not come, however busy the machine is.
const LATEST: Duration = Duration::from_secs(60);
/// Two clients.
const ONE: &str = "127.0.0.1";
const OTHER: &str = "127.0.0.2";

fn fitted(configuration: &str) -> Installation {
    let at = Installation::new(configuration);
    at.write("rows.csv", three_numbers_csv(300));
    at.run("fit --data rows.csv").ok();
    at
}

/// An installation with these limits.
fn limited(limits: &str) -> Installation {
    let template = guests().join("template.wasm");
    fitted(&format!("{}limits: {limits}\n", patient(&three_numbers(&format!("  robust:\n    plugin: {}\n", template.display())))))
}

/// An installation whose one detector never returns from a row that triggers it, so that it holds its sandbox until its time is over.
fn slow(sandboxes: usize, timeout: &str, limits: &str) -> Installation {
    let mut detector = String::new();
    let _ = writeln!(detector, "  slow:\n    plugin: {}\n    parameters: {{behaviour: spin}}", guests().join("hostile.wasm").display());
    let _ = writeln!(detector, "    limits: {{timeout: {timeout}, load_timeout: 60s, instances: {sandboxes}}}");
    fitted(&format!("{}limits: {limits}\n", three_numbers(&detector)))
}

/// Quotas of which nobody is exempt: all tests call from the machine itself.
fn quotas(quotas: &str) -> Installation {
    limited(&format!("{{quotas: {{exempt: [], {quotas}}}}}"))
}

fn connected_from(source: &str, address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LATEST)).unwrap();
    stream.set_write_timeout(Some(LATEST)).unwrap();
    stream
}

fn read_answer(stream: TcpStream) -> Answer {
    let mut stream = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let status = line().split(' ').nth(1).and_then(|code| code.parse().ok()).expect("an answer");
    let fields = std::iter::from_fn(|| Some(line()).filter(|line| !line.is_empty()));
    let headers = fields.filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()))).collect();
    let mut answer = Answer { status, headers, body: String::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    answer.body = String::from_utf8(body).unwrap();
    answer
}

/// Sends a request from an address of the machine itself.
fn ask(source: &str, address: SocketAddr, method: &str, path: &str, fields: &str, body: &str) -> Answer {
    let mut stream = connected_from(source, address);
    let head = format!("{method} {path} HTTP/1.1\r\nhost: synod\r\nconnection: close\r\ncontent-length: {}\r\n{fields}\r\n", body.len());
    stream.write_all((head + body).as_bytes()).unwrap();
    read_answer(stream)
}

fn score_from(source: &str, server: &Server, body: &str) -> Answer {
    ask(source, server.data, "POST", "/v1/score", "", body)
}

fn counted(server: &Server, metric: &str) -> u64 {
    let metrics = server.administer("/metrics").body;
    let value = metrics.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {metric} in\n{metrics}")).parse().unwrap()
}

fn refused(server: &Server, limit: &str) -> u64 {
    counted(server, &format!("synod_requests_limited_total{{limit=\"{limit}\"}}"))
}

/// Insists that a quota is exceeded, and says for how many seconds one should wait.
#[track_caller]
fn exceeded(answer: &Answer, policy: &str) -> u64 {
    let problem = answer.problem(429, "quota_exceeded");
    assert_eq!((&problem["type"], &problem["violated-policies"]), (&json!(QUOTA_EXCEEDED), &json!([policy])), "{problem}");
    let limit = answer.header("ratelimit").unwrap();
    assert!(limit.starts_with(&format!("\"{policy}\";r=0")), "{limit}");
    answer.header("retry-after").unwrap().parse().unwrap()
}

/// Insists on a refusal because there is more than can be done.
#[track_caller]
fn overloaded(answer: &Answer, policy: &str) {
    let problem = answer.problem(503, "overloaded");
    assert_eq!((&problem["type"], &problem["violated-policies"]), (&json!(REDUCED_CAPACITY), &json!([policy])), "{problem}");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[test]
fn an_address_has_a_quota_before_it_is_known_who_calls() {
    let at = quotas("address: {requests: 12/m, burst: 3}");
    let server = Server::start_with(&at, &[("SYNOD_IDENTITY__ANONYMOUS", "[]")]);
    let knock = |source: &str| ask(source, server.data, "GET", "/v1/decisions", "authorization: Bearer nonsense\r\n", "");
    for left in [2, 1, 0] {
        let answer = knock(ONE);
        answer.problem(401, "invalid_credential");
        assert_eq!(answer.header("ratelimit-policy"), Some("\"address\";q=3;w=15"));
        assert_eq!(answer.header("ratelimit"), Some(format!("\"address\";r={left};t={}", 5 * (3 - left)).as_str()));
    }
    let wait = exceeded(&knock(ONE), "address");
    assert!((1..=5).contains(&wait), "{wait}");
    knock(OTHER).problem(401, "invalid_credential");
    for _ in 0..5 {
        assert_eq!(ask(ONE, server.data, "GET", "/healthz", "", "").status, 200, "health is never limited");
    }
    thread::sleep(Duration::from_secs(wait));
    knock(ONE).problem(401, "invalid_credential");
    assert_eq!(refused(&server, "address"), 1);
    assert_eq!(counted(&server, "synod_limit_keys{limit=\"address\"}"), 2);
    server.stop();
}

#[test]
fn the_machine_itself_is_exempt_and_a_client_behind_a_trusted_proxy_is_not() {
    let at = limited("{quotas: {address: {requests: 2/h}}}");
    let forwarded = "x-forwarded-for: 127.0.0.1, 203.0.113.9\r\n";
    let knock = |server: &Server, source: &str, fields: &str| ask(source, server.data, "GET", "/v1/detectors", fields, "");
    let server = Server::start(&at);
    for _ in 0..5 {
        let answer = knock(&server, ONE, forwarded);
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None), "it is exempt, and nobody is trusted");
    }
    server.stop();
    let server = Server::start_with(&at, &[("SYNOD_LISTEN__PROXIES", "[\"127.0.0.2\"]")]);
    assert_eq!([(); 2].map(|()| knock(&server, OTHER, forwarded).status), [200, 200]);
    exceeded(&knock(&server, OTHER, forwarded), "address");
    assert_eq!(knock(&server, OTHER, "x-forwarded-for: 203.0.113.10\r\n").status, 200, "another client of the proxy");
    assert_eq!(knock(&server, ONE, forwarded).status, 200, "not a proxy, whatever it says");
    server.stop();
}

#[test]
fn callers_have_quotas_in_all_and_on_a_route() {
    let at = quotas("address: {}, principal: {requests: 4/h}, routes: {/v1/detectors: {requests: 2/h}}");
    let server = Server::start(&at);
    let list = |source: &str| ask(source, server.data, "GET", "/v1/detectors", "", "");
    assert_eq!(list(ONE).header("ratelimit"), Some("\"route\";r=1;t=1800"), "the tightest is told");
    assert_eq!(list(ONE).status, 200);
    let wait = exceeded(&list(ONE), "route");
    assert!((1700..=1800).contains(&wait), "{wait}");
    assert_eq!(score_from(ONE, &server, ROW).status, 200);
    let wait = exceeded(&score_from(ONE, &server, ROW), "principal");
    assert!((800..=900).contains(&wait), "{wait}");
    assert_eq!((list(OTHER).status, score_from(OTHER, &server, ROW).status), (200, 200), "who has no name is told apart by address");
    assert_eq!((refused(&server, "route"), refused(&server, "principal"), refused(&server, "address")), (1, 1, 0));
    server.stop();
    // What is set for one by name holds in place of what holds for all.
    let server = Server::start_with(&at, &[("SYNOD_LIMITS__QUOTAS__PRINCIPALS", "{\"anonymous\":{}}")]);
    assert!((0..6).all(|_| score_from(ONE, &server, ROW).status == 200));
    server.stop();
}

#[test]
fn rows_have_a_quota_and_what_can_never_pass_is_not_to_be_sent_again() {
    let at = quotas("principal: {rows: 10/h}");
    let server = Server::start(&at);
    let rows = |count: usize| format!("[{}]", vec![ROW; count].join(","));
    for path in ["/v1/score", "/v1/detectors/robust/score"] {
        let answer = server.post(path, &rows(11));
        let problem = answer.problem(413, "rows_beyond_quota");
        assert_eq!(problem["detail"], "the policy `principal-rows` allows 10 rows at once; send fewer at a time");
        assert_eq!(answer.header("retry-after"), None);
    }
    let answer = server.post("/v1/score", &rows(6));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("ratelimit-policy"), Some("\"principal-rows\";q=10;qu=\"rows\";w=3600"));
    assert_eq!(answer.header("ratelimit"), Some("\"principal-rows\";r=4;t=2160"));
    let wait = exceeded(&server.post("/v1/score", &rows(6)), "principal-rows");
    assert!((600..=720).contains(&wait), "{wait}");
    assert_eq!(server.post("/v1/detectors/robust/score", &rows(4)).status, 200);
    exceeded(&server.post("/v1/score", ROW), "principal-rows");
    let judged: u64 = ["approve", "review", "block"]
        .map(|outcome| counted(&server, &format!("synod_verdicts_total{{outcome=\"{outcome}\"}}")))
        .iter()
        .sum();
    assert_eq!((judged, refused(&server, "rows")), (6, 4), "what is refused is not scored");
    server.stop();
}

/// A request under way: its head was read, and its body is waited for.
fn under_way(server: &Server, body: &str) -> Connection {
    let mut connection = Connection::open(server.data);
    let length = body.len();
    connection.write(format!("POST /v1/score HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"));
    assert_eq!(connection.head().status, 100);
    connection
}

#[test]
fn a_caller_has_so_many_requests_at_a_time() {
    let at = quotas("principal: {concurrent: 2}");
    let server = Server::start(&at);
    let mut first = under_way(&server, ROW);
    let mut second = under_way(&server, ROW);
    assert_eq!(exceeded(&server.post("/v1/score", ROW), "principal-concurrent"), 1);
    assert_eq!(score_from(OTHER, &server, ROW).status, 200);
    first.write(ROW);
    assert_eq!(first.answer().status, 200);
    assert_eq!(server.post("/v1/score", ROW).status, 200, "its place is free again");
    second.write(ROW);
    assert_eq!(second.answer().status, 200);
    // Whoever hangs up gives its place back as well.
    drop([under_way(&server, ROW), under_way(&server, ROW)]);
    let started = Instant::now();
    while server.post("/v1/score", ROW).status != 200 {
        assert!(started.elapsed() < LATEST, "a place is lost");
    }
    assert!(refused(&server, "concurrent") >= 1);
    server.stop();
}

/// Waits until so many wait in the queue of the detectors.
fn await_queue(server: &Server, length: u64) {
    let started = Instant::now();
    while counted(server, "synod_queue_length{queue=\"scoring\"}") != length {
        assert!(started.elapsed() < LATEST, "the queue never has {length}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_finds_the_queue_full_is_refused_at_once() {
    let at = slow(1, "3s", "{}");
    let server = Server::start_with(&at, &[("SYNOD_LIMITS__QUEUE__LENGTH", "2")]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            let answer = server.post("/v1/score", TRIGGER);
            done.store(true, Ordering::SeqCst);
            answer
        });
        // It takes the only sandbox; from then on others wait.
        let started = Instant::now();
        while !server.administer("/metrics").body.contains("synod_detector_instances{detector=\"slow\",state=\"idle\"} 0") {
            assert!(started.elapsed() < LATEST, "the detector is never asked");
        }
        let waiting = [(); 2].map(|()| scope.spawn(|| server.post("/v1/score", ROW)));
        await_queue(&server, 2);
        let mut took: Vec<Duration> = (0..20)
            .map(|_| {
                let started = Instant::now();
                overloaded(&server.post("/v1/score", ROW), "queue");
                started.elapsed()
            })
            .collect();
        assert!(!done.load(Ordering::SeqCst), "twenty were refused while one was scored");
        took.sort();
        println!("refused after {:?} (median), {:?} (longest)", took[10], took[19]);
        overloaded(&server.post("/v1/detectors/slow/score", ROW), "queue");
        assert_eq!(server.get("/v1/detectors").status, 200, "what does not score is answered");
        assert_eq!(first.join().unwrap().ok()["abstentions"][0]["reason"], "timeout");
        for answer in waiting.map(|waiting| waiting.join().unwrap().ok()) {
            assert_eq!(answer["abstentions"], json!([]), "{answer}");
        }
    });
    assert_eq!((refused(&server, "queue_full"), refused(&server, "queue_age")), (21, 0));
    assert_eq!(counted(&server, "synod_queue_length{queue=\"scoring\"}"), 0);
    server.stop();
}

#[test]
fn who_has_waited_too_long_is_refused_and_nobody_is_sent_to_a_busy_detector() {
    let at = slow(1, "2s", "{}");
    let server = Server::start_with(&at, &[("SYNOD_LIMITS__QUEUE__AGE", "300ms")]);
    let answers: Vec<(Answer, Duration)> = thread::scope(|scope| {
        let asked: Vec<_> = (0..12)
            .map(|_| {
                scope.spawn(|| {
                    let started = Instant::now();
                    (server.post("/v1/score", TRIGGER), started.elapsed())
                })
            })
            .collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let (scored, turned_away): (Vec<_>, Vec<_>) = answers.iter().partition(|(answer, _)| answer.status == 200);
    assert!(!scored.is_empty() && turned_away.len() >= 8, "{} scored", scored.len());
    for (answer, _) in &scored {
        assert_eq!(answer.json()["abstentions"][0]["reason"], "timeout", "{}", answer.body);
    }
    for (answer, took) in &turned_away {
        overloaded(answer, "queue");
        assert!(*took >= Duration::from_millis(250), "it was refused after {took:?}, before it was too old");
    }
    assert_eq!(counted(&server, "synod_detector_abstentions_total{detector=\"slow\",reason=\"busy\"}"), 0);
    assert_eq!(refused(&server, "queue_age"), turned_away.len() as u64);
    server.stop();
}

#[test]
fn many_connections_get_verdicts_and_no_detector_is_too_busy_to_vote() {
    // A sandbox is waited for no longer than a call may take, and those that spin take it eight times as long.
    let at = slow(1, "500ms", "{}");
    let server = Server::start_with(&at, &[("SYNOD_LIMITS__QUEUE__AGE", "20s"), ("SYNOD_LIMITS__TIMEOUT", "30s")]);
    thread::scope(|scope| {
        let asked: Vec<_> = (0..64)
            .map(|number| if number % 8 == 0 { TRIGGER } else { ROW })
            .map(|row| (row, scope.spawn(|| server.post("/v1/score", row))))
            .collect();
        for (row, answer) in asked {
            let answer = answer.join().unwrap().ok();
            let expected = if row == TRIGGER { json!("timeout") } else { Value::Null };
            assert_eq!(answer["abstentions"][0]["reason"], expected, "{answer}");
        }
    });
    assert_eq!(counted(&server, "synod_verdicts_with_too_few_votes_total"), 8);
    server.stop();
}

/// Ends a flood, however its test ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_flood_of_one_caller_leaves_another_alone() {
    let at = slow(4, "1s", "{}");
    let server = Server::start_with(&at, &[("SYNOD_LIMITS__QUEUE__AGE", "5s"), ("SYNOD_LIMITS__QUEUE__LENGTH", "10")]);
    let (over, scored, turned_away) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let times = 20;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let timed = |times: &mut Vec<Duration>| {
        let started = Instant::now();
        let answer = score_from(OTHER, &server, ROW).ok();
        times.push(started.elapsed());
        assert_eq!(answer["abstentions"], json!([]), "{answer}");
    };
    (0..times).for_each(|_| timed(&mut alone));
    let during = thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    match score_from(ONE, &server, TRIGGER).status {
                        200 => drop(scored.fetch_add(1, Ordering::SeqCst)),
                        503 => {
                            turned_away.fetch_add(1, Ordering::SeqCst);
                            // A client that does not wait for as long as it is told, and yet some time.
                            thread::sleep(Duration::from_millis(20));
                        }
                        other => panic!("{other}"),
                    }
                }
            });
        }
        let _ends = Ends(&over);
        let started = Instant::now();
        while turned_away.load(Ordering::SeqCst) == 0 {
            assert!(started.elapsed() < LATEST, "the flood is none");
            thread::sleep(Duration::from_millis(5));
        }
        let before = scored.load(Ordering::SeqCst);
        (0..times).for_each(|_| timed(&mut beside));
        scored.load(Ordering::SeqCst) - before
    });
    // In the order in which they came, each would have waited for ten of the flood.
    assert!(during < times, "{during} of the flood were scored during {times} of the other's");
    [&mut alone, &mut beside].into_iter().for_each(|times| times.sort());
    println!("alone {:?} (median), beside a flood {:?}; {during} of the flood meanwhile", alone[times / 2], beside[times / 2]);
    server.stop();
}

/// Begins to send a body of so many bytes.
fn begin(source: &str, server: &Server, announced: Option<usize>, sent: usize) -> TcpStream {
    let mut stream = connected_from(source, server.data);
    let kind = announced.map_or_else(|| "transfer-encoding: chunked".to_owned(), |length| format!("content-length: {length}"));
    let head = format!("POST /v1/score HTTP/1.1\r\nhost: x\r\n{kind}\r\n\r\n");
    let body = if announced.is_some() { vec![b' '; sent] } else { chunk(sent) };
    // It may be refused before all of it is sent.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    stream
}

fn chunk(length: usize) -> Vec<u8> {
    [format!("{length:x}\r\n").as_bytes(), &vec![b' '; length], b"\r\n"].concat()
}

fn await_bodies(server: &Server, wanted: impl Fn(u64) -> bool) {
    let started = Instant::now();
    loop {
        let held = counted(server, "synod_bodies_size_bytes");
        if wanted(held) {
            return;
        }
        assert!(started.elapsed() < LATEST, "bodies take {held} bytes");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn bodies_have_so_much_memory_together() {
    const MIB: usize = 1 << 20;
    let at = limited("{body: 8MiB, memory: 8MiB, timeout: 60s}");
    let server = Server::start(&at);
    // What is announced takes nothing.
    let announced: Vec<TcpStream> = (0..20).map(|_| begin(ONE, &server, Some(MIB), 1000)).collect();
    await_bodies(&server, |held| held == 20 * 1000);
    let whole = 5 * MIB + MIB / 2;
    let mut held = begin(ONE, &server, Some(whole), 5 * MIB);
    await_bodies(&server, |held| held == 20 * 1000 + 5 * MIB as u64);
    overloaded(&read_answer(begin(ONE, &server, Some(2 * MIB), 0)), "memory");
    overloaded(&read_answer(begin(ONE, &server, None, 2 * MIB)), "memory");
    assert_eq!(refused(&server, "memory"), 2);
    assert_eq!(server.get("/v1/detectors").status, 200);
    score_from(ONE, &server, ROW).ok();
    let other = begin(OTHER, &server, Some(2 * MIB), 2 * MIB - 10);
    await_bodies(&server, |held| held > 7 * MIB as u64);
    score_from(OTHER, &server, ROW).ok();
    drop((announced, other));
    await_bodies(&server, |held| held == 5 * MIB as u64);
    let rest = [vec![b' '; MIB / 2 - ROW.len()], ROW.as_bytes().to_vec()].concat();
    held.write_all(&rest).unwrap();
    read_answer(held).ok();
    await_bodies(&server, |held| held == 0);
    server.stop();
}

/// What the system has given a process, in bytes.
fn resident(process: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// How many files a process may have open.
fn open_files(process: u32) -> usize {
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

#[test]
fn thousands_of_slow_uploads_take_bounded_memory() {
    const MEMORY: usize = 32 << 20;
    // Most keep within the memory and stay open; every tenth does not, and is refused sooner or later.
    let sent = |upload: usize| if upload.is_multiple_of(10) { 40_000 } else { 1_000 };
    let at = limited("{memory: 32MiB, timeout: 120s, quotas: {principal: {}}}");
    let limits = "{\"connections_per_address\":20000,\"connections\":20000,\"stall\":\"120s\"}";
    let server = Server::start_with(&at, &[("SYNOD_LISTEN__LIMITS", limits)]);
    let uploads = (open_files(server.process()).min(open_files(std::process::id())) - 300).min(10_000);
    score_from(OTHER, &server, ROW).ok();
    let before = resident(server.process());
    let mut peak = before;
    let mut streams = Vec::with_capacity(uploads);
    for upload in 0..uploads {
        streams.push(begin(ONE, &server, Some(1 << 20), sent(upload)));
        if upload % 500 == 0 {
            peak = peak.max(resident(server.process()));
            score_from(OTHER, &server, ROW).ok();
        }
    }
    await_bodies(&server, |held| held <= MEMORY as u64);
    let held = counted(&server, "synod_bodies_size_bytes") as usize;
    peak = peak.max(resident(server.process()));
    let mib = |bytes: usize| bytes >> 20;
    let total: usize = (0..uploads).map(sent).sum();
    println!(
        "{uploads} uploads sent {} MiB of {uploads} MiB: bodies take {} MiB, the process {} MiB more than before; {} are open",
        mib(total),
        mib(held),
        mib(peak - before),
        counted(&server, "synod_connections_open{listener=\"data\"}")
    );
    assert!(held > MEMORY / 2, "the uploads fill what they may: {held}");
    // Twice the bodies, for room that is made ahead; and what the connections themselves take.
    assert!(peak - before < 2 * MEMORY + uploads * (24 << 10), "{} MiB more", mib(peak - before));
    assert!(refused(&server, "memory") > 0);
    drop(streams);
    await_bodies(&server, |held| held == 0);
    let _ = send(server.data, "GET", "/healthz", &[], b"");
    server.stop();
}

#[test]
fn behind_a_proxy_plain_http_is_no_reason_not_to_start() {
    let at = limited("{}");
    let doctor = |proxies: &str| {
        let mut command = at.command("doctor");
        command.env("SYNOD_LISTEN__DATA", "0.0.0.0:8080").env("SYNOD_LISTEN__PROXIES", proxies);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let (direct, behind) = (doctor("[]"), doctor("[\"10.0.0.0/8\"]"));
    assert!(direct.contains("insecure: listen.tls: "), "{direct}");
    assert!(behind.contains("warning: listen.tls: "), "{behind}");
}
