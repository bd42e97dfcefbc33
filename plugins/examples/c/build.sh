#!/usr/bin/env bash
# Builds plugins/dist/example-c.wasm with clang and a C library for WebAssembly (Debian 12: clang 14).
. "$(dirname "$0")/../toolchain.sh"

how="apt-get install clang lld wasi-libc libclang-rt-dev-wasm32"
want clang "$how"
want wasm-ld "$how"
echo '#include <stdlib.h>' | clang --target=wasm32-wasi -fsyntax-only -x c - 2>/dev/null || { say "there is no C library for WebAssembly: $how"; exit 3; }

if ! unchanged "$(clang --version | head -n 1)"; then
    # No contraction: a product and a sum are rounded one after the other, as on every other machine.
    clang --target=wasm32-wasi -mexec-model=reactor -std=c11 -O2 -Wall -Wextra -Werror -ffp-contract=off \
        -Wl,--strip-all -o "$tools/core.wasm" detector.c parameters.c bindings/*.c
    wrap "$tools/core.wasm"
fi
finish
