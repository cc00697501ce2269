#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build and enter a small Debian root that has a real Blender and a virtual screen (Linux, root).
#
#   tests/ui/rootfs.sh build [SUITE]              build it once (3 minutes, 1.8 GB); later calls do nothing
#   tests/ui/rootfs.sh enter SUITE COMMAND...     run a command in it
#
# SUITE is trixie (Blender 4.3, the default) or sid (Blender 5.2). The root lies under
# .build/window-root/, or under $SYNCSCAPE_WINDOW_ROOT. Inside it the repository and /tmp are the
# host's own, at the same paths, and the whole host is at /host: `chroot /host COMMAND` runs a
# command with the host's libraries, which is how Blender there starts the engine's Python here.
# The mounts live in a mount namespace of their own and vanish with the last process in it.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home=${SYNCSCAPE_WINDOW_ROOT:-$repo/.build/window-root}
packages=(
    blender python3-numpy python3-cattr python3-requests
    xvfb libgl1-mesa-dri libegl1 libgl1 xdotool imagemagick
)

mount_system() { # the kernel's file systems, seen from the root $1
    mount --rbind /proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --rbind /dev "$1/dev"
}

debian_mirror() { # the machine's own Debian mirror, as apt knows it
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(SUITE)' |
        awk '$2 == "Debian" && $3 !~ /-/ { print $1; exit }'
}

build() {
    local suite=$1 root=$home/$1 new=$home/.$1.new
    [ -e "$root/.complete" ] && return 0
    [ "$(id -u)" = 0 ] || { echo "rootfs.sh: only root can build the Debian root" >&2; exit 77; }
    command -v apt-get >/dev/null || { echo "rootfs.sh: needs a Debian machine" >&2; exit 77; }
    apt-get update -qq
    command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap
    rm -rf "$new" "$root"
    mkdir -p "$new"
    debootstrap --variant=minbase "$suite" "$new" "$(debian_mirror)"
    echo 'Acquire::Check-Valid-Until "false";' >"$new/etc/apt/apt.conf.d/90no-date"
    cp /etc/resolv.conf "$new/etc/resolv.conf"
    export -f mount_system
    unshare --mount bash -euc 'mount_system "$1"; shift; exec chroot "$@"' _ "$new" "$new" \
        env DEBIAN_FRONTEND=noninteractive sh -ec \
        'apt-get update -qq; apt-get install -y -qq --no-install-recommends "$@"; apt-get clean' _ "${packages[@]}"
    touch "$new/.complete"
    mv "$new" "$root"
}

enter() {
    local root=$home/$1
    shift
    [ -e "$root/.complete" ] || { echo "rootfs.sh: first run: $0 build $(basename "$root")" >&2; exit 77; }
    local also=${SYNCSCAPE_WINDOW_ALSO:-} # one more folder of the host at its own path
    mkdir -p "$root/host" "$root$repo" "$root/tmp" "$root$also"
    export -f mount_system
    exec unshare --mount bash -euc '
        root=$1 repo=$2 also=$3; shift 3
        mount --rbind / "$root/host"
        mount_system "$root"
        mount --rbind /tmp "$root/tmp"
        mount --rbind "$repo" "$root$repo"
        [ -z "$also" ] || mount --rbind "$also" "$root$also"
        exec chroot "$root" "$@"' _ "$root" "$repo" "$also" env HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

case ${1:-} in
build) build "${2:-trixie}" ;;
enter) shift; enter "$@" ;;
*) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
