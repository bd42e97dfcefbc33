#!/usr/bin/env bash
# Checks the dashboards against the types that Grafana publishes of its schema (npm: @grafana/schema, typescript). They are kept outside of the
# repository, and fetched once.
#
# usage: scripts/check-dashboards.sh [FILE...]
. "$(dirname "$0")/lib.sh"

schema=13.2.3
typescript=5.9.3
folder="${XDG_CACHE_HOME:-$HOME/.cache}/synod/grafana-schema-$schema-$typescript"

command -v npm >/dev/null || { say "npm is missing (Debian: nodejs npm)"; exit 1; }
if [ ! -f "$folder/complete" ]; then
    say "fetching @grafana/schema $schema into $folder"
    rm -rf "$folder" && mkdir -p "$folder"
    echo '{"private": true}' >"$folder/package.json"
    (cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --silent "@grafana/schema@$schema" "typescript@$typescript" >&2) ||
        { say "@grafana/schema cannot be fetched"; exit 1; }
    touch "$folder/complete"
fi

# In the types words are enums, which a text is not; plain() makes them the texts that they stand for. Beside what is in the schema, queries of
# a data source are of its own shape, and Grafana itself writes a variable's query twice.
prelude='import type { AnnotationQuery, Dashboard, VariableModel } from "@grafana/schema";
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T : { [K in keyof T]: Plain<T[K]> };
type Marked = Omit<AnnotationQuery, "target"> & { target?: { expr: string; refId: string }; expr?: string; titleFormat?: string;
    textFormat?: string; useValueForTime?: "on" };
type Ours = Omit<Dashboard, "annotations" | "templating"> & { annotations: { list: Marked[] };
    templating: { list: (VariableModel & { definition?: string })[] } };'

# The files, each as a constant of the type.
checked() {
    local work
    work=$(mktemp -d "$folder/check.XXXXXX")
    for file in "$@"; do
        { echo "$prelude"; printf 'export const dashboard: Plain<Ours> = '; cat "$file"; echo ';'; } >"$work/$(basename "$file" .json).ts"
    done
    local result=0
    (cd "$folder" && node_modules/.bin/tsc --noEmit --strict --skipLibCheck --module nodenext --moduleResolution nodenext --target es2022 \
        "$work"/*.ts) || result=$?
    rm -r "$work"
    return $result
}

[ $# -gt 0 ] || set -- "$root"/deploy/grafana/dashboards/*.json
checked "$@" || { say "the dashboards are not of Grafana's schema (lines are the file's, and $(wc -l <<<"$prelude") more)"; exit 1; }

# A check that lets everything pass is none.
spoilt=$(mktemp -d)
trap 'rm -r "$spoilt"' EXIT
sed 's/"graphTooltip": 1/"graphTooltip": 7/' "$1" >"$spoilt/a-wrong-choice.json"
sed 's/"timeseries"/5/' "$1" >"$spoilt/a-number-for-a-word.json"
sed 's/"gridPos"/"gridPosition"/' "$1" >"$spoilt/a-key-that-is-none.json"
sed 's/"mode": "absolute"/"mode": "relative"/' "$1" >"$spoilt/a-word-that-is-none.json"
noticed=$(checked "$spoilt"/*.json) && { say "no mistake is noticed"; exit 1; }
for file in "$spoilt"/*.json; do
    name=$(basename "$file" .json)
    ! cmp -s "$file" "$1" || { say "$name could not be made of $1"; exit 1; }
    grep -q "/$name.ts" <<<"$noticed" || { say "$name is not noticed"; exit 1; }
done
