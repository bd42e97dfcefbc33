#!/usr/bin/env bash
# What a row costs in our detectors, in the sandbox and natively, beside scikit-learn, PyOD, isotree, onnxruntime and treelite: the same rows,
# in one run, in rounds in which all take turns, with one thread each.
#
# usage: scripts/bench-peers.sh [DATA_DIRECTORY] [--rounds N] [--only TEXT] [--references N] [--json FILE]
#
# DATA_DIRECTORY has training.csv and queries.csv: numbers without a header, at least 1,024 queries. Without it rows are made from a seed. Needs
# python3 with venv and gcc; the libraries are installed into target/bench/peers, in the versions of tests/bench/peers/requirements.txt.
# tests/bench/README.md says what the figures mean.
. "$(dirname "$0")/lib.sh"
case ${1:-} in
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "scripts/$(basename "$0")"; exit ;;
    "" | -*) data=() ;;
    *)
        for file in training.csv queries.csv; do
            [ -f "$1/$file" ] || { echo "there is no $1/$file: give a folder with training.csv and queries.csv" >&2; exit 1; }
        done
        data=(--data "$1")
        shift
        ;;
esac
need_tools

say "building (the first time takes some minutes)"
cargo build --release -p synod-bench-peers
plugins=${SYNOD_PLUGINS_DIST:-plugins/dist}
[ -n "$(ls "$plugins"/*.wasm 2>/dev/null)" ] || scripts/plugins.sh
directory=$CARGO_TARGET_DIR/bench/peers
mkdir -p "$directory"
requirements=tests/bench/peers/requirements.txt
if ! cmp -s "$requirements" "$directory/requirements.txt"; then
    say "installing the other libraries into $directory/venv"
    python3 -m venv "$directory/venv"
    "$directory/venv/bin/pip" install --quiet --requirement "$requirements"
    cp "$requirements" "$directory/requirements.txt"
fi

say "measuring"
PYTHONDONTWRITEBYTECODE=1 "$directory/venv/bin/python" tests/bench/peers/compare.py --program "$CARGO_TARGET_DIR/release/synod-bench-peers" \
    --plugins "$plugins" --work "$directory/work" "${data[@]}" "$@"
