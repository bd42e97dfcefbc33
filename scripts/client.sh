#!/usr/bin/env bash
# Sends a stream of transactions that Synod makes itself, and says of each what became of it and why: to see a server at work.
#
# usage: scripts/client.sh [--help] [--url URL] [--key FILE] [--ca FILE] [--kind three-fields|bank] [--rows N] [--rate N] [--fraud SHARE] [--seed N]
#
#   scripts/client.sh                                                           to the server of scripts/run.sh
#   scripts/client.sh --rows 1000 --rate 0                                      as fast as it answers
#   scripts/client.sh --url https://localhost:8443 --ca .synod/stack/ca.pem     to the edge of scripts/stack.sh
#
# --url is http://127.0.0.1:8080 if it is left out, --key the file with an API key (.synod/admin.key), --ca the authority of its certificate (those that
# the system trusts). 50 rows, 5 a second, a tenth of them fraud, always the same ones unless --seed says otherwise; --rate 0 waits for nothing.
# Who is told to wait (429, 503) waits. BINARY is another synod than the one that was built: the rows come from it.
. "$(dirname "$0")/lib.sh"
usage "$@"
command -v python3 >/dev/null || need python3
find_synod
cd "$here"
exec python3 "$root/scripts/client.py" "$synod" "$@"
