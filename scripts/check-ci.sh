#!/usr/bin/env bash
# Checks the pipelines: workflows of GitHub by actionlint, all by their schemas, and that whatever they use is pinned, that they ask for no more than
# they need, and that the scripts that they call are there.
#
# usage: scripts/check-ci.sh
. "$(dirname "$0")/lib.sh"
python3 -c 'import ensurepip, venv' 2>/dev/null || need python3 python3-venv

say "workflows"
actionlint=1.7.9
mkdir -p "$CARGO_TARGET_DIR/tools"
tool="$(cd "$CARGO_TARGET_DIR/tools" && pwd)/actionlint-$actionlint"
if [ ! -x "$tool" ] && command -v go >/dev/null; then
    folder=$(mktemp -d)
    GOBIN=$folder go install "github.com/rhysd/actionlint/cmd/actionlint@v$actionlint" >&2 && mv "$folder/actionlint" "$tool"
    rmdir "$folder"
fi
if [ -x "$tool" ]; then "$tool" -no-color .github/workflows/*.yaml; else say "actionlint is skipped: there is no go to build it with"; fi

say "schemas"
need_python_package check-jsonschema 0.33.0
check() { "$folder/bin/check-jsonschema" --builtin-schema "vendor.$1" "${@:2}"; }
check github-workflows .github/workflows/*.yaml
check dependabot .github/dependabot.yml
# Azure's schema has patterns that are none in the unicode mode of regular expressions.
check azure-pipelines --regex-variant nonunicode .azure-pipelines/azure-pipelines.yml

say "what is used is pinned"
failed=
mistake() { say "$*"; failed=1; }
# A version's tag can be moved to other code by whoever gets hold of it; a commit cannot.
while read -r used; do
    [[ $used == ./* || $used =~ @[0-9a-f]{40}\ #\ v[0-9]+\.[0-9]+\.[0-9]+$ ]] || mistake "$used is not pinned: write the commit, and the version behind it as # v1.2.3"
done < <(sed -nE 's/^ *(- )?uses: *(.*)$/\2/p' .github/workflows/*.yaml)
pipelines=(.github/workflows/*.yaml .azure-pipelines/*.yml)
! grep -nE 'ubuntu-latest|@latest|@main\b|@master\b|:latest' "${pipelines[@]}" || mistake "what is latest changes by itself: name a version"

say "nobody may do more than is needed"
for workflow in .github/workflows/*.yaml; do
    grep -qE '^permissions:' "$workflow" || mistake "$workflow gives its jobs all permissions: begin with permissions: {}"
    ! grep -nE 'write-all|pull_request_target|: write' "$workflow" | grep -v 'id-token: write' || mistake "$workflow asks for more than to read"
done
[ "$(cat .github/workflows/*.yaml | grep -c "uses: actions/checkout@")" = "$(cat .github/workflows/*.yaml | grep -c "persist-credentials: false")" ] ||
    mistake "a checkout leaves its token for whatever runs after it: persist-credentials: false"

say "what is called is there"
while read -r script; do
    [ -x "$script" ] || mistake "$script is called, and is not there"
done < <(grep -ohE '(scripts/[a-z-]+\.sh|\.ci/run)' "${pipelines[@]}" | sort -u)
for file in deploy/Dockerfile; do [ -e "$file" ] || mistake "$file is named, and is not there"; done
image=rust:$(sed -nE 's/^rust-version = "([0-9.]+)"$/\1/p' Cargo.toml).0-bookworm
for pipeline in .github/workflows/test.yaml .azure-pipelines/azure-pipelines.yml; do grep -q "$image" $pipeline || mistake "$pipeline does not run in $image"; done
[ -z "$failed" ] || exit 1
say "the pipelines are in order"
