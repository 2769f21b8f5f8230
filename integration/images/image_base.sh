#!/bin/bash
# integration/images/image_base.sh NAME BUILDAH...: makes the image NAME of a
# minimal Debian 12 by debootstrap, where debian:bookworm-slim can't be pulled,
# unless there is one. BUILDAH... is buildah with its flags. In the environment,
# DEBIAN_MIRROR is where the packages come from instead of debootstrap's default.
set -eu
name=$1
buildah=("${@:2}")

container=
clean_up() {
	[ -z "$container" ] || "${buildah[@]}" rm "$container" >/dev/null
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# What Debian's own slim image leaves out too.
slim_down() {
	cat >"$1/etc/dpkg/dpkg.cfg.d/image" <<END
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
force-unsafe-io
END
	find "$1/usr/share/doc" -type f ! -name copyright -delete
	find "$1/usr/share/man" "$1/usr/share/locale" "$1/var/cache" "$1/var/log" -type f -delete
	rm -rf "$1"/var/lib/apt/lists/* "$1/etc/resolv.conf"
}

! "${buildah[@]}" inspect --type image "$name" >/dev/null 2>&1 || exit 0
container=$("${buildah[@]}" from scratch)
root=$("${buildah[@]}" mount "$container")
debootstrap --variant=minbase bookworm "$root" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
slim_down "$root"
"${buildah[@]}" config --cmd bash \
	--env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
"${buildah[@]}" commit "$container" "$name"
