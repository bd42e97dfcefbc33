#!/usr/bin/env bash
# Checks the queries of Kibana's saved objects with the parser that Kibana reads them with (npm: @cybernetex/kbn-es-query, Kibana's own code as
# a package). It is kept outside of the repository, and fetched once. What else holds of the objects is tested by `cargo test -p synod-elk`.
#
# usage: scripts/check-kibana.sh [--dsl] [FILE]
#   --dsl   write each query with what Elasticsearch is asked, as lines of JSON
. "$(dirname "$0")/lib.sh"

version=1.0.2
folder="${XDG_CACHE_HOME:-$HOME/.cache}/synod/kbn-es-query-$version"

command -v npm >/dev/null || { say "npm is missing (Debian: nodejs npm)"; exit 1; }
if [ ! -f "$folder/complete" ]; then
    say "fetching @cybernetex/kbn-es-query $version into $folder"
    rm -rf "$folder" && mkdir -p "$folder"
    echo '{"private": true}' >"$folder/package.json"
    (cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --silent "@cybernetex/kbn-es-query@$version" >&2) ||
        { say "@cybernetex/kbn-es-query cannot be fetched"; exit 1; }
    touch "$folder/complete"
fi

checked() {
    NODE_PATH="$folder/node_modules" node "$root/scripts/check-kibana.cjs" "$@"
}

dsl=()
[ "${1:-}" != --dsl ] || { dsl=(--dsl); shift; }
file="${1:-$root/elk/kibana/synod.ndjson}"
checked "$file" "${dsl[@]}" || { say "these queries are none"; exit 1; }
[ ${#dsl[@]} -eq 0 ] || exit 0

# A check that lets everything pass is none.
spoilt=$(mktemp)
trap 'rm "$spoilt"' EXIT
while read -r right wrong; do
    sed "s/$right/$wrong/" "$file" >"$spoilt"
    ! cmp -s "$file" "$spoilt" || { say "nothing could be spoilt: there is no $right"; exit 1; }
    ! checked "$spoilt" >/dev/null || { say "$wrong is not noticed"; exit 1; }
done <<'MISTAKES'
synod.verdict.outcome:.block synod.verdict.outcome::block
(warn.or.error) (warn.or
status_code.>=.500 status_code.>=>.500
MISTAKES
