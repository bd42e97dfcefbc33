#!/usr/bin/env bash
# Prints the path of a Python that has the clients of other systems (requirements.txt), for the tests that call with them; or the libraries of
# another list.
#
# usage: tests/clients/python.sh [REQUIREMENTS]
#
# They are installed once for each content of the list, into $SYNOD_CLIENTS, or into the user's cache. Exit code 3: there is no Python
# with venv and pip on this machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python3 -c 'import ensurepip, venv' 2>/dev/null || { echo "there is no python3 with venv and pip" >&2; exit 3; }

requirements=${1:-$here/requirements.txt}
folder=${SYNOD_CLIENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/synod/clients}
environment=$folder/$(sha256sum "$requirements" | cut -c 1-16)
mkdir -p "$folder"
# Several tests may ask at a time.
exec 9>"$folder/lock"
flock 9
if [ ! -e "$environment/installed" ]; then
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    touch "$environment/installed"
fi
echo "$environment/bin/python"
