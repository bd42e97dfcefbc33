//! The empty world: what a plugin finds of WASI 0.2, and that nothing of the machine is in it.

use crate::raw::{component, contract, module};
use crate::support::{PLENTY, WIDTH, host, patient, strict, training};
use std::time::{Duration, Instant};
use synod_host::{Failure, LogLevel, Plugin, Pool, PoolLimits};

/// As much of WASI as these guests call, word for word.
const WASI: &str = r#"
package wasi:io@0.2.VERSION {
  interface error { resource error; }
  interface poll { resource pollable { block: func(); } }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource input-stream { read: func(len: u64) -> result<list<u8>, stream-error>; }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
  }
}
package wasi:clocks@0.2.VERSION {
  interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
  interface monotonic-clock { use wasi:io/poll@0.2.VERSION.{pollable}; now: func() -> u64; subscribe-duration: func(when: u64) -> pollable; }
}
package wasi:random@0.2.VERSION {
  interface random { get-random-u64: func() -> u64; get-random-bytes: func(len: u64) -> list<u8>; }
  interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
}
package wasi:cli@0.2.VERSION {
  interface environment {
    get-environment: func() -> list<tuple<string, string>>;
    get-arguments: func() -> list<string>;
    initial-cwd: func() -> option<string>;
  }
  interface exit { exit: func(status: result); }
  interface stdin { use wasi:io/streams@0.2.VERSION.{input-stream}; get-stdin: func() -> input-stream; }
  interface stdout { use wasi:io/streams@0.2.VERSION.{output-stream}; get-stdout: func() -> output-stream; }
  interface stderr { use wasi:io/streams@0.2.VERSION.{output-stream}; get-stderr: func() -> output-stream; }
}
package wasi:filesystem@0.2.VERSION {
  interface types { resource descriptor { sync: func() -> result<_, u8>; } }
  interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
}
package wasi:sockets@0.2.VERSION {
  interface instance-network { resource network; instance-network: func() -> network; }
}
"#;

/// A plugin whose `score` is this code, and which imports one function of an interface, known as `$call` with a type of core WebAssembly;
/// `others` are more such imports.
fn guest_of(version: &str, imports: &[(&str, &str, &str, &str)], score: &str) -> Vec<u8> {
    let mut world = String::new();
    let mut core = String::new();
    for (interface, function, name, kind) in imports {
        if !world.contains(interface) {
            world += &format!("import wasi:{interface}@0.2.{version};");
        }
        core += &format!("(import \"wasi:{interface}@0.2.{version}\" \"{function}\" (func ${name} {kind}))");
    }
    let wit = contract().replace("import logging;", &format!("import logging; {world}")) + &WASI.replace("VERSION", version);
    component(&module(&core, score), &wit)
}

fn plugin(imports: &[(&str, &str, &str, &str)], score: &str) -> Plugin {
    host().load(&guest_of("3", imports, score)).unwrap()
}

fn pool(imports: &[(&str, &str, &str, &str)], score: &str, limits: &PoolLimits) -> Pool {
    plugin(imports, score).pool((*b"raw").into(), limits).unwrap()
}

const ROW: [f64; WIDTH] = [1.0, 2.0, 3.0];
/// Where `score` leaves its number.
const ANSWER: &str = "(call $result (i32.const 0) (i32.const 3200) (i32.const 1) (i32.const 0))";

/// The code that answers with an integer of 64 bits.
fn answering(number: &str) -> String {
    format!("(f64.store (i32.const 3200) (f64.convert_i64_u {number})) {ANSWER}")
}

fn score(pool: &Pool) -> f64 {
    pool.score(WIDTH, &ROW).unwrap().scores[0]
}

fn trap(pool: &Pool) -> String {
    let failure = pool.score(WIDTH, &ROW).unwrap_err();
    let Failure::Trap { what } = failure else { panic!("{failure:?}") };
    assert_eq!(pool.facts().retired.trap, 1);
    what
}

#[test]
fn any_patch_of_0_2_goes() {
    let imports = [("clocks/monotonic-clock", "now", "call", "(result i64)")];
    for version in ["0", "3", "12"] {
        assert!(host().load(&guest_of(version, &imports, &answering("(call $call)"))).is_ok(), "{version}");
    }
}

#[test]
fn clocks_stand_still() {
    let monotonic = pool(&[("clocks/monotonic-clock", "now", "call", "(result i64)")], &answering("(call $call)"), &patient());
    assert_eq!([score(&monotonic), score(&monotonic)], [1e9; 2]);
    let code = format!("(call $call (i32.const 3304)) {}", answering("(i64.load (i32.const 3304))"));
    let wall = pool(&[("clocks/wall-clock", "now", "call", "(param i32)")], &code, &patient());
    assert_eq!([score(&wall), score(&wall)], [1.0; 2]);
}

#[test]
fn waiting_is_a_trap_and_holds_nobody_up() {
    let imports = [("clocks/monotonic-clock", "subscribe-duration", "call", "(param i64) (result i32)")];
    let code = answering("(i64.extend_i32_u (call $call (i64.const 3600000000000)))");
    let begun = Instant::now();
    let what = trap(&pool(&imports, &code, &strict()));
    assert!(what.contains("monotonic-clock@0.2.3 subscribe-duration was called, and is not there"), "{what}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn random_numbers_are_the_same_in_every_call_of_every_instance() {
    let imports = [("random/random", "get-random-u64", "call", "(result i64)")];
    // The second of two: the stream goes on within a call.
    let pools = [(); 2].map(|()| pool(&imports, &answering("(drop (call $call)) (call $call)"), &patient()));
    let first = score(&pools[0]);
    assert_eq!([score(&pools[0]), score(&pools[1]), score(&pools[1])], [first; 3]);
    assert_ne!(score(&pool(&imports, &answering("(call $call)"), &patient())), first);

    let bytes = [("random/random", "get-random-bytes", "call", "(param i64 i32)")];
    let code = |count: u64| {
        let answer = answering("(i64.load (i32.load (i32.const 3304)))");
        format!("(call $call (i64.const {count}) (i32.const 3304)) {answer}")
    };
    let some = [(); 2].map(|()| score(&pool(&bytes, &code(64), &patient())));
    assert_eq!(some[0], some[1]);
    assert!(trap(&pool(&bytes, &code(u64::MAX), &strict())).contains("random bytes were asked for at once"));

    let code = format!("(call $call (i32.const 3304)) {}", answering("(i64.load (i32.const 3304))"));
    let seed = pool(&[("random/insecure-seed", "insecure-seed", "call", "(param i32)")], &code, &patient());
    assert_eq!(score(&seed), 1e9);
}

#[test]
fn there_are_no_arguments_no_environment_and_no_files() {
    // How long the list is; for the working directory, whether there is one.
    let lists = [
        ("cli/environment", "get-environment", "(i64.load32_u (i32.const 3308))"),
        ("cli/environment", "get-arguments", "(i64.load32_u (i32.const 3308))"),
        ("cli/environment", "initial-cwd", "(i64.load8_u (i32.const 3304))"),
        ("filesystem/preopens", "get-directories", "(i64.load32_u (i32.const 3308))"),
    ];
    for (interface, function, found) in lists {
        let code = format!("(i64.store (i32.const 3304) (i64.const -1)) (call $call (i32.const 3304)) {}", answering(found));
        assert_eq!(score(&pool(&[(interface, function, "call", "(param i32)")], &code, &patient())), 0.0, "{function}");
    }
    // A file that was never given cannot be guessed.
    let imports = [("filesystem/types", "[method]descriptor.sync", "call", "(param i32 i32)")];
    for handle in [0, 1, 3] {
        let code = format!("(call $call (i32.const {handle}) (i32.const 3304)) {ANSWER}");
        let failure = pool(&imports, &code, &strict()).score(WIDTH, &ROW).unwrap_err();
        assert!(failure.to_string().contains("unknown handle index"), "{handle}: {failure}");
    }
}

#[test]
fn exit_is_a_trap() {
    let imports = [("cli/exit", "exit", "call", "(param i32)")];
    for code in [0, 1] {
        let what = trap(&pool(&imports, &format!("(call $call (i32.const {code})) {ANSWER}"), &strict()));
        assert_eq!(what, format!("the plugin called exit with {code}"));
    }
}

const WRITE: &str = "[method]output-stream.blocking-write-and-flush";

#[test]
fn what_is_written_becomes_lines_of_the_log() {
    let imports = [
        ("cli/stdout", "get-stdout", "out", "(result i32)"),
        ("cli/stderr", "get-stderr", "err", "(result i32)"),
        ("io/streams", WRITE, "write", "(param i32 i32 i32 i32)"),
    ];
    let write =
        |stream: &str, length: u32| format!("(call $write (call ${stream}) (i32.const 3400) (i32.const {length}) (i32.const 3304))");
    // "hi\n": three bytes, the lowest first.
    let text = "(i32.store (i32.const 3400) (i32.const 0x000a6968))";
    let pool = |code: &str| pool(&imports, &format!("{text} {code} {ANSWER}"), &strict());
    let lines = pool(&(write("out", 3) + &write("err", 3)));
    score(&lines);
    let told: Vec<_> = lines.take_log().into_iter().map(|line| (line.level, line.text)).collect();
    assert_eq!(told, [(LogLevel::Info, "hi".to_owned()), (LogLevel::Warn, "hi".to_owned())]);
    assert!(trap(&pool(&write("out", 4097))).contains("4097 bytes were written at once"));
    // The streams that the first guest took are never given back: in the end there are no more.
    let mut calls = 0;
    let failure = loop {
        calls += 1;
        match lines.score(WIDTH, &ROW) {
            Ok(_) => assert!(calls < 1000, "streams without end"),
            Err(failure) => break failure,
        }
    };
    assert!(failure.to_string().contains("standard streams are held"), "{failure}");
}

#[test]
fn a_flood_of_output_is_cut_like_any_other() {
    let imports = [("cli/stdout", "get-stdout", "out", "(result i32)"), ("io/streams", WRITE, "write", "(param i32 i32 i32 i32)")];
    let code = format!(
        "(local $stream i32) (local.set $stream (call $out)) (memory.fill (i32.const 8192) (i32.const 10) (i32.const 4096))
         (loop $again (call $write (local.get $stream) (i32.const 8192) (i32.const 4096) (i32.const 3304)) (br $again)) {ANSWER}"
    );
    let pool = pool(&imports, &code, &strict());
    assert_eq!(pool.score(WIDTH, &ROW).unwrap_err().reason(), "timeout");
    assert!(pool.facts().dropped_lines > 1000);
    assert_eq!(pool.take_log().len(), 1000);
}

#[test]
fn standard_input_is_at_its_end() {
    let imports =
        [("cli/stdin", "get-stdin", "in", "(result i32)"), ("io/streams", "[method]input-stream.read", "read", "(param i32 i64 i32)")];
    // An error (1), and that is `closed` (1).
    let code = format!(
        "(call $read (call $in) (i64.const 10) (i32.const 3304)) {}",
        answering("(i64.add (i64.load8_u (i32.const 3304)) (i64.mul (i64.const 10) (i64.load8_u (i32.const 3308))))")
    );
    assert_eq!(score(&pool(&imports, &code, &patient())), 11.0);
}

#[test]
fn the_network_is_refused_by_name() {
    let imports = [("sockets/instance-network", "instance-network", "call", "(result i32)")];
    let error = host().load(&guest_of("3", &imports, ANSWER)).unwrap_err().to_string();
    assert!(error.starts_with("the plugin imports wasi:sockets/instance-network@0.2.3: a plugin may import nothing but"), "{error}");
}

#[test]
fn a_function_of_another_type_is_refused() {
    let bytes = guest_of("3", &[("clocks/monotonic-clock", "now", "call", "(result i64)")], &answering("(call $call)"));
    assert!(host().load(&bytes).unwrap().fit(&training("{}", &ROW), &PLENTY, &mut |_, _| {}).is_ok());
    let wit = contract().replace("import logging;", "import logging; import wasi:clocks/monotonic-clock@0.2.3;")
        + "package wasi:clocks@0.2.3 { interface monotonic-clock { now: func() -> u32; } }";
    let imports = r#"(import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $call (result i32)))"#;
    let error = host().load(&component(&module(imports, "unreachable"), &wit)).unwrap_err();
    assert!(matches!(error, synod_host::LoadError::Shape(_)), "{error:?}");
}
