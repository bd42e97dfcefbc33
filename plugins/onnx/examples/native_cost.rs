//! What a graph costs natively, to compare with the sandbox (`call_cost` of the host, which has the same rows):
//! `cargo run --release -p onnx --example native_cost GRAPH.onnx [WIDTH [ROWS]]`. Prints the time of a fit and of a load, and nanoseconds for
//! a call with one row and for a row in bulk: of the plugin, and of tract by itself with the graph made for as many rows.

use onnx::{Onnx, Parameters};
use std::time::Instant;
use synod_sdk::measuring::{best, noise};
use synod_sdk::{Detector, Training};
use tract_onnx::{prelude::*, tract_hir::infer::InferenceFact};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = std::fs::read(arguments.next().ok_or("usage: native_cost GRAPH.onnx [WIDTH [ROWS]]")?)?;
    let width: usize = arguments.next().map_or(Ok(8), |width| width.parse())?;
    let count: usize = arguments.next().map_or(Ok(1024), |rows| rows.parse())?;
    let training = noise(count, width, 1);
    let begun = Instant::now();
    let fitted = Onnx::fit(&Parameters::default(), &Training { artifact: Some(&file), ..Training::new(training.view(), 1) })?;
    println!("fit: {:?}", begun.elapsed());
    let (bytes, begun) = (fitted.to_bytes(), Instant::now());
    let model = Onnx::from_bytes(&bytes)?;
    println!("load: {:?}", begun.elapsed());
    let rows = noise(1024, width, 2);
    for count in [1, 32, 256] {
        let plugin = best(rows.view(), count, |rows| model.score(rows))?;
        let graph = tract_onnx::onnx().model_for_read(&mut file.as_slice())?;
        let graph =
            graph.with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), [count, width]))?.into_optimized()?.into_runnable()?;
        let mut state = graph.spawn()?;
        let tract = best(rows.view(), count, |rows| -> TractResult<_> {
            let single: Vec<f32> = rows.iter().map(|value| *value as f32).collect();
            state.run(tvec!(Tensor::from_shape(rows.shape(), &single)?.into_tvalue()))
        })?;
        println!("{count:>5} rows: plugin {:>7.1} ns a row, tract {:>7.1}", plugin / count as f64, tract / count as f64);
    }
    Ok(())
}
