//! What a forest costs natively, on the rows of the host's `call_cost`, so that the two can be compared in one run:
//! `cargo run --release -p isolation-forest --example native_cost [WIDTH [ROWS [PARAMETERS]]]`, by default 8 features, a fit on 1,024 rows and
//! `{}`. Prints nanoseconds for a call with one row and for a row in bulk, and for an explanation.

use isolation_forest::{IsolationForest, Parameters};
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
    let fitted = IsolationForest::fit(&parameters, &Training::new(training.view(), 1))?;
    println!("fit: {:?}", begun.elapsed());
    let model = IsolationForest::from_bytes(&fitted.to_bytes())?;
    let rows = noise(1024, width, 2);
    for count in [1, 32, 1024] {
        let nanoseconds = best(rows.view(), count, |rows| model.score(rows))?;
        println!("{count:>5} rows: {nanoseconds:>9.0} ns a call, {:>7.1} ns a row", nanoseconds / count as f64);
    }
    let nanoseconds = best(rows.view(), 32, |rows| model.explain(rows))?;
    println!("explain: {:>9.0} ns a row", nanoseconds / 32.0);
    Ok(())
}
