//! How many tokens one thread verifies a second, by algorithm: `cargo run --release -p synod-identity --example token_speed`.

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};
use support::{NOW, Signer, good_claims, issuer, verifier};
use synod_identity::Algorithm;

/// How long each algorithm is measured.
const MEASURED: Duration = Duration::from_secs(2);

fn main() {
    println!("{:<10} {:>12} {:>14} {:>12}", "algorithm", "token bytes", "verified / s", "us / token");
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(algorithm, "key");
        let verifier = verifier(issuer(&[algorithm]), &[&signer]);
        let token = signer.plain_token(algorithm, &good_claims().to_string());
        let mut count = 0_u32;
        let start = Instant::now();
        while start.elapsed() < MEASURED {
            for _ in 0..50 {
                assert!(black_box(verifier.verify(black_box(&token), NOW)).is_ok(), "{algorithm}");
                count += 1;
            }
        }
        let seconds = start.elapsed().as_secs_f64() / f64::from(count);
        println!("{:<10} {:>12} {:>14.0} {:>12.1}", algorithm.name(), token.len(), 1.0 / seconds, seconds * 1e6);
    }
}
