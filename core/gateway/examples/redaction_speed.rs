//! What the net over log lines costs: nanoseconds a line, for lines as Synod writes them.
//!
//! `cargo run --release -p synod-gateway --example redaction_speed`

use std::hint::black_box;
use std::time::Instant;
use synod_gateway::redaction::{redacted, redacted_line};

const ROUNDS: u32 = 2_000;
const TIMES: u32 = 60;

fn main() {
    let access = r#"{"timestamp":"2026-11-26T12:02:14.123456Z","level":"INFO","message":"request answered","request_id":"0198a1b2-4111-7111-8111-a11111111111","method":"POST","route":"/v1/score","status":200,"caller":"https://login.bank.example:ana","duration_us":1834,"target":"access"}"#;
    let digest =
        format!(r#"{{"timestamp":"2026-11-26T12:02:14.123456Z","level":"INFO","message":"loaded","sha256":"{}"}}"#, "9f86d081".repeat(8));
    let card = access.replace("200", "\"4111 1111 1111 1111\"");
    let long = format!("{{\"message\":\"{}\"}}", "plain words of a plugin, ".repeat(160));
    let digits = format!("{{\"message\":\"{}\"}}", "12 345 6789 ".repeat(330));
    for (name, line) in [
        ("access line", access),
        ("line with a digest", &digest),
        ("access line with a card number", &card),
        ("4 KiB of words", &long),
        ("4 KiB of short numbers", &digits),
    ] {
        let took = best_of(|| drop(black_box(redacted_line(black_box(line.as_bytes())))));
        println!("{name}: {} bytes, {took:.0} ns a line", line.len());
    }
    let took = best_of(|| drop(black_box(redacted(black_box("/amount must be a number, not `abc`")))));
    println!("a problem's detail: {took:.0} ns");
}

/// Nanoseconds that something takes when the machine has nothing else to do: the least of many times.
fn best_of(work: impl Fn()) -> f64 {
    let took = |_| {
        let started = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        started.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
    };
    (0..TIMES).map(took).fold(f64::INFINITY, f64::min)
}
