#!/usr/bin/env bash
# From start to the first right answer, memory at rest, and size: Synod beside MLServer and BentoML, which serve the same Isolation Forest of
# scikit-learn, in turns in one run.
#
# usage: scripts/bench-start.sh [--starts N] [--only TEXT] [--json FILE]
#
# The binary is that of scripts/image.sh build, which is built if it is not there, or the one that $SYNOD names. Needs python3 with venv; the others are
# installed into $CARGO_TARGET_DIR/bench/start, in the versions of tests/bench/serving/*.txt. tests/bench/README.md says what the figures mean.
. "$(dirname "$0")/lib.sh"
usage "$@"
need_tools
synod=${SYNOD:-$CARGO_TARGET_DIR/image/synod}
[ -x "$synod" ] || scripts/image.sh build
[ -n "$(ls plugins/dist/*.wasm 2>/dev/null)" ] || scripts/plugins.sh
work=$CARGO_TARGET_DIR/bench/start
folder=tests/bench/serving
example=config/examples/three-fields.yaml
mkdir -p "$work"
for name in mlserver bentoml; do
    ! cmp -s "$folder/$name.txt" "$work/$name.txt" || continue
    say "installing $name into $work/$name"
    python3 -m venv "$work/$name"
    "$work/$name/bin/pip" install --quiet --requirement "$folder/$name.txt"
    cp "$folder/$name.txt" "$work/$name.txt"
done

say "fitting"
rm -rf "$work"/{image,forest-data,three-data,rows.csv,forest.*}
"$synod" generate --kind three-fields --rows 20000 --seed 1 --output "$work/rows.csv"
"$work/mlserver/bin/python" $folder/train.py "$work/rows.csv" "$work/forest.joblib"
"$work/mlserver/bin/python" scripts/export_model.py "$work/forest.joblib" --data "$work/rows.csv" --output "$work/forest.json" \
    --features Transaction_Amount,Average_Transaction_Amount,Frequency_of_Transactions >/dev/null
cp $folder/forest.yaml "$work/forest.yaml"
export SYNOD_PLUGINS__DIRECTORY=$PWD/plugins/dist
"$synod" fit --config "$work/forest.yaml" --data "$work/rows.csv" --data-directory "$work/forest-data"
"$synod" models parity forest --config "$work/forest.yaml" --data-directory "$work/forest-data" --data "$work/forest.parity.csv" --score score
"$synod" fit --config $example --data "$work/rows.csv" --data-directory "$work/three-data"
scripts/image.sh assemble "$work/image" "$synod" plugins/dist

say "measuring"
PYTHONDONTWRITEBYTECODE=1 python3 $folder/start.py --synod "$synod" --image "$work/image" --plugins plugins/dist --example $example --work "$work" "$@"
