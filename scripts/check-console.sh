#!/usr/bin/env bash
# Uses the console of a running server in a real browser (Debian: chromium), as people do, and says what is not as it should be. What drives the
# browser (npm: puppeteer-core) and what looks for barriers (npm: axe-core) are kept outside of the repository, and fetched once.
#
# usage: scripts/check-console.sh use URL       by the keys in SYNOD_VIEWER_KEY, SYNOD_OPERATOR_KEY and SYNOD_ADMIN_KEY; uploads SYNOD_BUNDLE;
#                                               `tests/tests/console.rs` says what must be there
#        scripts/check-console.sh log-in URL    logs in at the provider of `tests/tests/providers.rs`, and out
#
# SYNOD_PICTURES=FOLDER keeps pictures of what was seen. Exit status 3: the browser or npm is missing.
. "$(dirname "$0")/lib.sh"

driver=puppeteer-core@24.9.0
barriers=axe-core@4.10.3
folder="${XDG_CACHE_HOME:-$HOME/.cache}/synod/console-$driver-$barriers"

[ $# = 2 ] || { sed -n '2,/^$/s/^# \{0,1\}//p' "$root/scripts/check-console.sh" >&2; exit 2; }
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || { say "no browser is installed (Debian: chromium)"; exit 3; }
command -v npm >/dev/null || { say "npm is missing (Debian: nodejs npm)"; exit 3; }
mkdir -p "$folder"
(
    # Tests run side by side.
    flock 9
    [ ! -f "$folder/complete" ] || exit 0
    say "fetching $driver and $barriers into $folder"
    echo '{"private": true}' >"$folder/package.json"
    (cd "$folder" && npm install --ignore-scripts --no-audit --no-fund --silent "$driver" "$barriers" >&2) ||
        { say "they cannot be fetched"; exit 1; }
    touch "$folder/complete"
) 9>"$folder/lock"

NODE_PATH="$folder/node_modules" SYNOD_BROWSER="$browser" exec node "$root/scripts/check-console.cjs" "$@"
