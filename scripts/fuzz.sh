#!/usr/bin/env bash
# Looks for inputs that break a promise: everything that reads bytes of others is tried with what libFuzzer thinks of.
#
# usage: scripts/fuzz.sh [SECONDS] [TARGET ...]      60 seconds for each target, or for those named
#
# Targets: configuration rows token key_set manifest decision log. Inputs that reach something new are kept in $CARGO_TARGET_DIR/fuzz; one that
# fails is printed with its path: copy it to tests/fuzz/corpus/TARGET, where the tests run it from then on.
. "$(dirname "$0")/lib.sh"
need_tools
command -v c++ >/dev/null || need g++
seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(configuration rows token key_set manifest decision log)

say "installing cargo-fuzz, if it is missing"
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
# Instrumentation is not yet a stable feature of the compiler. The code is safe Rust: it needs no sanitizer, and is quicker without.
export RUSTC_BOOTSTRAP=1
say "building"
cargo fuzz build --fuzz-dir tests/fuzz/libfuzzer --sanitizer none target
for target in "${targets[@]}"; do
    say "$target, for $seconds s"
    found=$CARGO_TARGET_DIR/fuzz/$target
    mkdir -p "$found/corpus" "$found/failures"
    SYNOD_FUZZ_TARGET=$target cargo fuzz run --fuzz-dir tests/fuzz/libfuzzer --sanitizer none target "$found/corpus" "$root/tests/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$found/failures/" -print_final_stats=1
done
say "nothing was found"
