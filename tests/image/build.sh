#!/usr/bin/env bash
# Builds the image as its users would, on a Debian base made here and without network, and unpacks it: FOLDER/image/rootfs and FOLDER/image/config.json.
#
#   bash tests/image/build.sh FOLDER          # as root, with buildah and debootstrap; wheels and base are kept in FOLDER for the next time
#   bash tests/image/build.sh FOLDER --again  # a second build beside it; prints the IDs of both, the first one's first
#
# Exit status 75: what it is made of cannot be fetched here.
#
# A registry is asked for wheels (pip, as it is set up here) and a Debian mirror for the base; buildah itself runs in a network namespace of its own.
set -euo pipefail
mkdir -p "$1"
cache="$(cd "$1" && pwd)"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec 9>"$cache/lock"
flock 9  # one build at a time

suite=bookworm
packages=python3,python3-venv
extras=dicom
epoch=1767225600  # 2026-01-01
python="${PYTHON:-$PWD/.venv/bin/python}"

# Storage of its own, beside whatever else buildah holds on this machine; vfs works on every file system.
store() { buildah --storage-driver vfs --root "$cache/store" --runroot "$cache/store.run" "$@"; }
hash_of() { sha256sum | cut -c1-16; }
say() { echo "image: $* (${SECONDS} s)"; }

wheels="$cache/wheels-$(cat constraints.txt pyproject.toml | hash_of)"
if [[ ! -e $wheels ]]; then
    say "fetching wheels"
    rm -rf "$cache"/wheels-*
    torch="$(sed -n 's/^torch==\([0-9.]*\).*/torch==\1/p' constraints.txt)"
    # setuptools and the +cpu build are not in constraints.txt: the first builds our own wheel, the second is chosen by the Dockerfile.
    "$python" -m pip download --quiet --retries 1 --constraint constraints.txt --dest "$wheels.part" "$torch+cpu" "setuptools>=77" ".[$extras]" 2>&1 | grep -v "is ignored" || true
    rm -f "$wheels.part"/deepfakes_detector-*
    ls "$wheels.part"/torch-*+cpu-*.whl >/dev/null || { echo "the wheels cannot be fetched" >&2; exit 75; }
    mv "$wheels.part" "$wheels"
fi

base="dfd-base:$(echo "$suite $packages" | hash_of)"
if ! store inspect --type image "localhost/$base" >/dev/null 2>&1; then
    say "making a $suite base of $packages"
    rm -rf "$cache/base"
    # In a mount namespace of its own, since it mounts /proc and may be stopped midway.
    unshare --mount --propagation private debootstrap --variant=minbase --include="$packages" "$suite" "$cache/base" >"$cache/base.log" 2>&1 \
        || { tail -n 20 "$cache/base.log" >&2; echo "the $suite base cannot be fetched" >&2; exit 75; }
    rm -rf "$cache/base/var/cache/apt/archives"/*.deb "$cache/base/var/lib/apt/lists"/*
    holder="$(store from scratch)"
    store add --quiet "$holder" "$cache/base" / >/dev/null
    store commit --quiet --rm "$holder" "localhost/$base" >/dev/null
    rm -rf "$cache/base"
fi

# The context is what git would take, so that nothing of this machine slips in.
context="$cache/context"
rm -rf "$context"
mkdir "$context"
git ls-files -co --exclude-standard -- Dockerfile .dockerignore constraints.txt pyproject.toml setup.py README.md LICENSE bundles dfd \
    | tar --create --files-from=- | tar --extract --directory "$context"
cp --link --recursive "$wheels" "$context/wheels"

# The OCI format holds no name of the machine, as that of docker does; chroot isolation needs no container engine. All files of the build get one time.
build() {
    unshare --net buildah --storage-driver vfs --root "$cache/store" --runroot "$cache/store.run" bud --isolation chroot --pull-never --format oci \
        --layers=false --timestamp "$epoch" --build-arg "SOURCE_DATE_EPOCH=$epoch" --build-arg "BASE=localhost/$base" --build-arg "EXTRAS=$extras" \
        --tag "localhost/dfd:$1" "$context" >"$cache/image/build-$1.log" 2>&1 || { tail -n 40 "$cache/image/build-$1.log" >&2; exit 1; }
}

if [[ ${2:-} == --again ]]; then
    build again
    for name in test again; do store inspect --type image --format '{{.FromImageID}} ' "localhost/dfd:$name"; done
    exit 0
fi

key="$( (echo "$base"; cd "$context"; find . -type f -not -path './wheels/*' -print0 | sort -z | xargs -0 sha256sum; ls wheels) | hash_of)"
if [[ -e $cache/image/key && $(<"$cache/image/key") == "$key" ]]; then
    say "image is as it was"
    exit 0
fi
say "building"
rm -rf "$cache/image"
store rm --all >/dev/null 2>&1 || true
store rmi localhost/dfd:test >/dev/null 2>&1 || true
mkdir "$cache/image"
build test
say "unpacking"
store inspect --type image localhost/dfd:test >"$cache/image/config.json"
holder="$(store from --pull-never localhost/dfd:test)"
ln -s "$(store mount "$holder")" "$cache/image/rootfs"
echo "$key" >"$cache/image/key"
say "built, $(du --summarize --block-size=1M "$cache/image/rootfs/" | cut -f1) MB"
