#!/usr/bin/env bash
# What a request costs: CPU time of Synod with three detectors, beside a bare axum server that is asked with the same bodies in the same run.
#
# usage: scripts/bench.sh [--seconds N] [--rounds N] [--connections 1,16] [--only TEXT] [--no-pinning] [--json FILE]
#
# tests/bench/README.md says what the columns mean.
. "$(dirname "$0")/lib.sh"
need_tools
config=config/examples/three-fields.yaml

say "building (the first time takes some minutes)"
cargo build --release -p synod-gateway -p synod-bench
[ -n "$(ls plugins/dist/*.wasm 2>/dev/null)" ] || scripts/plugins.sh
synod=$CARGO_TARGET_DIR/release/synod

say "fitting the detectors of $config on generated transactions"
directory=$CARGO_TARGET_DIR/bench
rm -rf "$directory"
mkdir -p "$directory"
"$synod" generate --kind three-fields --rows 20000 --seed 1 --output "$directory/training.csv"
"$synod" fit --config "$config" --data "$directory/training.csv" --data-directory "$directory/models"
# Rows that the models have not seen.
"$synod" generate --kind three-fields --rows 5000 --seed 2 --output "$directory/requests.jsonl"

say "measuring"
"$CARGO_TARGET_DIR/release/synod-bench" run --synod "$synod" --config "$config" --data-directory "$directory/models" \
    --rows "$directory/requests.jsonl" "$@"
