#!/usr/bin/env bash
# Judges the detectors on a folder of labelled data sets, with the configuration that `synod init` writes: fits on 70 % of the rows of each
# set, judges by the others, and prints the area under the ROC curve of each detector and of the consensus, mean over the seeds; then, over all
# sets, the share of normal rows that score as high as 5 %, 1 % and 0.1 % of rows should, and where the consensus loses most against a single
# detector.
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
    def rounded: . * 1000 | round / 1000;
    def all: .detectors + {consensus: .consensus};
    def areas: all | map_values(.aucroc);
    (.[0] | areas | keys_unsorted) as $names
    | (group_by(.set) | map({set: .[0].set, areas: (map(areas) as $all | $names | map(. as $name | {key: $name, value: ($all | map(.[$name]) | mean)}) | from_entries)})) as $sets
    | (.[0].consensus.false_alarms | keys_unsorted) as $shares
    | (["set"] + $names),
      ($sets[] | [.set] + [.areas[$names[]] | rounded]),
      (["mean"] + [$names[] as $name | $sets | map(.areas[$name]) | mean | rounded]),
      ["", "false alarms at"],
      ($shares[] as $share | [$share] + [$names[] as $name | map(all[$name].false_alarms[$share]) | mean * 10000 | round / 10000]),
      ["", "largest loss of the consensus"],
      ($sets | map({set: .set, loss: (([.areas | to_entries[] | select(.key != "consensus") | .value] | max) - .areas.consensus)}) | max_by(.loss) | [.set, (.loss | rounded)])
    | @tsv' "$output"
