#!/usr/bin/env bash
# Checks the edge: starts the real Traefik with the files of traefik/, on free ports of the loopback, in front of two replicas of Synod with TLS,
# kills one under load, and looks at redirection, TLS, headers, limits, forward-auth, gRPC, the access log and the metrics; where Pebble is
# installed, also at a certificate by ACME.
#
# usage: scripts/check-traefik.sh [--help]
#
# BINARY is synod ($CARGO_TARGET_DIR/debug/synod if it is not set), PLUGINS the folder of built plugins (plugins/dist). Traefik is
# installed into the user's cache. All that is started is stopped by its process id.
. "$(dirname "$0")/lib.sh"
usage "$@"
synod=${BINARY:-$CARGO_TARGET_DIR/debug/synod}
plugins=$(cd "${PLUGINS:-plugins/dist}" 2>/dev/null && pwd) || { say "there are no plugins: run scripts/plugins.sh, or set PLUGINS"; exit 1; }
[ -x "$synod" ] || { say "$synod is not there: run cargo build -p synod-gateway, or set BINARY"; exit 1; }
synod=$(realpath "$synod")
command -v openssl >/dev/null || need openssl
command -v curl >/dev/null || need curl
python3 -c 'import yaml' 2>/dev/null || need python3-yaml
need_traefik

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
say "certificates, a fit, a second replica"
scripts/certificates.sh "$work/certificates" edge=synod.test synod 2>/dev/null
sed "s|^data_directory: .*|data_directory: $work/1|; s|directory: \.\./\.\./plugins/dist|directory: $plugins|" \
    config/examples/three-fields.yaml >"$work/synod.yaml"
PYTHONPATH=scripts python3 -c 'import yaml; from edge import login; print(yaml.safe_dump(login("synod.test")))' >>"$work/synod.yaml"
"$synod" generate --kind three-fields --rows 2000 --seed 1 --output "$work/rows.csv" >/dev/null
"$synod" fit --config "$work/synod.yaml" --data "$work/rows.csv" >/dev/null 2>"$work/fit.log" || { cat "$work/fit.log" >&2; exit 1; }
for role in admin operator scorer; do "$synod" keys create --config "$work/synod.yaml" --role $role --label check-traefik.sh >"$work/$role.key" 2>/dev/null; done
cp -r "$work/1" "$work/2"
sed "s|^data_directory: .*|data_directory: $work/2|" "$work/synod.yaml" >"$work/synod-2.yaml"
mv "$work/synod.yaml" "$work/synod-1.yaml"

say "the edge"
python3 scripts/check-traefik.py "$work" "$synod" "$traefik"
say "the edge is in order"
