#!/usr/bin/env bash
# Checks deploy/compose without a daemon: Docker Compose reads it with every profile, every service is hardened and bounded, and every host, port,
# file, volume, secret and variable that one file names is there in the other. Prometheus' configuration is read by promtool; Synod's, with
# the variables of Compose over it, by synod itself. For root, Synod, Traefik, Prometheus and Alertmanager are run together as Compose has them.
#
# usage: scripts/check-compose.sh [--help]
#
# BINARY is synod ($CARGO_TARGET_DIR/debug/synod if it is not set), PLUGINS the folder of built plugins (plugins/dist); without them that part is
# skipped, and says so. Where `docker compose` is not there, it is built from its Go module, once, in about two minutes.
. "$(dirname "$0")/lib.sh"
usage "$@"
need_without_service prometheus
need_without_service prometheus-alertmanager
command -v ip >/dev/null || need iproute2
python3 -c 'import yaml' 2>/dev/null || need python3-yaml

version=2.40.3
compose=(docker compose)
if ! docker compose version >/dev/null 2>&1; then
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/synod/compose-$version"
    compose=("$folder/docker-compose")
    if [ ! -x "${compose[0]}" ]; then
        command -v go >/dev/null || { say "please install Docker Compose, or Go to build it with"; exit 1; }
        say "building Docker Compose $version into $folder"
        mkdir -p "$folder"
        source=$(mktemp -d)
        # Its module replaces others, which `go install` refuses: it is built where it is.
        module=$(go mod download -json "github.com/docker/compose/v2@v$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
        cp -r "$module/." "$source" && chmod -R u+w "$source"
        (cd "$source" && go build -trimpath -ldflags '-s -w' -o "$folder/docker-compose" ./cmd)
        rm -r "$source"
    fi
fi

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
# What prepare.sh makes belongs into no working copy.
mkdir -p "$work/synod/deploy"
mkdir "$work/synod/elk" && cp -r elk/rsyslog "$work/synod/elk"
cp -r alertmanager config scripts traefik "$work/synod"
cp -r deploy/compose deploy/grafana deploy/Dockerfile "$work/synod/deploy"
rm -rf "$work/synod/deploy/compose/"{.env,secrets,configuration}

say "what is prepared"
"$work/synod/deploy/compose/prepare.sh" >/dev/null
[ -z "$("$work/synod/deploy/compose/prepare.sh")" ] || { say "prepare.sh does something when all is there"; exit 1; }

# Nothing of the caller's environment goes into it.
composed() { env -i PATH="$PATH" HOME="$HOME" COMPOSE_PROFILES="$1" "${compose[@]}" --project-directory "$work/synod/deploy/compose" config "${@:2}"; }
say "every profile"
for profiles in core elk monitoring core,elk core,monitoring core,elk,monitoring; do
    composed "$profiles" --quiet
    composed "$profiles" --format json >"$work/$profiles.json"
done
cp "$work/synod/deploy/compose/.env" "$work/settings"
sed -i '/^EDGE_HOST=/d' "$work/synod/deploy/compose/.env"
if composed core --quiet 2>"$work/said"; then say "compose does not say that EDGE_HOST is missing"; exit 1; fi
grep -q 'set EDGE_HOST in .env' "$work/said"
sed 's/^SYNOD_SHIPS_TO=.*/SYNOD_SHIPS_TO=nobody/' "$work/settings" >"$work/synod/deploy/compose/.env"
composed core,monitoring --format json >"$work/nobody.json"

say "each service by itself, and each with the others"
python3 scripts/check-compose.py "$work" core,elk,monitoring

if [ "$(id -u)" = 0 ]; then
    say "certificates, as their service makes them, twice"
    volumes=$work/volumes
    mkdir -p "$volumes/certificates/"{traefik,synod,elasticsearch,kibana} "$volumes/"{authority,acme,access-log}
    command=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["services"]["certificates"]["command"][0].replace("$$", "$"))' "$work/core.json")
    # shellcheck disable=SC2054  # one word with commas
    # Its volumes, here, and no more capabilities than it has there.
    capable=(setpriv --no-new-privs --bounding-set=-all,+chown,+dac_override,+fowner)
    command=$(sed -E "s#(^| )/(certificates|authority|acme|access-log)#\1$volumes/\2#g" <<<"$command")
    for times in 1 2; do
        HOST=synod.example.test PATH="$root/scripts:$PATH" "${capable[@]}" bash -euc "$command" 2>/dev/null
        (cd "$volumes" && find . -type f -exec stat -c '%a %u %n' {} + -exec sha256sum {} + | sort) >"$work/made.$times"
    done
    cmp "$work/made.1" "$work/made.2"
    for line in '600 0 ./certificates/authority/ca.key' '600 65532 ./certificates/traefik/traefik.key' '600 65532 ./certificates/synod/synod.key' \
        '600 1000 ./certificates/elasticsearch/elasticsearch.key' '600 1000 ./certificates/kibana/kibana.key' '644 0 ./authority/ca.pem'; do
        grep -qxF "$line" "$work/made.1" || { say "the service \`certificates\` does not leave \`$line\`"; cat "$work/made.1" >&2; exit 1; }
    done
fi

say "Prometheus"
sed "s|/etc/prometheus/rules|$root/alertmanager/rules|" deploy/compose/prometheus.yml >"$work/prometheus.yml"
promtool check config "$work/prometheus.yml" >"$work/said" || { cat "$work/said" >&2; exit 1; }

binary=${BINARY:-$CARGO_TARGET_DIR/debug/synod}
plugins=${PLUGINS:-plugins/dist}
if [ -x "$binary" ] && [ -d "$plugins" ]; then
    say "Synod"
    scripts/certificates.sh "$work/certificates" synod 2>/dev/null
    sed "s|/run/certificates|$work/certificates/synod|; s|/etc/synod|$work/synod/deploy/compose/configuration|; s|/var/lib/synod|$work/data|
        s|/usr/lib/synod/plugins|$(cd "$plugins" && pwd)|" "$work/synod.env" >"$work/here.env"
    "$binary" --version >/dev/null
    (
        while IFS= read -r line; do export "${line?}"; done <"$work/here.env"
        "$binary" generate --kind three-fields --rows 2000 --seed 1 --output "$work/rows.csv" >/dev/null
        "$binary" fit --data "$work/rows.csv" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
        "$binary" check
        "$binary" doctor
    )
    if [ "$(id -u)" = 0 ] && unshare --net --mount true 2>/dev/null; then
        say "Synod, Traefik, Prometheus and Alertmanager together, with these settings, without Docker"
        need_traefik
        chmod 755 "$work"
        scripts/image.sh assemble "$work/image" "$binary" "$plugins"
        for name in traefik synod; do cp -rp "$volumes/certificates/$name" "$volumes/certificates-$name"; done
        unshare --net --mount python3 scripts/run-compose.py "$work" nobody "$work/image" "$traefik"
    else
        say "they are not run together: only root may make the namespaces for it"
    fi
else
    say "Synod's own reading of it is skipped: BINARY and PLUGINS are not there"
fi
say "the compose platform is in order, as far as it can be known without a daemon"
