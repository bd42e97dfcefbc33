//! What a search costs natively, to compare with `call_cost` of the host: `cargo run --release -p synod-neighbours --example native_cost
//! [WIDTH [ROWS [NEIGHBOURS]]]`, by default 8 features, 100,000 rows and 20 neighbours. The rows are those of `call_cost`: normal noise in
//! two clusters. Prints nanoseconds for a row, the best of several rounds.

use std::time::Instant;
use synod_neighbours::{Count, Duplicates, Metric, Reference, Settings};
use synod_sdk::Error;
use synod_sdk::measuring::{best, noise};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<usize>());
    let (width, count, neighbours) = (number(8)?, number(100_000)?, number(20)?);
    let settings = Settings {
        neighbours: Count::Number(neighbours as f64),
        auto: |rows| rows,
        metric: Metric::Euclidean,
        p: 2.0,
        duplicates: Duplicates::Merge,
        novelty: true,
        max_rows: count,
    };
    let training = noise(count, width, 1);
    let begun = Instant::now();
    let reference = Reference::build(training.view(), &settings, 1)?;
    println!("build: {:?}", begun.elapsed());
    let mut search = reference.search();
    let nanoseconds = best(noise(1024, width, 2).view(), 1, |row| {
        let row = row.to_slice().unwrap_or_default();
        Ok::<_, Error>(reference.neighbours_of(row, &mut search).neighbours.len())
    })?;
    println!("{nanoseconds:.0} ns a row");
    Ok(())
}
