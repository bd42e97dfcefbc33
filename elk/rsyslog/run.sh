#!/usr/bin/env bash
# Runs rsyslog with access-log.conf, and keeps the log from growing without end. deploy/compose has it in a container.
#
# usage: elk/rsyslog/run.sh [--help]
#
# The variables are those of access-log.conf and of the file that ACCESS_LOG_OUTPUT names, but for ELASTICSEARCH_KEY: it is read from the file
# ELASTICSEARCH_KEY_FILE, if that is set. Every ACCESS_LOG_EVERY seconds (30) a log beyond ACCESS_LOG_MAXIMUM bytes (64 MiB) is copied to its name with .1
# at the end, and cut: lines that are written in between are lost. All others are read by then, for what Elasticsearch does not take yet waits with rsyslog.
case "${1:-}" in -h | --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; exit ;; esac
set -euo pipefail
here=$(dirname "$(realpath "$0")")
: "${ACCESS_LOG_FILE:?run.sh: set ACCESS_LOG_FILE to the access log of the edge}" "${ACCESS_LOG_STATE:?run.sh: set ACCESS_LOG_STATE to a folder that lasts}"
: "${ACCESS_LOG_OUTPUT:?run.sh: set ACCESS_LOG_OUTPUT to one of the files to-….conf}" "${ACCESS_LOG_NAMESPACE:?run.sh: set ACCESS_LOG_NAMESPACE, as default}"
if [ -n "${ELASTICSEARCH_KEY_FILE:-}" ]; then
    ELASTICSEARCH_KEY=$(cat "$ELASTICSEARCH_KEY_FILE") || { echo "run.sh: $ELASTICSEARCH_KEY_FILE: synod elk install --key-file makes it" >&2; exit 1; }
    export ELASTICSEARCH_KEY
fi

cut_what_is_long() {
    local file
    # Until rsyslog ends, which has the number of this shell.
    while sleep "${ACCESS_LOG_EVERY:-30}" && kill -0 $$ 2>/dev/null; do
        for file in "$ACCESS_LOG_FILE" "$ACCESS_LOG_STATE/refused.jsonl"; do
            [ "$(stat -c %s "$file" 2>/dev/null || echo 0)" -gt "${ACCESS_LOG_MAXIMUM:-67108864}" ] || continue
            cp "$file" "$file.1"
            : >"$file"
        done
    done
}

pid=${ACCESS_LOG_PID:-/tmp/rsyslog.pid}
# What a killed one has left: it would keep this one from starting if somebody else has its number now.
rm -f "$pid"
cut_what_is_long &
# Where Debian has it; an ordinary user's path may not.
PATH=$PATH:/usr/sbin
exec rsyslogd -n -f "$here/access-log.conf" -i "$pid"
