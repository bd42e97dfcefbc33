//! What the autoencoder costs natively, to compare with the sandbox (`call_cost` of the host, which has the same rows):
//! `cargo run --release -p autoencoder --example native_cost [WIDTH [ROWS [PARAMETERS]]]`. Prints the time of a fit, and nanoseconds for a
//! call with one row and for a row in bulk.

use autoencoder::{Autoencoder, Parameters};
use std::time::Instant;
use synod_sdk::measuring::{best, noise};
use synod_sdk::{Detector, Training};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let width: usize = arguments.next().map_or(Ok(8), |width| width.parse())?;
    let count: usize = arguments.next().map_or(Ok(1024), |rows| rows.parse())?;
    let parameters: Parameters = serde_json::from_str(&arguments.next().unwrap_or_else(|| "{}".to_owned()))?;
    let training = noise(count, width, 1);
    let begun = Instant::now();
    let model = Autoencoder::fit(&parameters, &Training::new(training.view(), 1))?;
    println!("fit: {:?}, a model of {} bytes", begun.elapsed(), model.to_bytes().len());
    let rows = noise(1024, width, 2);
    for count in [1, 32, 1024] {
        let nanoseconds = best(rows.view(), count, |rows| model.score(rows))?;
        println!("{count:>5} rows: {nanoseconds:>9.0} ns a call, {:>7.1} ns a row", nanoseconds / count as f64);
    }
    Ok(())
}
