#!/usr/bin/env bash
# Checks what a host is set up with: the units of systemd and how much they are shut in, user and folders, the firewall (in network namespaces, with
# connections that must and must not get through), and that what the program asks of the kernel is what the units allow.
#
# usage: scripts/check-host.sh
#
# The program is taken from target/debug and the plugins from plugins/dist. What is not there, or needs root, is skipped and says so.
. "$(dirname "$0")/lib.sh"
need systemd nftables iproute2 strace curl
host=deploy/host
work=$(mktemp -d)
inside=synod-$$ outside=synod-client-$$
started=()
clean() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    for namespace in $inside $outside; do ip netns delete "$namespace" 2>/dev/null || true; done
    rm -r "$work"
}
trap clean EXIT

say "the units"
# As they are, but for the program, which is not installed here.
for unit in synod.service synod-backup.service synod-backup.timer; do
    sed "s|/usr/bin/synod|$(command -v true)|" $host/$unit >"$work/$unit"
done
systemd-analyze verify --recursive-errors=no "$work"/synod*.service "$work/synod-backup.timer"
# In tenths: at most 2.0 of 10.
for unit in synod synod-backup; do
    systemd-analyze security --offline=true --threshold=20 "$work/$unit.service" >"$work/security" || { grep ✗ "$work/security"; exit 1; }
    tail -1 "$work/security"
done

say "user and folders"
mkdir -p "$work/root/etc"
systemd-sysusers --root="$work/root" "$PWD/$host/synod.sysusers" 2>/dev/null
grep -q '^synod:.*:/var/lib/synod:' "$work/root/etc/passwd"
systemd-tmpfiles --root="$work/root" --create "$PWD/$host/synod.tmpfiles"
[ "$(stat -c %a "$work/root/var/lib/synod" "$work/root/etc/synod/secrets" | tr '\n' ' ')" = "700 750 " ]

say "what the program asks of the kernel"
synod=$CARGO_TARGET_DIR/debug/synod
plugins=$(realpath "${SYNOD_PLUGINS_DIST:-plugins/dist}")
# What a filter of the unit stands for: a word that begins with @ is a group of others.
calls() {
    local word=$1
    [[ $word == @* ]] || { echo "$word"; return 0; }
    systemd-analyze syscall-filter "$word" | sed -nE 's/^ +([-@a-z0-9_]+)$/\1/p' | while read -r member; do calls "$member"; done
}
# usage: compare UNIT TRACE...
# What was asked of the kernel must be what the unit allows. Its filters are in the unit's order: what comes later counts.
compare() {
    local unit=$1 filter word refused
    shift
    : >"$work/allowed"
    sed -n 's/^SystemCallFilter=//p' "$host/$unit.service" | while read -r filter; do
        for word in ${filter#\~}; do calls "$word"; done | sort -u >"$work/words"
        if [[ $filter == \~* ]]; then comm -23 "$work/allowed" "$work/words"; else sort -u "$work/allowed" "$work/words"; fi >"$work/next"
        mv "$work/next" "$work/allowed"
    done
    sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$@" | sort -u >"$work/asked"
    # SQLite gives its files the folder's owner when it is root, which it is not in the unit.
    [ "$(id -u)" != 0 ] || sed -i '/^fchown$/d' "$work/asked"
    refused=$(comm -23 "$work/asked" "$work/allowed" | tr '\n' ' ')
    [ -z "$refused" ] || { say "$unit.service refuses: $refused"; exit 1; }
    echo "$unit: $(wc -l <"$work/asked") calls, all of them among the $(wc -l <"$work/allowed") that are allowed"
}
if [ ! -x "$synod" ] || [ ! -f "$plugins/isolation-forest.wasm" ]; then
    say "skipped: $synod or the plugins are not built"
else
    export SYNOD_CONFIG=$PWD/config/examples/three-fields.yaml SYNOD_DATA_DIRECTORY=$work/data SYNOD_PLUGINS__DIRECTORY=$plugins
    export SYNOD_LISTEN__DATA=127.0.0.1:0 SYNOD_LISTEN__ADMINISTRATION=127.0.0.1:0
    "$synod" generate --kind three-fields --rows 200 --seed 1 --output "$work/rows.csv" 2>/dev/null
    strace -f -qq -o "$work/trace.fit" "$synod" fit --data "$work/rows.csv" >/dev/null 2>&1
    "$synod" keys create --role admin --label host 2>/dev/null >"$work/key"
    # Compiled plugins are kept: without them they are compiled again, in the process that bounds itself.
    rm -rf "$work/data/cache"
    strace -f -qq -o "$work/trace.serve" "$synod" serve >"$work/log" &
    started+=($!)
    for _ in {1..300}; do grep -q '"message":"ready"' "$work/log" && break; sleep 0.1; done
    address() { sed -nE "s/.*\"message\":\"ready\".*\"$1\":\"([^\"]+)\".*/\1/p" "$work/log"; }
    curl -sf -H "Authorization: Bearer $(cat "$work/key")" "http://$(address data)/v1/score" \
        -d '{"Transaction_Amount":150.75,"Average_Transaction_Amount":120.00,"Frequency_of_Transactions":3}' >/dev/null
    curl -sf "http://$(address administration)/readyz?verbose" >/dev/null
    program=$(pgrep -P "${started[0]}" | head -1)
    mkdir "$work/backups"
    strace -f -qq -o "$work/backup.take" "$synod" backup --data-directory "$work/data" --output "$work/backups" --keep 1 >/dev/null 2>&1
    strace -f -qq -o "$work/backup.verify" "$synod" backup verify "$work/backups" >/dev/null 2>&1
    kill -HUP "$program"
    sleep 1
    kill -TERM "$program"
    wait "${started[0]}"
    compare synod "$work"/trace.*
    compare synod-backup "$work"/backup.*
fi

say "the README's commands, on a copy of this machine that nobody else sees"
# The unit's program and its firewall are put in place and taken away with the copy; systemd itself is not asked.
trial() {
    local folder
    mount -t tmpfs tmpfs "$work/copy" || return 3
    for folder in etc usr var; do
        mkdir "$work/copy/$folder" "$work/copy/$folder.work"
        mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$work/copy/$folder,workdir=$work/copy/$folder.work" "/$folder" || return 3
    done
    mkdir -p "$work/copy/repository/target/release" "$work/copy/repository/plugins/dist"
    cp -r "$host/.." "$work/copy/repository/deploy"
    cp "$synod" "$work/copy/repository/target/release/synod"
    cp "$plugins"/*.wasm "$work/copy/repository/plugins/dist/"
    # Without what the unit's environment sets.
    sed -E '/^(data_directory|plugins):|^  directory:/d' config/examples/three-fields.yaml >"$work/copy/repository/synod.yaml"
    cp "$work/rows.csv" "$work/copy/rows.csv"
    awk '/^```$/ { inside = !inside; number += inside; next } inside && number <= 4 && !/^systemctl/' $host/README.md |
        sed 's|^as_synod check|install -m 644 ../rows.csv /var/lib/synod/rows.csv\n&|' >"$work/copy/commands"
    cd "$work/copy/repository"
    env -u SYNOD_CONFIG -u SYNOD_DATA_DIRECTORY -u SYNOD_PLUGINS__DIRECTORY bash -euo pipefail ../commands
    [ "$(stat -c '%U %a' /var/lib/synod/data)" = "synod 700" ]
    [ "$(stat -c '%U %a' /var/backups/synod/*.tar.zst)" = "synod 600" ]
    cmp /var/lib/synod/data/models.json /var/lib/synod/data.old/models.json
    [ "$(stat -c '%U %G %a' /etc/synod/synod.yaml)" = "root synod 640" ]
}
export work host synod plugins
export -f trial
mkdir "$work/copy"
if [ ! -s "$work/rows.csv" ]; then
    say "skipped: without the program there is nothing to install"
elif ! unshare --mount true 2>/dev/null; then
    say "skipped: it wants root"
else
    code=0
    unshare --mount bash -euo pipefail -c trial >"$work/trial" 2>&1 || code=$?
    case $code in
    0) echo "installed, checked, fitted, a key made, backed up and restored, as the user synod" ;;
    3) say "skipped: folders cannot be laid over others here" ;;
    *) cat "$work/trial" >&2; exit 1 ;;
    esac
fi

say "the firewall"
nft list ruleset >/dev/null 2>&1 || { say "skipped: it wants root and CAP_NET_ADMIN"; exit 0; }
nft -c -f $host/nftables.conf
ip netns add $inside 2>/dev/null || { say "connections are not tried: no network can be made here"; exit 0; }
ip netns add $outside
ip link add name inside netns $inside type veth peer name outside netns $outside
ip -n $inside address add 192.0.2.1/24 dev inside
ip -n $inside address add fd00::1/64 dev inside nodad
ip -n $outside address add 192.0.2.2/24 dev outside
ip -n $outside address add fd00::2/64 dev outside nodad
ip -n $inside link set lo up
ip -n $inside link set inside up
ip -n $outside link set outside up
# Twice: a second time it takes the first one's place.
ip netns exec $inside nft -f $host/nftables.conf
ip netns exec $inside nft -f $host/nftables.conf
ip netns exec $inside python3 - 22 80 443 8080 8081 >"$work/listening" <<'END' &
import socket, sys, threading
for port in map(int, sys.argv[1:]):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    threading.Thread(target=lambda server=server: [server.accept()[0].close() for _ in iter(int, 1)]).start()
print("ready", flush=True)
END
started+=($!)
for _ in {1..50}; do [ -s "$work/listening" ] && break; sleep 0.1; done
# usage: expect open|shut FROM ADDRESS PORT
expect() {
    local got=shut
    # shellcheck disable=SC2016  # the inner shell's own arguments
    ip netns exec "$2" timeout 1 bash -c '</dev/tcp/$0/$1' "$3" "$4" 2>/dev/null && got=open
    [ $got = "$1" ] || { say "port $4 of $3 is $got from $2, and not $1"; exit 1; }
}
for address in 192.0.2.1 fd00::1; do
    for port in 80 443; do expect open $outside $address $port; done
    for port in 8080 8081; do expect shut $outside $address $port; done
    for _ in 1 2 3 4 5 6; do expect open $outside $address 22; done
    expect shut $outside $address 22
done
expect open $inside 127.0.0.1 8081
echo "22 (six times a minute), 80 and 443 are open, 8080 and 8081 are not"
say "the host is in order"
