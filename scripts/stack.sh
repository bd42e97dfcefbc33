#!/usr/bin/env bash
# The whole platform on this machine, without Docker: two replicas of Synod, Traefik before them, Elasticsearch, Prometheus, Alertmanager and a shipper of
# the edge's access log, with the files that a team's platform is run with. For development, for demonstrations, and for the end-to-end check.
#
# usage: scripts/stack.sh [--help] [--check]
#
#   scripts/stack.sh                        says where to look, and runs until Ctrl-C
#   scripts/client.sh --url https://localhost:8443 --ca .synod/stack/ca.pem --key .synod/stack/admin.key      something to look at
#   scripts/stack.sh --check                looks whether it does all together what it should, on free ports and with a state of its own, and ends
#
# All listen on the loopback. STACK_HTTPS=9443 has the edge on another port; so have STACK_HTTP, STACK_EDGE_METRICS, STACK_SYNOD_1, STACK_SYNOD_1_OPERATORS,
# STACK_SYNOD_2, STACK_SYNOD_2_OPERATORS, STACK_ELASTICSEARCH, STACK_ELASTICSEARCH_NODES, STACK_PROMETHEUS and STACK_ALERTMANAGER the others.
# Grafana and Kibana cannot be had from package registries: STACK_GRAFANA=http://127.0.0.1:3000 and STACK_KIBANA put those that you run behind the edge.
# BINARY is another synod than the one that scripts/build.sh makes, PLUGINS the folder of its plugins (plugins/dist). What is kept is in
# .synod/stack: delete it to begin anew.
. "$(dirname "$0")/lib.sh"
usage "$@"
check=${1:-}
case $check in '' | --check) ;; *) echo "stack.sh: \`$check\` is no option: scripts/stack.sh --help says what there is" >&2; exit 2 ;; esac
[ -n "${BINARY:-}" ] || scripts/build.sh
find_synod
plugins=$(cd "${PLUGINS:-plugins/dist}" 2>/dev/null && pwd) || { echo "stack.sh: there are no plugins: run scripts/plugins.sh, or set PLUGINS" >&2; exit 1; }
command -v openssl >/dev/null || need openssl
python3 -c 'import yaml' 2>/dev/null || need python3-yaml
need_without_service prometheus
need_without_service prometheus-alertmanager
need_without_service rsyslog
need rsyslog-elasticsearch
need_traefik
elasticsearch=$(scripts/elasticsearch.sh)

state=$root/.synod/stack
if [ -n "$check" ]; then
    state=$(mktemp -d)
    trap 'rm -r "$state"' EXIT
fi
mkdir -p "$state"
python3 scripts/stack.py "$state" "$synod" "$plugins" "$traefik" "$elasticsearch" $check
