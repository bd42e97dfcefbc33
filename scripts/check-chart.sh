#!/usr/bin/env bash
# Checks the Helm chart: Helm's own lint; each example of values rendered and held against the cluster's schemas, its types, its restricted
# pod-security profile, and by Synod itself; what must be refused; the alerts; the chart's table of values.
#
# usage: scripts/check-chart.sh
#
# Without Go, which builds Helm, nothing can be rendered: all of it is skipped, and says so.
. "$(dirname "$0")/lib.sh"
need_helm
[ -x "$SYNOD_HELM" ] || exit 0
python3 -c 'import ensurepip, venv' 2>/dev/null || need python3 python3-venv
chart=deploy/kubernetes/synod
tests=deploy/kubernetes/tests
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
# The oldest and the newest Kubernetes that there are schemas of.
versions=(1.30.0 1.37.0)
helm=("$SYNOD_HELM" --kube-version "${versions[1]}")

# Helm says of every link that it follows it.
quiet() { grep -v 'found symbolic link in path' || true; }
render() { "${helm[@]}" template demo "$@" 2> >(quiet >&2); }

need_python_package kubernetes-validate 1.37.0
python=$folder/bin/python

say "the chart, and each example of values"
for values in "$tests"/*.yaml; do
    name=$(basename "$values" .yaml)
    "${helm[@]}" lint --strict --quiet "$chart" --values "$values" 2> >(quiet >&2)
    render "$chart" --values "$values" >"$work/$name.yaml"
done
"$python" "$tests/schemas.py" "$work" "${versions[@]}"
GOFLAGS='-mod=readonly -buildvcs=false' go build -C deploy/kubernetes/check -o "$work/check" .
"$work/check" "$work"/*.yaml

say "what the checker must find"
while IFS=$'\t' read -r expected change; do
    [[ $expected == \#* ]] && continue
    sed -E "$change" "$work/full.yaml" >"$work/broken"
    ! cmp -s "$work/full.yaml" "$work/broken" || { say "changes nothing: $change"; exit 1; }
    said=$("$work/check" "$work/broken" 2>&1) && { say "not found: $expected"; exit 1; }
    grep -qF -- "$expected" <<<"$said" || { say "not \"$expected\", but: $said"; exit 1; }
done <"$tests/broken.tsv"

say "what must be refused"
while IFS=$'\t' read -r expected arguments; do
    [[ $expected == \#* ]] && continue
    read -ra words <<<"$arguments"
    said=$(render "$chart" --values "$tests/proxied.yaml" "${words[@]}" 2>&1) && { say "not refused: $arguments"; exit 1; }
    grep -qF -- "$expected" <<<"$said" || { say "not \"$expected\", but: $said"; exit 1; }
done <"$tests/refused.tsv"

say "a change that Synod follows by itself starts no pod anew; any other does"
# usage: restart_for CHANGE; what pods are started anew for, with the values of full.yaml changed.
restart_for() {
    sed -E "$1" "$tests/full.yaml" >"$work/changed"
    ! cmp -s "$tests/full.yaml" "$work/changed" || [ -z "$1" ] || { say "changes nothing: $1"; exit 1; }
    render "$chart" --values "$work/changed" | grep synod/restart-for
}
now=$(restart_for '')
for change in 's/block: 0.75/block: 0.9/' 's/plugin: isolation-forest/plugin: hbos/'; do
    [ "$(restart_for "$change")" = "$now" ] || { say "pods are started anew for nothing: $change"; exit 1; }
done
for change in 's/maximum_share: 0.1/maximum_share: 0.2/' 's/outcome: block/outcome: review/' 's/amount: \{type: number\}/amount: {type: integer}/'; do
    [ "$(restart_for "$change")" != "$now" ] || { say "pods are not started anew: $change"; exit 1; }
done

say "Synod takes what the chart gives it"
synod=$CARGO_TARGET_DIR/debug/synod
if [ -x "$synod" ]; then "$python" "$tests/doctor.py" "$synod" "$work"; else say "skipped: there is no $synod"; fi

say "the alerts are those of alertmanager/rules, also in the package"
"$SYNOD_HELM" package "$chart" --destination "$work" > /dev/null 2> >(quiet >&2)
tar -xzf "$work"/synod-*.tgz -C "$work"
for rules in alertmanager/rules/*.yaml; do cmp "$rules" "$work/synod/files/rules/$(basename "$rules")"; done
"$python" "$tests/rules.py" "$work"
if command -v promtool >/dev/null; then promtool check rules "$work"/rules-*.yaml >/dev/null; else say "promtool is not here: the rules are not checked by it"; fi

say "the table of values"
"$python" "$tests/table.py" "$chart"
say "the chart is in order"
