#!/usr/bin/env bash
# Writes what the binary is made of, as CycloneDX 1.5 in JSON: each crate with version, licence and digest.
#
# usage: scripts/sbom.sh [FILE]      synod.cdx.json if none is named
. "$(dirname "$0")/lib.sh"
need_tools
output=$(realpath -m "${1:-synod.cdx.json}")
cargo cyclonedx --version >/dev/null 2>&1 || { say "installing cargo-cyclonedx"; cargo install --locked --debug cargo-cyclonedx; }
# The tool writes beside each manifest; only the gateway's, which has all that is linked, is kept.
name=synod-$$.cdx
cargo cyclonedx --manifest-path core/gateway/Cargo.toml --format json --spec-version 1.5 --override-filename "$name" --target x86_64-unknown-linux-gnu >&2
mv "core/gateway/$name.json" "$output"
find . -name "$name.json" -not -path ./target/\* -delete
say "$output"
