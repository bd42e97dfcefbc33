//! A model from elsewhere: a network that was exported as ONNX scores the same through the plugin for ONNX graphs.

use synod_tests::Installation;
use synod_tests::table::{self, Plain};

/// Relative where a score is above 1: the network computes in single precision.
const TOLERANCE: f64 = 1e-5;

const FOREIGN: &str = "
  foreign:
    plugin: onnx
    artifact: network.onnx
    features: [amount_ratio, amount, average, frequency]
    parameters: {score: output, output: score}

consensus:";

#[test]
fn an_exported_network_scores_the_same_as_its_original() {
    let at = Installation::fitted_example("three-fields", 2_000);
    at.run("export onnx --detector autoencoder --output network.onnx").ok();
    at.edit("\nconsensus:", FOREIGN);
    // The first start compiles the whole ONNX runtime, which takes its time without optimisation.
    at.run("fit --data rows.csv --detector foreign").ok();
    at.run("score --data rows.csv --output scores.csv").ok();
    let rows = table::read(&at.path("scores.csv"));
    let number = |cell: &Plain| match cell {
        Plain::Number(bits) => f64::from_bits(*bits),
        other => panic!("no number: {other:?}"),
    };
    assert_eq!(rows.len(), 2_000);
    for row in &rows {
        let (own, foreign) = (number(&row["autoencoder.raw_score"]), number(&row["foreign.raw_score"]));
        assert!((own - foreign).abs() <= TOLERANCE * own.abs().max(1.0), "{own} and {foreign}");
    }
}

#[test]
fn what_an_artifact_lacks_is_named() {
    let at = Installation::example("three-fields");
    at.edit("\nconsensus:", FOREIGN);
    at.run("generate --kind three-fields --rows 500 --output rows.csv").ok();
    at.run("fit --data rows.csv").failed(2, &["detector foreign", "network.onnx"]);
    at.write("network.onnx", b"no graph");
    at.run("fit --data rows.csv").failed(2, &["detector foreign", "ONNX"]);
    at.edit("    artifact: network.onnx\n", "");
    at.run("check").failed(2, &["foreign", "needs `artifact`"]);
}
