#!/usr/bin/env bash
# Runs every command of the documents: README.md and what lies in deploy/, config/, plugins/, elk/, alertmanager/ and traefik/. Each document has a
# fresh copy of the repository, a home, free ports, and one shell, in which its blocks are run in order.
#
# usage: scripts/check-documents.sh [--help] [DOCUMENT...]
#
# What a block is stands behind its three backquotes:
#   sh                      run here; it has to succeed
#   console                 commands behind `$ `, and what one sees: `…` stands for anything, on a line of its own for any lines
#   console exit N          the same; the exit code of the last command is N
#   sh server               runs beside until the document ends, and the next block begins once its log says that it is ready
#   sh elsewhere: REASON    cannot be run here, and why. Its syntax, the files that it names and every `synod …` in it are looked at
#   yaml, json, text …      no commands
# What has to happen unseen stands in a comment: `<!-- sh`, the commands, `-->`. There `stop` ends the last server, and `audited ACTION [COUNT]`
# waits until so much is on record. Options of `synod …` in the text, files that it names, and links are looked at as well, and of all other
# documents only these. It takes about a minute.
#
# BINARY is synod ($CARGO_TARGET_DIR/debug/synod if it is not set), PLUGINS the folder of built plugins (plugins/dist).
. "$(dirname "$0")/lib.sh"
usage "$@"
command -v python3 >/dev/null || need python3
need curl jq openssl
exec python3 scripts/check-documents.py "${BINARY:-$CARGO_TARGET_DIR/debug/synod}" "${PLUGINS:-plugins/dist}" "$@"
