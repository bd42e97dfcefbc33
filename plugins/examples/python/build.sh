#!/usr/bin/env bash
# Builds plugins/dist/example-python.wasm with componentize-py of the version in requirements.txt, in a virtual environment of its own.
. "$(dirname "$0")/../toolchain.sh"

want python3 "apt-get install python3 python3-venv"
python3 -c 'import ensurepip, venv' 2>/dev/null || { say "there is no venv: apt-get install python3-venv"; exit 3; }

if ! unchanged; then
    if ! cmp -s requirements.txt "$tools/requirements.txt"; then
        say "installing $(tr '\n' ' ' <requirements.txt)"
        python3 -m venv --clear "$tools/environment"
        "$tools/environment/bin/pip" install -q --disable-pip-version-check -r requirements.txt
        cp requirements.txt "$tools/requirements.txt"
    fi
    # Only the sources: a folder of byte code beside them would make another component of it.
    rm -rf "$tools/sources" && mkdir "$tools/sources" && cp ./*.py "$tools/sources"
    "$tools/environment/bin/componentize-py" -q -d "$wit" -w plugin componentize --stub-wasi \
        -p "$tools/sources" app -o "$tools/$name.wasm"
fi
finish
