//! What a plugin costs: `cargo run --release -p synod-host --example call_cost [COMPONENT.wasm [WIDTH [ROWS [PARAMETERS [ARTIFACT]]]]]`, by
//! default the plugin template with 8 features, fitted on 1,024 rows, `{}`, without the file of a foreign model. Prints how long it takes to
//! load, to fit and to start, and nanoseconds for a call with one row and for a row in bulk, with the time limit on. The rows are normal
//! noise in two clusters, the same each time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use synod_host::{CodeCache, CodeKey, Host, HostSettings, Limits, Pool, PoolLimits, Training};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/dist/template.wasm");
    let path = arguments.next().unwrap_or_else(|| default.to_owned());
    let width: usize = arguments.next().map_or(Ok(8), |width| width.parse())?;
    let count: usize = arguments.next().map_or(Ok(1024), |rows| rows.parse())?;
    let parameters = arguments.next().unwrap_or_else(|| "{}".to_owned());
    let artifact = arguments.next().map(std::fs::read).transpose()?;

    let host = Host::new(&HostSettings::default(), Some(Arc::new(Memory::default())))?;
    let component = std::fs::read(&path)?;
    let begun = Instant::now();
    host.load(&component)?;
    let compiled = begun.elapsed();
    let begun = Instant::now();
    let plugin = host.load(&component)?;
    println!("load: {compiled:?} with compilation, {:?} from the cache, a component of {} bytes", begun.elapsed(), component.len());
    let training = rows(count, width, 1);
    let training = Training {
        parameters: &parameters,
        artifact: artifact.as_deref(),
        seed: 1,
        features: &[],
        weights: None,
        part: None,
        previous: None,
        width,
        values: &training,
    };
    let plenty = Limits { timeout: Duration::from_secs(600), memory: 1 << 30 };
    let begun = Instant::now();
    let model: Arc<[u8]> = plugin.fit(&training, &plenty, &mut |_, _| {})?.into();
    println!("fit: {:?}, a model of {} bytes", begun.elapsed(), model.len());
    let begun = Instant::now();
    let pool = plugin.pool(model, &PoolLimits { call: plenty, ..PoolLimits::default() })?;
    println!(
        "start of an instance: {:?}, {} bytes of memory",
        begun.elapsed(),
        pool.facts().memory.max(pool.score(width, &[0.0].repeat(width))?.memory)
    );
    let rows = rows(1024, width, 2);
    for count in [1, 32, 1024] {
        let nanoseconds = best(&pool, width, &rows, count)?;
        println!("{count:>5} rows: {nanoseconds:>9.0} ns a call, {:>7.1} ns a row", nanoseconds / count as f64);
    }
    Ok(())
}

/// A cache of compiled code that ends with the process.
#[derive(Default)]
struct Memory(Mutex<Option<Vec<u8>>>);

impl CodeCache for Memory {
    fn get(&self, _key: &CodeKey) -> Option<Vec<u8>> {
        self.0.lock().ok()?.clone()
    }

    fn put(&self, _key: &CodeKey, code: &[u8]) {
        println!("compiled code: {} bytes", code.len());
        if let Ok(mut kept) = self.0.lock() {
            *kept = Some(code.to_vec());
        }
    }
}

/// Sums of uniform numbers around one of two centres.
fn rows(count: usize, width: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        // Splitmix64 (Steele, Lea and Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut values = Vec::with_capacity(count * width);
    for _ in 0..count {
        let centre = if uniform() < 0.3 { 3.0 } else { 0.0 };
        values.extend((0..width).map(|_| centre + (0..12).map(|_| uniform()).sum::<f64>() - 6.0));
    }
    values
}

/// The best of several rounds, because the machine has other things to do. Rounds are short, so that one can pass undisturbed, and their
/// calls go through the rows, so that no answer is foreseen.
fn best(pool: &Pool, width: usize, values: &[f64], count: usize) -> Result<f64, synod_host::Failure> {
    let calls: Vec<&[f64]> = values.chunks_exact(width * count).collect();
    let (mut best, begun) = (f64::INFINITY, Instant::now());
    for round in 0..200 {
        for some in calls.chunks(32) {
            let started = Instant::now();
            for rows in some {
                std::hint::black_box(pool.score(width, rows)?);
            }
            best = best.min(started.elapsed().as_nanos() as f64 / some.len() as f64);
        }
        if round >= 5 && begun.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    Ok(best)
}
