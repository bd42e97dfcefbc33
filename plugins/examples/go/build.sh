#!/usr/bin/env bash
# Builds plugins/dist/example-go.wasm with the standard Go toolchain, 1.25 or newer; its one module is pinned by go.mod and go.sum.
. "$(dirname "$0")/../toolchain.sh"

how="install Go 1.25 or newer (apt-get install golang-go where that is new enough; in Debian 12 and 13 it is not)"
want go "$how"
version=$(go env GOVERSION)
printf 'go1.25\n%s\n' "$version" | sort -V -C || { say "$version is too old: $how"; exit 3; }

if ! unchanged "$version"; then
    say "building with $version"
    # The module `pkg` reaches for the allocator of Go's runtime by a link name, which the linker has to be asked for. Paths and the state
    # of the repository stay out of the file.
    GOOS=wasip1 GOARCH=wasm GOFLAGS=-modcacherw GOMODCACHE=$tools/modules GOCACHE=$tools/cache GOTOOLCHAIN=local \
        go build -trimpath -buildvcs=false -buildmode=c-shared -ldflags="-s -w -checklinkname=0" -o "$tools/core.wasm" .
    wrap "$tools/core.wasm"
fi
finish
