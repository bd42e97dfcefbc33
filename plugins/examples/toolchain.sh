# What the build scripts of the examples share. Sourced, not run; it leaves the shell in the folder of the script that sourced it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[1]}")"
language=${PWD##*/}
name=example-$language
root=$(cd ../../.. && pwd)
wit=$root/plugins/wit
dist=${SYNOD_PLUGINS_DIST:-$root/plugins/dist}
target=${CARGO_TARGET_DIR:-$root/target}
# Tools of the pinned versions, and what was built, kept from one build to the next.
tools=$target/languages/$language
mkdir -p "$tools" "$dist"

say() { printf '%s: %s\n' "$name" "$*" >&2; }

# Ends with what is missing and how to get it, unless the command is there.
want() {
    command -v "$1" >/dev/null || { say "there is no $1: $2"; exit 3; }
}

# Whether what the component is made of is as it was when it was built last. The arguments are what else it depends on.
unchanged() {
    inputs=$({ find . "$wit" ../toolchain.sh "$root/plugins/componentize/src" -name __pycache__ -prune -o -type f -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum | cut -d ' ' -f 1; printf '%s\n' "$@"; } | sha256sum)
    [ -f "$tools/$name.wasm" ] && [ "$(cat "$tools/inputs" 2>/dev/null)" = "$inputs" ]
}

# Wraps a core module as a component that keeps the contract, with no WASI behind it.
wrap() {
    (cd "$root" && env -u RUSTFLAGS cargo build -q -p synod-componentize)
    "$target/debug/synod-componentize" --wit "$wit" "$1" "$tools/$name.wasm"
}

# Puts the component where Synod looks for plugins, and remembers what it was made of.
finish() {
    printf '%s' "$inputs" >"$tools/inputs"
    cp "$tools/$name.wasm" "$dist/$name.wasm.new"
    mv "$dist/$name.wasm.new" "$dist/$name.wasm"
    say "$dist/$name.wasm $(stat -c %s "$dist/$name.wasm") bytes"
}
