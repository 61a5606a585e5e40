# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# image: the container images localhost/plexus:slim and localhost/plexus:minimal
#
# Builds docker/Dockerfile with whichever of docker, podman or buildah works here. Where no
# registry answers, the Debian base is made from apt with mmdebstrap. Fails when the minimal
# image is over 12 MB; exit 2 means that no image could be built here, whatever the tree
# says. PLEXUS_ENGINE names another engine.

minimal_bytes_max=12000000
base=docker.io/library/debian:bookworm-slim

# The engine that works here.
engine()
{
    if [ -n "${PLEXUS_ENGINE:-}" ]; then
        echo "$PLEXUS_ENGINE"
    elif command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
        echo docker
    elif command -v podman >/dev/null 2>&1 && podman info >/dev/null 2>&1; then
        echo podman
    elif command -v buildah >/dev/null 2>&1; then
        echo buildah
    fi
}

has_base()
{
    case $engine in
    buildah) buildah inspect --type image "$base" >/dev/null 2>&1 ;;
    *) "$engine" image inspect "$base" >/dev/null 2>&1 ;;
    esac
}

make_base()
{
    tarball=$(mktemp -d)/base.tar
    mmdebstrap --variant=minbase --include=ca-certificates \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$tarball" || return 1
    case $engine in
    buildah)
        container=$(buildah from scratch) && buildah add "$container" "$tarball" / &&
            buildah commit --rm "$container" "$base"
        ;;
    *) "$engine" import --change 'CMD ["bash"]' "$tarball" "$base" ;;
    esac
    made=$?
    rm -rf "$(dirname "$tarball")"
    return "$made"
}

get_base()
{
    "$engine" pull "$base" || { command -v mmdebstrap && make_base; }
}

build_image()
{
    case $engine in
    docker) docker build --target "$1" -t "localhost/plexus:$1" -f docker/Dockerfile . ;;
    *)
        # chroot isolation needs no runtime, and the docker format keeps HEALTHCHECK.
        "$engine" build --isolation chroot --network host --format docker --pull=never \
            --target "$1" -t "localhost/plexus:$1" -f docker/Dockerfile .
        ;;
    esac
}

image_bytes()
{
    case $engine in
    buildah) buildah inspect --type image --format '{{.Docker.Size}}' "localhost/plexus:$1" ;;
    *) "$engine" image inspect --format '{{.Size}}' "localhost/plexus:$1" ;;
    esac
}

engine=$(engine)
if [ -z "$engine" ]; then
    ./dev setup container
    engine=$(engine)
fi
[ -n "$engine" ] || die "neither docker, podman nor buildah works here"

has_base || step "fetching the Debian base image" get_base ||
    die "neither a registry nor mmdebstrap gives $base"
for target in slim minimal; do
    step "building localhost/plexus:$target with $engine" build_image "$target" || exit 1
done
bytes=$(image_bytes minimal)
echo "localhost/plexus:minimal has $bytes bytes"
[ "$bytes" -lt "$minimal_bytes_max" ] || { echo "that is over $minimal_bytes_max"; exit 1; }
