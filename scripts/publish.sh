#!/usr/bin/env bash
# Publishes a version whose images are in the registry already, by their digests: one image for all architectures, signed, with what it is made of; then
# the Helm chart beside it. CI calls it; `docker login` and cosign come before.
#
# usage: scripts/publish.sh IMAGE VERSION DIGESTS SBOM
#   IMAGE    registry.example/team/synod; the chart goes to registry.example/team/charts/synod
#   VERSION  1.2.3, which must be the one of Cargo.toml and Chart.yaml
#   DIGESTS  a folder with an empty file for each architecture's image, named as its digest without sha256:
#   SBOM     what scripts/sbom.sh has written
#
# Signed is with the identity of the pipeline (keyless), or with the key that COSIGN_KEY names, as azurekms://VAULT.vault.azure.net/KEY.
. "$(dirname "$0")/lib.sh"
[ $# = 4 ] || { grep '^# usage' "$0" | cut -c3- >&2; exit 2; }
image=$1 version=$2 digests=$3 sbom=$4
chart=deploy/kubernetes/synod
mistake() { say "$*"; exit 2; }

[[ $image =~ ^[a-z0-9.-]+(:[0-9]+)?/[a-z0-9._/-]+$ ]] || mistake "no image: \"$image\". Set REGISTRY and REPOSITORY, as registry.example and team/synod"
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || mistake "no version: \"$version\". Tag the commit as v1.2.3"
grep -qx "version = \"$version\"" Cargo.toml || mistake "Cargo.toml has another version than $version: change it before the tag"
grep -qx "appVersion: \"$version\"" $chart/Chart.yaml || mistake "$chart/Chart.yaml has another appVersion than $version: change it before the tag"
[ -s "$sbom" ] || mistake "$sbom is not there: scripts/sbom.sh $sbom"
shopt -s nullglob
images=()
for file in "$digests"/*; do
    [[ $(basename "$file") =~ ^[0-9a-f]{64}$ ]] || mistake "$file is not named as a digest"
    images+=("$image@sha256:$(basename "$file")")
done
[ ${#images[@]} -gt 0 ] || mistake "there is no image in $digests"
need_helm
[ -x "$SYNOD_HELM" ] || mistake "Helm is needed: install Go, which builds it"
key=()
[ -z "${COSIGN_KEY:-}" ] || key=(--key "$COSIGN_KEY")
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

say "one image of ${#images[@]} architectures"
docker buildx imagetools create --tag "$image:$version" "${images[@]}"
digest=$(docker buildx imagetools inspect "$image:$version" --format '{{.Manifest.Digest}}')
[[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { say "the image has no digest: \"$digest\""; exit 1; }
say "signing $image@$digest"
cosign sign --yes --recursive "${key[@]}" "$image@$digest"
cosign attest --yes "${key[@]}" --type cyclonedx --predicate "$sbom" "$image@$digest"

say "the chart"
# What is installed is what was signed: the chart names the image by its digest.
cp -rL $chart "$work/synod"
sed -i "s|^  repository: synod$|  repository: $image|; s|^  digest: \"\"$|  digest: $digest|" "$work/synod/values.yaml"
"$SYNOD_HELM" package "$work/synod" --destination "$work" >/dev/null
"$SYNOD_HELM" push "$work"/synod-*.tgz "oci://${image%/*}/charts" 2>&1 | tee "$work/pushed" >&2
pushed=$(sed -nE 's/^Digest: (sha256:[0-9a-f]{64})$/\1/p' "$work/pushed")
[ -n "$pushed" ] || { say "the chart was not pushed"; exit 1; }
cosign sign --yes "${key[@]}" "${image%/*}/charts/synod@$pushed"
say "published $image@$digest and oci://${image%/*}/charts/synod@$pushed"
