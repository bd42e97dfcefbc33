#!/usr/bin/env bash
# The whole test suite: format, lints, dependencies, plugins, all tests with the real binary, and the example installations.
#
# usage: scripts/test.sh [--help] [ARGUMENTS OF cargo test]
#
# A server that a test needs is started by the test on a free port, and stopped by its process id.
. "$(dirname "$0")/lib.sh"
usage "$@"
need_tools
# A certificate authority (ACME), a scanner of TLS, and what they call.
need pebble testssl.sh openssl
need_h2spec
# Those of alerts and dashboards run a real Prometheus and Alertmanager; they start them themselves.
need_without_service prometheus
need_without_service prometheus-alertmanager
# Versions of models are pushed to and pulled from a real registry, which a test starts itself.
need_without_service docker-registry
# The recipe for it is run by the tests of the file sink.
need logrotate
# The tests of identity providers run a real one.
command -v npm >/dev/null || need nodejs npm

# The console is used in a browser; without one, that test is skipped and says so.
command -v chromium >/dev/null || need chromium || say "no chromium is to be had here"

# Those of the shipper and of what Elasticsearch is set up with run a real one.
scripts/elasticsearch.sh >/dev/null

say "format"
cargo fmt --all -- --check
say "lints"
cargo clippy --workspace --all-targets -- -D warnings
say "dependencies"
check_dependencies
say "plugins and test guests, as WebAssembly"
scripts/plugins.sh
SYNOD_PLUGINS_DIST=$root/tests/guests/dist scripts/plugins.sh hostile template
say "example detectors in other languages, as WebAssembly"
need clang lld wasi-libc libclang-rt-dev-wasm32
python3 -c 'import ensurepip, venv' 2>/dev/null || need python3 python3-venv
for language in c go javascript python; do
    # 3: a tool is missing, and the script has said which. Their tests say so again, and fail in CI.
    plugins/examples/$language/build.sh || [ $? = 3 ]
done
say "Python, for the clients of other systems and for schemathesis"
python3 -c 'import ensurepip, venv' 2>/dev/null || need python3 python3-venv
scripts/schemathesis.sh >/dev/null
say "tests"
cargo build --workspace --bins
cargo test --workspace "$@"
say "dashboards, as Grafana's schema has them"
scripts/check-dashboards.sh
say "queries for Kibana, by its own parser"
scripts/check-kibana.sh
say "alert rules, Alertmanager, the mixin"
scripts/monitoring.sh
# The edge, the platform on one host and the image are checked with the binary that was built above.
export BINARY=$CARGO_TARGET_DIR/debug/synod
scripts/check-traefik.sh
scripts/check-compose.sh
scripts/image.sh check "$BINARY"
scripts/package.sh check "$BINARY"
say "the whole platform"
scripts/stack.sh --check
say "example configurations"
for example in config/examples/*.yaml; do
    directory=$(mktemp -d)
    "$CARGO_TARGET_DIR/debug/synod" check --config "$example" --data-directory "$directory"
    rm -r "$directory"
done
# With the binary and the plugins that were built above.
scripts/check-chart.sh
scripts/check-host.sh
scripts/check-ci.sh
say "what files say of each other, and what documents say"
scripts/check-names.sh
scripts/check-documents.sh
say "all passed"
