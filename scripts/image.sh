#!/usr/bin/env bash
# The root file system of Synod's image: deploy/Dockerfile assembles it with this script, and `check` runs it without a daemon.
#
# usage: scripts/image.sh [--help] build                              the image's binary, $CARGO_TARGET_DIR/image/synod: small and static
#        scripts/image.sh assemble FOLDER BINARY PLUGINS             puts it together in FOLDER, which must not be there
#        scripts/image.sh check [BINARY [PLUGINS]]                   assembles it and runs it; for root, on Linux
#
# `check` does what the image is meant for: in namespaces of its own, with this root alone and read-only, as user 65532 without privileges, it
# fits a model, serves, is asked for its health by names that /etc/hosts and a name server know, scores a row and ends. BINARY is that of `build`, or
# the one of the release or the debug profile; PLUGINS is plugins/dist. An image of the first one that has more than 40 MB is refused, by `assemble` too.
. "$(dirname "$0")/lib.sh"
usage "$@"
fail() { echo "image.sh: $*" >&2; exit 2; }
user=65532
# In bytes, unpacked, with all plugins but the one that is an image of its own.
most=40000000
large=onnx

# The libraries that a binary is linked with, and its loader; none of a static one.
libraries() { ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || true; }

# One file that needs no other. Names are looked up by the C library's own code, as /etc/nsswitch.conf below says: `files` and `dns` are built in.
build() {
    local flags=(-C target-feature=+crt-static)
    # Where Rust brings its own linker: equal functions once, and addresses to relocate in a bit each.
    [ "$(uname -m)" != x86_64 ] || flags+=(-C link-arg=-Wl,--icf=all -C link-arg=-Wl,-z,pack-relative-relocs)
    cargo rustc --profile dist --locked -p synod-gateway --bin synod -- "${flags[@]}"
    # The package's, of the same profile, is linked otherwise.
    mkdir -p "$CARGO_TARGET_DIR/image"
    # Of a package whose opt-level the profile overrides, cargo strips no symbols, whatever the profile says.
    strip -o "$CARGO_TARGET_DIR/image/synod" "$CARGO_TARGET_DIR/dist/synod"
}

# What a root takes, in bytes, each file once.
size() { find "$1" -type f -printf '%i %s\n' | sort -u | awk '{ sum += $2 } END { print sum }'; }

assemble() {
    local into=$1 binary=$2 plugins=$3 library
    [ ! -e "$into" ] || fail "$into is there already: name a folder that is not"
    [ -x "$binary" ] || fail "there is no binary $binary: scripts/image.sh build"
    compgen -G "$plugins/*.wasm" >/dev/null || fail "there are no plugins in $plugins: scripts/plugins.sh"
    mkdir -p "$into"/{etc/ssl/certs,etc/synod,proc,dev,sys,usr/bin,usr/lib/synod/plugins,var/lib/synod,var/lib/synod-elk}
    mkdir -m 1777 "$into/tmp"
    install -m 755 "$binary" "$into/usr/bin/synod"
    for library in $(libraries "$binary"); do install -D -m 755 "$(realpath "$library")" "$into$library"; done
    # Detectors of the examples are for authors.
    find "$plugins" -maxdepth 1 -name '*.wasm' ! -name 'example-*' ! -name "$large.wasm" -exec install -m 644 -t "$into/usr/lib/synod/plugins" {} +
    install -m 644 /etc/ssl/certs/ca-certificates.crt "$into/etc/ssl/certs/ca-certificates.crt" ||
        fail "there are no public authorities here: install ca-certificates"
    # The example to begin with; a volume or a bind mount at /etc/synod takes its place.
    sed '/^data_directory:/d; /^plugins:/,/^$/d' config/examples/three-fields.yaml >"$into/etc/synod/synod.yaml"
    printf 'root:x:0:0::/:/none\nsynod:x:%s:%s::/var/lib/synod:/none\n' $user $user >"$into/etc/passwd"
    printf 'root:x:0:\nsynod:x:%s:\n' $user >"$into/etc/group"
    # How the C library looks hosts up: without this it asks no /etc/hosts first.
    echo 'hosts: files dns' >"$into/etc/nsswitch.conf"
    chmod 700 "$into/var/lib/synod" "$into/var/lib/synod-elk"
    # Others are for trying things: with symbols, and linked with what is beside them.
    [ -n "$(libraries "$binary")" ] || [ "$(size "$into")" -le $most ] || fail "the image has $(size "$into") bytes, and may have $most: what has grown?"
}

# The variables of the image, read from where they are declared.
variables() { sed -n '/^ENV PATH=\/usr\/bin /,/[^\\]$/{s/^ENV//; s/\\$//; p}' deploy/Dockerfile | xargs -n1; }

# Runs the binary as the image would, with these words. Out of the loopback it serves by TLS alone, so that is how it is run here.
tls=(SYNOD_LISTEN__TLS__CERTIFICATE=/run/certificates/synod.pem SYNOD_LISTEN__TLS__KEY=/run/certificates/synod.key SYNOD_IDENTITY__SERVER__ISSUER=https://localhost:8080)
# shellcheck disable=SC2046  # variables are words
in_image() {
    env -i $(variables) "${tls[@]}" "$(command -v setpriv)" --no-new-privs --inh-caps=-all \
        "$(command -v chroot)" --userspec=$user:$user --groups= "$image" /usr/bin/synod "$@"
}

# In namespaces of its own: the network has a loopback and no more, and mounts end with it.
run() {
    image=$1
    ip link set lo up
    mount --bind "$image" "$image"
    mount -t proc proc "$image/proc"
    for device in null urandom random; do : >"$image/dev/$device"; mount --bind "/dev/$device" "$image/dev/$device"; done
    # What a container's runtime mounts: this file knows one name, the server that it asks another.
    printf '127.0.0.1 localhost file.test\n' >"$image.hosts"
    echo 'nameserver 127.0.0.1' >"$image.resolv"
    for file in hosts resolv.conf; do : >"$image/etc/$file"; mount --bind "$image.${file%.conf}" "$image/etc/$file"; done
    # A volume, made from the image's folder.
    mkdir "$image.data" && chown $user:$user "$image.data" && chmod 700 "$image.data"
    mount --bind "$image.data" "$image/var/lib/synod"
    mkdir -p "$image/run/certificates"
    mount --bind "$image.certificates/synod" "$image/run/certificates"
    mount -o remount,bind,ro "$image"
    ! touch "$image/usr/x" 2>/dev/null || fail "the root can be written"

    dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --address=/dns.test/127.0.0.1 --listen-address=127.0.0.1 --bind-interfaces \
        --user=root --pid-file= >"$image.dns" 2>&1 &
    trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

    in_image generate --kind three-fields --rows 2000 --seed 1 --output /var/lib/synod/rows.csv
    in_image fit --data /var/lib/synod/rows.csv 2>"$image.log" || { cat "$image.log" >&2; fail "nothing was fitted"; }
    key=$(in_image keys create --role scorer --label image.sh 2>/dev/null)
    in_image serve >"$image.log" 2>&1 &
    server=$!
    for _ in {1..100}; do ! in_image health >/dev/null 2>&1 || break; sleep 0.1; done
    in_image health || { cat "$image.log" >&2; fail "it is not well"; }
    for name in file.test dns.test; do
        in_image health --url "http://$name:8081" >"$image.name" 2>&1 || { cat "$image.name" "$image.dns" >&2; fail "it does not find the name $name"; }
    done
    ! in_image health --url http://missing.test:8081 >"$image.name" 2>&1 || fail "it finds a name that nobody knows"
    answer=$(curl -sf --cacert "$image.certificates/ca.pem" -H "Authorization: Bearer $key" https://localhost:8080/v1/score \
        -d '{"Transaction_Amount":150.75,"Average_Transaction_Amount":120.00,"Frequency_of_Transactions":3}')
    grep -q '"outcome"' <<<"$answer" || fail "it does not score: $answer"
    # The server itself, not a shell around it: user and capabilities of the process.
    pid=$(pgrep -x synod --ns $$ --nslist net | head -n 1)
    for line in "Uid:	$user	$user" "CapEff:	0000000000000000" "NoNewPrivs:	1"; do
        grep -q "^$line" "/proc/$pid/status" || fail "its process has not \`$line\`: $(grep "^${line%%:*}" "/proc/$pid/status")"
    done
    began=$(date +%s%N)
    kill "$pid"
    wait $server || fail "it did not end well: $(tail -n 3 "$image.log")"
    echo "fitted, served, well, scored; ended within $((($(date +%s%N) - began) / 1000000)) ms"
}

# Whether .dockerignore lets in what the code has built in from elsewhere, and what the workspace is made of.
look_at_context() {
    local file text wanted path
    {
        grep -roE 'include_(str|bytes)!\("\.\./[^"]+"' --include='*.rs' core elk deploy/monitoring |
            while IFS=: read -r file text; do realpath -m --relative-to=. "$(dirname "$file")/$(cut -d'"' -f2 <<<"$text")"; done
        sed -n '/^members = \[/,/^]/s/^ *"\([^"*]*\).*/\1/p' Cargo.toml
    } | sort -u | while read -r wanted; do
        path=$wanted
        while [ "$path" != . ] && ! grep -qxF "!$path" .dockerignore; do path=$(dirname "$path"); done
        [ "$path" != . ] || fail "the build needs $wanted, which .dockerignore leaves out: let it in there"
    done
}

check() {
    local binary=${1:-}
    [ "$(id -u)" = 0 ] || { say "the image is not run: only root may make the namespaces for it"; return 0; }
    for word in image release debug; do [ -n "$binary" ] || [ ! -x "$CARGO_TARGET_DIR/$word/synod" ] || binary=$CARGO_TARGET_DIR/$word/synod; done
    for program in curl dnsmasq ip setpriv unshare; do command -v $program >/dev/null || need curl dnsmasq-base iproute2 util-linux; done
    look_at_context
    work=$(mktemp -d)
    chmod 755 "$work"
    trap 'rm -rf "$work"' EXIT
    say "assembling the image of ${binary:-no binary}"
    assemble "$work/image" "$binary" "${2:-plugins/dist}"
    for part in / /usr/bin/synod /usr/lib/synod/plugins; do printf '  %s\t%s\n' "$(du -sh "$work/image$part" | cut -f1)" "$part"; done
    printf '  %s\tof at most %s\n' "$(size "$work/image" | numfmt --to=si)B" "$(numfmt --to=si $most)B, for the binary of scripts/image.sh build"
    printf '  %s\tas a registry keeps it\n' "$(tar -C "$work/image" -c . | gzip -6 | wc -c | numfmt --to=si)B"
    [ -z "$(find "$work/image" -perm /6000)" ] || fail "something in it is setuid"
    scripts/certificates.sh "$work/image.certificates" synod 2>/dev/null
    chown -R $user:$user "$work/image.certificates/synod"
    say "running it"
    unshare --mount --net --pid --fork --mount-proc "$0" run-here "$work/image"
}

case "${1:-}" in
build) [ $# = 1 ] || fail "build takes no more words"; need_tools; build ;;
assemble) [ $# = 4 ] || fail "say where, and from what: scripts/image.sh assemble FOLDER BINARY PLUGINS"; assemble "$2" "$3" "$4" ;;
check) check "${@:2}" ;;
run-here) run "$2" ;;
*) fail "say what to do: build, assemble or check (--help says more)" ;;
esac
