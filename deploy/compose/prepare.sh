#!/usr/bin/env bash
# Makes what `docker compose up` needs and no repository holds: .env, secrets/ and configuration/, beside this script. What is there stays as it is.
#
# usage: deploy/compose/prepare.sh [--help] [CONFIGURATION]
#
# CONFIGURATION is the synod.yaml to begin with (config/examples/three-fields.yaml if left out). Its folders, addresses and TLS are set by
# compose.yaml.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac
configuration=$(realpath -- "${1:-$(dirname "$0")/../../config/examples/three-fields.yaml}") || exit 2
[ -f "$configuration" ] || { echo "prepare.sh: there is no file $configuration: name the synod.yaml to begin with" >&2; exit 2; }
cd "$(dirname "$0")"

# Containers read files as users of their own, whom this machine does not know.
umask 022
closed=$(find ../../traefik ../../alertmanager ../grafana prometheus.yml ships \( -type d ! -perm -o=rx -o -type f ! -perm -o=r \) -print -quit)
[ -z "$closed" ] || { echo "prepare.sh: containers cannot read $closed: chmod -R o+rX traefik alertmanager deploy/grafana deploy/compose/ships deploy/compose/prometheus.yml" >&2; exit 1; }
[ -e .env ] || { cp .env.example .env; echo "made .env: set EDGE_HOST in it"; }
mkdir -p configuration
[ -e configuration/synod.yaml ] || { install -m 644 -- "$configuration" configuration/synod.yaml; echo "made configuration/synod.yaml"; }

# These files are open, for the same reason, and their folder is closed to all but its owner.
mkdir -p secrets
chmod 700 secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for name in elastic.password kibana.password grafana.password; do
    [ -e "secrets/$name" ] || { random >"secrets/$name"; echo "made secrets/$name"; }
done
# For the mail server of alertmanager.yaml: whatever it wants.
[ -e secrets/smtp.password ] || { : >secrets/smtp.password; echo "made secrets/smtp.password, empty: write the mail server's into it"; }
# Kibana takes secrets from its configuration alone.
if [ ! -e secrets/kibana.yml ]; then
    {
        printf 'elasticsearch.username: kibana_system\nelasticsearch.password: %s\n' "$(cat secrets/kibana.password)"
        for key in security encryptedSavedObjects reporting; do printf 'xpack.%s.encryptionKey: %s\n' $key "$(random)"; done
    } >secrets/kibana.yml.new
    mv secrets/kibana.yml.new secrets/kibana.yml
    echo "made secrets/kibana.yml"
fi
