#!/usr/bin/env bash
# Builds the plugins: each crate below becomes a component in plugins/dist (or in $SYNOD_PLUGINS_DIST).
#
# usage: scripts/plugins.sh [CRATE ...]      all plugins, or those named
#
# The toolchain is found in this order:
#   1. the toolchain on the PATH, where it has the target wasm32-unknown-unknown or `rustup target add` can add it;
#   2. Debian's rustc-web, cargo-web, rust-web-src and lld (installed here on Debian and Ubuntu).
# SYNOD_WASM_TOOLCHAIN=debian takes the second at once.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
target=wasm32-unknown-unknown
dist=${SYNOD_PLUGINS_DIST:-$root/plugins/dist}
target_dir=${CARGO_TARGET_DIR:-$root/target}
crates=("$@")
[ ${#crates[@]} -gt 0 ] || crates=(isolation-forest local-outlier-factor k-nearest-neighbours autoencoder ecod hbos half-space-trees robust-random-cut-forest robust-z-score onnx)

say() { printf 'plugins: %s\n' "$*" >&2; }

has_target() { [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib" ]; }

own_toolchain() {
    [ "${SYNOD_WASM_TOOLCHAIN:-}" != debian ] || return 1
    has_target && return
    command -v rustup >/dev/null || { say "no rustup to add $target with"; return 1; }
    say "rustup target add $target"
    rustup target add $target >/dev/null 2>&1 && has_target
}

install_debian_packages() {
    local packages=(rustc-web cargo-web rust-web-src lld) sudo=()
    command -v apt-get >/dev/null || { say "no $target, and no apt-get: install a Rust toolchain with that target"; exit 1; }
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    say "installing ${packages[*]} (Debian's own compiler with the sources of std, and the linker)"
    "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2 ||
        { "${sudo[@]}" apt-get update -qq >&2 && "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2; } ||
        { say "could not install ${packages[*]}: install them, or a toolchain with the target $target"; exit 1; }
}

debian_complete() { [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && command -v wasm-ld >/dev/null && [ -d /usr/lib/rustlib/src/rust/library ]; }

build() {
    local packages=()
    for crate in "${crates[@]}"; do packages+=(-p "$crate"); done
    # A plugin has no randomness: what wants some (a dependency of the onnx plugin does, for graphs that are refused) must do without.
    export RUSTFLAGS='-C target-feature=+simd128 --cfg getrandom_backend="unsupported"'
    if own_toolchain; then
        say "building with $(rustc --version) and its own $target"
        cargo build --profile plugin --lib --target $target --target-dir "$target_dir/plugins" "${packages[@]}"
    else
        debian_complete || install_debian_packages
        say "building with Debian's $(/usr/bin/rustc --version)"
        # Debian has the sources of std but no compiled copy for this target. -Zbuild-std wants RUSTC_BOOTSTRAP, and cargo an absolute path.
        # rustup's proxies must not answer for `cargo` and `rustc` in sub-processes.
        env -u RUSTUP_TOOLCHAIN -u CARGO -u RUSTC_WRAPPER RUSTC_BOOTSTRAP=1 PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld \
            /usr/bin/cargo build --manifest-path "$root/Cargo.toml" --profile plugin --lib --target $target \
            --target-dir "$target_dir/plugins" -Zbuild-std=std,panic_abort "${packages[@]}"
    fi
}

wrap() {
    mkdir -p "$dist"
    for crate in "${crates[@]}"; do
        local core="$target_dir/plugins/$target/plugin/${crate//-/_}.wasm" component="$dist/$crate.wasm"
        if [ ! -f "$component" ] || [ "$core" -nt "$component" ]; then
            "$target_dir/debug/synod-componentize" "$core" "$component.new"
            mv "$component.new" "$component"
        fi
        say "$component $(stat -c %s "$component") bytes"
    done
}

env -u RUSTFLAGS cargo build -q -p synod-componentize
build
wrap
