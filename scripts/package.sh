#!/usr/bin/env bash
# The Debian package, by cargo-deb: what is in it is said in core/gateway/Cargo.toml, under package.metadata.deb.
#
# usage: scripts/package.sh [--help] build             builds program, plugins and $CARGO_TARGET_DIR/debian/synod_VERSION_ARCHITECTURE.deb
#        scripts/package.sh check [BINARY]             packs BINARY and tries the package: lintian, then installed, upgraded, removed and purged, on a
#                                                      copy of this machine that nobody else sees; for root, on Debian or Ubuntu
#
#   scripts/package.sh build && sudo apt-get install ./target/debian/synod_*.deb
#
# BINARY is that of `build`, or the one of the debug profile. Plugins are taken from plugins/dist.
. "$(dirname "$0")/lib.sh"
usage "$@"
fail() { echo "package.sh: $*" >&2; exit 2; }

need_cargo_deb() {
    local version=3.8.0
    cargo_deb=$(realpath -m "$CARGO_TARGET_DIR/tools/cargo-deb-$version")
    [ ! -x "$cargo_deb/bin/cargo-deb" ] || return 0
    say "installing cargo-deb $version (a minute)"
    # Without its own xz: Debian has one.
    cargo install --quiet --locked --debug --no-default-features --root "$cargo_deb" "cargo-deb@$version" >&2
}

# usage: pack FOLDER BINARY [cargo-deb's words]
pack() {
    local into=$1 binary=$2
    [ -x "$binary" ] || fail "there is no binary $binary: scripts/package.sh build, or cargo build --workspace --bins"
    compgen -G "plugins/dist/*.wasm" >/dev/null || fail "there are no plugins in plugins/dist: scripts/plugins.sh"
    need_cargo_deb
    need binutils dpkg-dev xz-utils
    # cargo-deb takes what has been built from a target folder of cargo's.
    rm -rf "$CARGO_TARGET_DIR/package"
    mkdir -p "$CARGO_TARGET_DIR/package/release" "$into"
    strip -o "$CARGO_TARGET_DIR/package/release/synod" "$binary"
    CARGO_TARGET_DIR=$CARGO_TARGET_DIR/package "$cargo_deb/bin/cargo-deb" --no-build -p synod-gateway --output "$into/" "${@:3}"
}

# All that follows happens to folders that are laid over the machine's, and end with the namespace. No systemd is to be seen there, which would be told.
trial() {
    local folder package=$1
    mount -t tmpfs tmpfs "$work" || return 3
    cp "$package" "$work/synod.deb"
    for folder in etc usr var; do
        mkdir "$work/$folder" "$work/$folder.work"
        mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$work/$folder,workdir=$work/$folder.work" "/$folder" || return 3
    done
    mount -t tmpfs tmpfs /run
    as_synod() {
        (cd /var/lib/synod && runuser -u synod -- env SYNOD_CONFIG=/etc/synod/synod.yaml SYNOD_DATA_DIRECTORY=/var/lib/synod/data \
            SYNOD_PLUGINS__DIRECTORY=/usr/lib/synod/plugins synod "$@")
    }
    set -x
    dpkg --install "$work/synod.deb"
    synod --version
    [ "$(stat -c '%U %G %a' /var/lib/synod /etc/synod/secrets /var/log/synod | tr '\n' ' ')" = "synod synod 700 root synod 750 synod synod 750 " ]
    systemd-analyze verify --recursive-errors=no synod.service synod-backup.service synod-backup.timer
    [ -z "$(compgen -G '/etc/systemd/system/*.wants/synod*')" ]
    compgen -G '/usr/lib/synod/plugins/*.wasm' >/dev/null
    [ -z "$(compgen -G '/usr/lib/synod/plugins/example-*')" ]
    # It is of use as it was installed, by the paths that the unit sets.
    sed -E '/^(data_directory|plugins):|^  directory:/d' /usr/share/doc/synod/examples/three-fields.yaml >"$work/synod.yaml"
    install -m 640 -g synod "$work/synod.yaml" /etc/synod/synod.yaml
    as_synod generate --kind three-fields --rows 200 --seed 1 --output rows.csv
    as_synod fit --data rows.csv
    as_synod score --data rows.csv --output verdicts.csv
    [ "$(wc -l </var/lib/synod/verdicts.csv)" = 201 ]
    # Another version in its place, with what was changed by hand.
    echo '# ours' >>/etc/logrotate.d/synod
    dpkg --install "$work/synod.deb"
    tail -n 1 /etc/logrotate.d/synod | grep -qx '# ours'
    [ -s /etc/synod/synod.yaml ]
    as_synod models list | grep -q live
    dpkg --remove synod
    [ ! -e /usr/bin/synod ]
    [ ! -e /usr/lib/synod ]
    dpkg --purge synod
    [ ! -e /etc/logrotate.d/synod ]
    # What was decided stays until somebody says that it is to go.
    [ -d /var/lib/synod/data/models ]
    [ -s /etc/synod/synod.yaml ]
    dpkg --install "$work/synod.deb"
    as_synod models list | grep -q live
    SYNOD_PURGE_DATA=yes dpkg --purge synod
    [ -z "$(compgen -G '/var/l*/synod')" ]
    [ ! -e /etc/synod ]
}

check() {
    local binary=${1:-} code=0
    for word in dist debug; do [ -n "$binary" ] || [ ! -x "$CARGO_TARGET_DIR/$word/synod" ] || binary=$CARGO_TARGET_DIR/$word/synod; done
    need ca-certificates lintian systemd
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    say "packing ${binary:-no binary}"
    pack "$work" "$binary" --fast --quiet
    package=$(echo "$work"/synod_*.deb)
    dpkg-deb --info "$package" | grep -E '^ (Package|Version|Architecture|Depends|Installed-Size):'
    say "lintian"
    lintian --fail-on error --tag-display-limit 0 "$package"
    say "installing it, on a copy of this machine"
    [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null || { say "skipped: it wants root"; return 0; }
    mkdir "$work/copy"
    export -f trial
    work=$work/copy unshare --mount bash -euo pipefail -c "trial '$package'" >"$work/trial" 2>&1 || code=$?
    case $code in
    0) echo "installed, used, upgraded, removed and purged" ;;
    3) say "skipped: folders cannot be laid over others here" ;;
    *) cat "$work/trial" >&2; fail "the last line above has failed" ;;
    esac
}

case "${1:-}" in
build)
    [ $# = 1 ] || fail "build takes no more words"
    need_tools
    scripts/plugins.sh
    cargo build --profile dist --locked -p synod-gateway
    pack "$CARGO_TARGET_DIR/debian" "$CARGO_TARGET_DIR/dist/synod"
    ;;
check) check "${@:2}" ;;
*) fail "say what to do: build or check (--help says more)" ;;
esac
