#!/usr/bin/env bash
# What the features of config/examples/bank.yaml cost, beside the same features in pandas in the same run; and what a million accounts take.
#
# usage: scripts/bench-features.sh [ROWS]      (100000 if left out)
#
# Needs python3 with venv; pandas is installed into target/bench/pandas. tests/bench/README.md says what the figures mean.
. "$(dirname "$0")/lib.sh"
need_tools
rows=${1:-100000}

say "building (the first time takes some minutes)"
cargo build --release -p synod-gateway -p synod-bench
directory=$CARGO_TARGET_DIR/bench
mkdir -p "$directory"
if [ ! -x "$directory/pandas/bin/python" ]; then
    say "installing pandas into $directory/pandas"
    python3 -m venv "$directory/pandas"
    "$directory/pandas/bin/pip" install --quiet pandas
fi

say "measuring $rows rows"
"$CARGO_TARGET_DIR/release/synod" generate --kind bank --rows "$rows" --seed 5 --output "$directory/features.csv"
"$CARGO_TARGET_DIR/release/synod-bench-features" --data "$directory/features.csv" --output "$directory/values.csv" | tee "$directory/features.json"
OMP_NUM_THREADS=1 "$directory/pandas/bin/python" tests/bench/pandas/features.py "$directory/features.csv" "$directory/values.csv" "$directory/features.json"
