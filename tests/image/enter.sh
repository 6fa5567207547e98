#!/usr/bin/env bash
# What a container engine does before it starts the entry point, as far as a root shell can do it. Started by `container.py` as process 1 of new
# namespaces (mount, network, pid, ipc, host name); the last line makes the program process 1, as an exec-form ENTRYPOINT is.
#
#   enter.sh ROOT ro|rw SHM_SIZE UID GID WORKDIR [SOURCE TARGET ro|rw]... -- NAME=VALUE... PROGRAM ARGUMENT...
#
# Not done, so not proved: limits on memory and processors (cgroups), a system call filter, AppArmor or SELinux, user namespaces, ACLs of network disks.
set -euo pipefail
image=$1 mode=$2 shm=$3 uid=$4 gid=$5 workdir=$6
shift 6

# The image itself is never written: a layer in memory lies over it and goes with the namespace.
layer=$(mktemp -d)
mount -t tmpfs -o mode=755 layer "$layer"
root=$layer/root
mkdir "$layer/upper" "$layer/work" "$root"
mount -t overlay -o "lowerdir=$(realpath "$image"),upperdir=$layer/upper,workdir=$layer/work" overlay "$root"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755,nosuid,size=64k dev "$root/dev"
for node in null zero full random urandom; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"
mount -t tmpfs -o "mode=1777,nosuid,nodev,noexec,size=$shm" shm "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
while [[ $1 != -- ]]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    [[ $3 == rw ]] || mount -o remount,bind,ro "$root$2"
    shift 3
done
shift
[[ $mode == rw ]] || mount -o remount,ro "$root"
exec env -i "PATH=$PATH" setpriv --no-new-privs chroot --userspec="$uid:$gid" --groups="$gid" "$root" /usr/bin/env --chdir="$workdir" "$@"
