#!/usr/bin/env bash
# Checks that whatever one file names is there in the other: routes and permissions (Traefik, Kubernetes), metrics (rules, dashboards, the autoscaler, documents),
# ports, folders and jobs (configuration, image, Compose, Prometheus, Helm, systemd, firewall), variables of the environment, the fields of the edge's access
# log. What is within Compose alone, scripts/check-compose.sh looks at.
#
# usage: scripts/check-names.sh [--help]
. "$(dirname "$0")/lib.sh"
usage "$@"
python3 -c 'import yaml' 2>/dev/null || need python3-yaml
say "names that one file has of another"
python3 scripts/check-names.py .

say "what must be found"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
mkdir -p "$work/core/gateway"
cp -r alertmanager config deploy elk traefik scripts README.md "$work"
cp -r core/gateway/src "$work/core/gateway"
for crate in core/*/Cargo.toml; do mkdir -p "$work/$(dirname "$crate")" && cp "$crate" "$work/$crate"; done
# A file, a change to it, and what is said then.
while IFS='|' read -r file change expected; do
    cp "$file" "$work/before"
    sed -E "$change" "$work/before" >"$work/$file"
    ! cmp -s "$work/before" "$work/$file" || { say "changes nothing: $file $change"; exit 1; }
    said=$(python3 scripts/check-names.py "$work" 2>&1) && { say "not found: $expected"; exit 1; }
    grep -qF -- "$expected" <<<"$said" || { say "not \"$expected\", but: $said"; exit 1; }
    cp "$work/before" "$work/$file"
done <<'END'
traefik/dynamic/synod.yaml|s#/v1/score`#/v1/scores`#|no route is at Path /v1/scores
traefik/dynamic/synod.yaml|s#path: /readyz#path: /ready#|replicas have no route /ready
traefik/dynamic/tools.yaml|s#forward-auth#forward#|there is no route /v1/forward
traefik/dynamic/tools.yaml|s#operate:service#operate:all#|there is no permission operate:all
core/gateway/src/http/routes.rs|/"\/healthz"/d|operators have no route /healthz
core/gateway/src/telemetry/names.rs|s#"synod_queue_length"#"synod_queue_size"#|the chart's autoscaler: there is no metric synod_queue_length
deploy/README.md|s#synod_log_failing#synod_log_fails#|deploy/README.md: there is no metric synod_log_fails
config/synod.yaml|s#data: 127.0.0.1:8080#data: 127.0.0.1:8000#|the port for clients differs
deploy/prometheus/prometheus.yml|s#127.0.0.1:8081#127.0.0.1:8082#|the port for operators differs
deploy/compose/compose.yaml|s#:443:8443#:8443:8443#|the ports that are open to all differs
traefik/traefik.yaml|s#address: :8443#address: :9443#|the edge's port differs
deploy/compose/prometheus.yml|s#job_name: synod#job_name: gateway#|the jobs {'synod'} are missing
alertmanager/rules/service.yaml|s#job="synod"#job="gateway"#|nothing is scraped as the job gateway
deploy/compose/compose.yaml|s#SYNOD_LISTEN__PROXIES#SYNOD_LISTEN__PROXY#|config/synod.yaml has no `proxy`
deploy/compose/compose.yaml|s#SYNOD_LISTEN__PROXIES#SYNOD_SCHEMA__FIELDS#|`schema` cannot be set by the environment
deploy/Dockerfile|s#SYNOD_DATA_DIRECTORY=/var/lib/synod#SYNOD_DATA_DIRECTORY=/srv/synod#|nothing is mounted at /srv/synod
deploy/compose/compose.yaml|s#/var/lib/grafana/dashboards/synod#/var/lib/grafana/boards#|no dashboards are mounted at
traefik/traefik.yaml|/      ClientHost: keep/d|writes no ClientHost
elk/rsyslog/access-log.conf|/outname="source.ip"/d|{'source.ip'} are made or listed in elk/fields.yaml, not both
elk/rsyslog/to-elasticsearch.conf|s#logs-synod.edge#logs-synod.access#|it ships to another data stream
deploy/logrotate/traefik|s#access.log#requests.log#|where the access log is differs
deploy/compose/ships/elasticsearch.env|/ELASTICSEARCH_CA/d|ELASTICSEARCH_CA is missing
scripts/elasticsearch.sh|s#version=9.5.3#version=9.5.2#|the version of Elasticsearch differs
END
say "names are in order"
