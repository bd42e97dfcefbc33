#!/usr/bin/env bash
# The whole test suite: format, lints, plugins, all tests with the real binary, and the two example installations.
#
# usage: scripts/test.sh [ARGUMENTS OF cargo test]
#
# A server that a test needs is started by the test on a free port, and stopped by its process id.
. "$(dirname "$0")/lib.sh"
need_tools
# A certificate authority (ACME), a scanner of TLS, and what they call.
need pebble testssl.sh openssl
need_h2spec

say "format"
cargo fmt --all -- --check
say "lints"
cargo clippy --workspace --all-targets -- -D warnings
say "plugins and test guests, as WebAssembly"
scripts/plugins.sh
SYNOD_PLUGINS_DIST=$root/tests/guests/dist scripts/plugins.sh hostile template
say "tests"
cargo build --workspace --bins
cargo test --workspace "$@"
say "example configurations"
for example in config/examples/*.yaml; do
    directory=$(mktemp -d)
    "$CARGO_TARGET_DIR/debug/synod" check --config "$example" --data-directory "$directory"
    rm -r "$directory"
done
say "all passed"
