#!/usr/bin/env bash
# Judges the detectors on a folder of labelled data sets, with the configuration that `synod init` writes: fits on 70 % of the rows of each
# set, judges by the others, and prints the area under the ROC curve of each detector and of the consensus, mean over the seeds.
#
# usage: scripts/evaluate-sets.sh FOLDER [OUTPUT]     FOLDER has *.csv.gz with a column `label`; OUTPUT (JSON lines) gets every report
#        SEEDS="1 2 3"   EXCLUDE="--exclude label=1"  keeps known anomalies out of the training
. "$(dirname "$0")/lib.sh"
folder=${1:?usage: scripts/evaluate-sets.sh FOLDER [OUTPUT]}
output=${2:-$(mktemp)}
need jq
synod=${SYNOD:-$CARGO_TARGET_DIR/release/synod}
[ -x "$synod" ] || { echo "build it first: cargo build --release -p synod-gateway" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
: >"$output"
for data in "$folder"/*.csv.gz; do
    name=$(basename "$data" .csv.gz)
    config=$work/$name.yaml
    "$synod" init --data "$data" --label label --plugins "${SYNOD_PLUGINS_DIST:-plugins/dist}" --output "$config" --force >/dev/null
    for seed in ${SEEDS:-1 2 3}; do
        # shellcheck disable=SC2086
        "$synod" evaluate --config "$config" --data "$data" --label label --split 0.7 --seed "$seed" --format json ${EXCLUDE:-} 2>"$work/log" |
            jq -c --arg set "$name" --argjson seed "$seed" '{set: $set, seed: $seed} + .' >>"$output" ||
            { cat "$work/log" >&2; exit 1; }
    done
done
jq -rs '
    def mean: add / length;
    def areas: (.detectors | map_values(.aucroc)) + {consensus: .consensus.aucroc};
    (.[0] | areas | keys_unsorted) as $names
    | (["set"] + $names),
      (group_by(.set)[] | [.[0].set] + [map(areas) as $all | $names[] as $name | $all | map(.[$name]) | mean * 1000 | round / 1000]),
      (["mean"] + [group_by(.set) as $sets | $names[] as $name | $sets | map(map(areas[$name]) | mean) | mean * 1000 | round / 1000])
    | @tsv' "$output"
