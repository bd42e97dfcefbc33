#!/usr/bin/env bash
# Builds plugins/dist/example-javascript.wasm with componentize-js of the version in package-lock.json, in a folder of its own.
. "$(dirname "$0")/../toolchain.sh"

how="apt-get install nodejs npm"
want node "$how"
want npm "$how"

if ! unchanged; then
    if ! cmp -s package-lock.json "$tools/installed.json"; then
        say "installing componentize-js"
        cp package.json package-lock.json "$tools"
        (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
        cp package-lock.json "$tools/installed.json"
    fi
    # Without these features the engine wants no operating system.
    "$tools/node_modules/.bin/componentize-js" detector.js --wit "$wit" --world-name plugin \
        --disable clocks fetch-event http random stdio --out "$tools/$name.wasm" >&2
fi
finish
