//! What a call costs: `cargo run --release -p synod-host --example call_cost [COMPONENT.wasm [WIDTH]]`, by default the plugin template.
//! Prints nanoseconds for a call with one row, and for a row in bulk.

use std::sync::Arc;
use std::time::{Duration, Instant};
use synod_host::{Host, HostSettings, Limits, Pool, PoolLimits, Training};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/dist/template.wasm");
    let path = arguments.next().unwrap_or_else(|| default.to_owned());
    let width: usize = arguments.next().map_or(Ok(8), |width| width.parse())?;

    let host = Host::new(&HostSettings::default(), None)?;
    let begun = Instant::now();
    let plugin = host.load(&std::fs::read(&path)?)?;
    println!("load: {:?}", begun.elapsed());
    let rows: Vec<f64> = (0..1024 * width).map(|index| (index * 2_654_435_761 % 1000) as f64 / 1000.0).collect();
    let training = Training { parameters: "{}", artifact: None, seed: 1, width, values: &rows };
    let plenty = Limits { timeout: Duration::from_secs(60), memory: 1 << 30 };
    let model: Arc<[u8]> = plugin.fit(&training, &plenty, &mut |_, _| {})?.into();
    let begun = Instant::now();
    let pool = plugin.pool(model, &PoolLimits { call: plenty, ..PoolLimits::default() })?;
    println!("start of an instance: {:?}", begun.elapsed());
    for count in [1, 32, 1024] {
        let nanoseconds = best(&pool, width, &rows[..count * width])?;
        println!("{count:>5} rows: {nanoseconds:>9.0} ns a call, {:>7.1} ns a row", nanoseconds / count as f64);
    }
    Ok(())
}

/// The best of several rounds, because the machine has other things to do.
fn best(pool: &Pool, width: usize, values: &[f64]) -> Result<f64, synod_host::Failure> {
    let calls = 2_000_000 / (values.len() + 100);
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let begun = Instant::now();
        for _ in 0..calls {
            std::hint::black_box(pool.score(width, values)?);
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / calls as f64);
    }
    Ok(best)
}
