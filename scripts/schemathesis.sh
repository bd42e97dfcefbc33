#!/usr/bin/env bash
# Prints the folder of a Python environment with schemathesis and openapi-spec-validator, outside of the repository; it is made if it is missing.
#
# usage: scripts/schemathesis.sh
. "$(dirname "$0")/lib.sh"

schemathesis=4.32.5
validator=0.9.0
folder="${XDG_CACHE_HOME:-$HOME/.cache}/synod/schemathesis-$schemathesis"

command -v python3 >/dev/null || { say "python3 is missing"; exit 1; }
if [ ! -f "$folder/complete" ]; then
    say "installing schemathesis $schemathesis into $folder"
    rm -rf "$folder"
    python3 -m venv "$folder" >&2 || { say "python3 -m venv does not work (Debian: python3-venv)"; exit 1; }
    "$folder/bin/pip" install --quiet "schemathesis==$schemathesis" "openapi-spec-validator==$validator" >&2
    touch "$folder/complete"
fi
echo "$folder"
