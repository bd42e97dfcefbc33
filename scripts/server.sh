#!/usr/bin/env bash
# Serves a configuration with what scripts/build.sh has built. Ctrl-C lets the requests that are under way end, and stops it.
#
# usage: scripts/server.sh [--help] [CONFIGURATION [ARGUMENTS OF synod serve]]
#
#   scripts/server.sh                              config/examples/three-fields.yaml, as scripts/run.sh has fitted it
#   scripts/server.sh synod.yaml                   your own; `synod fit` comes first
#   SYNOD_LISTEN__DATA=0.0.0.0:8443 scripts/server.sh synod.yaml
#
# Any setting of the configuration can be given in the environment, as SYNOD_SECTION__KEY. BINARY is another synod than the one that was built.
. "$(dirname "$0")/lib.sh"
usage "$@"
find_synod
config=config/examples/three-fields.yaml
[ $# = 0 ] || config=$(cd "$here" && realpath -m "$1")
[ -f "$config" ] || { echo "server.sh: there is no file $config: name the configuration to serve" >&2; exit 2; }
exec "$synod" serve --config "$config" "${@:2}"
