#!/usr/bin/env bash
# What shipping costs: Synod's shipper beside rsyslog's omelasticsearch, which tell the same documents to the same server that keeps nothing, in
# turns in one run.
#
# usage: scripts/bench-shipping.sh [DOCUMENTS] [--rounds N] [--no-pinning] [--json FILE]      (200000 documents if left out)
#
# Needs rsyslog and its output to Elasticsearch; on Debian they are installed, and no service is left running. tests/bench/README.md says what the
# columns mean.
. "$(dirname "$0")/lib.sh"
need_tools
need_without_service rsyslog
need rsyslog-elasticsearch
documents=200000
if [[ ${1:-} =~ ^[0-9]+$ ]]; then documents=$1 && shift; fi
config=config/examples/three-fields.yaml

say "building (the first time takes some minutes)"
cargo build --release -p synod-gateway -p synod-bench
[ -n "$(ls plugins/dist/*.wasm 2>/dev/null)" ] || scripts/plugins.sh
synod=$CARGO_TARGET_DIR/release/synod
bench=$CARGO_TARGET_DIR/release/synod-bench

say "making a log of $documents decisions"
directory=$CARGO_TARGET_DIR/bench-shipping
rm -rf "$directory"
mkdir -p "$directory"
"$synod" generate --kind three-fields --rows 5000 --seed 1 --output "$directory/training.csv"
"$synod" fit --config "$config" --data "$directory/training.csv" --data-directory "$directory/data"
"$bench" decisions --config "$config" --data-directory "$directory/data" --documents "$documents"
# So that no server has to do it while it is measured.
"$synod" index rebuild --config "$config" --data-directory "$directory/data"

say "measuring"
"$bench" shipping --synod "$synod" --config "$config" --data-directory "$directory/data" --documents "$documents" \
    --folder "$directory/run" "$@"
