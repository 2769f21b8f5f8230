#!/bin/bash
# integration/images/image_enter.sh ROOT UID FOLDER MOUNT... -- COMMAND...
#
# What a container runtime does after it has made the namespaces, for machines
# that have none: runs COMMAND in the image at ROOT, which is made read-only, as
# UID with a group of the same number, in FOLDER, without any capability or way
# to get one. A MOUNT is tmpfs:PATH, a volume that UID may write, or FROM:PATH,
# which can only be read. To be run in a mount namespace of its own, and in a
# pid namespace to be its first process.
set -eu
root=$1
uid=$2
folder=$3
shift 3

mount --bind "$root" "$root"
while [ "$1" != -- ]; do
	to=$root${1#*:}
	if [ -f "${1%%:*}" ]; then
		mkdir -p "$(dirname "$to")" && : >>"$to"
	else
		mkdir -p "$to"
	fi
	case $1 in
	tmpfs:*) mount -t tmpfs -o "size=64m,mode=0700,uid=$uid,gid=$uid,nosuid,nodev" tmpfs "$to" ;;
	*)
		mount --bind "${1%%:*}" "$to"
		mount -o remount,bind,ro "$to"
		;;
	esac
	shift
done
shift

mount -t tmpfs -o mode=0755,nosuid tmpfs "$root/dev"
for device in null zero full random urandom; do
	: >"$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -o remount,bind,ro "$root"

exec chroot "$root" /usr/bin/setpriv --reuid="$uid" --regid="$uid" --clear-groups \
	--inh-caps=-all --bounding-set=-all --no-new-privs \
	/usr/bin/env -i -C "$folder" PATH=/usr/local/bin:/usr/bin:/bin "$@"
