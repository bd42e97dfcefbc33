#!/usr/bin/env bash
# Builds Synod and its plugins, as they are shipped. The first time takes some minutes, afterwards what has changed.
#
# usage: scripts/build.sh [--help]
#
# The program is $CARGO_TARGET_DIR/release/synod (target/release/synod if that is not set), the plugins are in plugins/dist.
. "$(dirname "$0")/lib.sh"
usage "$@"
need_tools
say "building synod (the first time takes some minutes)"
cargo build --release -p synod-gateway
say "building the plugins"
scripts/plugins.sh
