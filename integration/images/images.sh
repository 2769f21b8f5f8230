#!/bin/bash
# integration/images/images.sh: read by the scripts of the suite images. Where
# the images are, what is written in them, and how a result is told.

images=build/images
buildah=(buildah --root "$PWD/$images/storage" --runroot "$PWD/$images/runroot" --storage-driver vfs)

mapfile -t services < <(sed -nE 's/^([a-z][a-z0-9-]*) .*/\1/p' deploy/services.txt)

# is_service NAME: true unless it is the gateway.
is_service() {
	[[ " ${services[*]} " == *" $1 "* ]]
}

# image_config NAME TEMPLATE: what the configuration of an image says.
image_config() {
	"${buildah[@]}" inspect --type image --format "$2" "localhost/mockvideo-$1"
}

# Print a word a line.
image_entrypoint() {
	image_config "$1" '{{range .OCIv1.Config.Entrypoint}}{{println .}}{{end}}' | sed '/^$/d'
}

image_healthcheck() {
	image_config "$1" '{{range .Docker.Config.Healthcheck.Test}}{{println .}}{{end}}' | sed '/^$/d'
}

number=0
status=0

# check NAME COMMAND...: one result; shows the output if it is bad.
check() {
	local result=ok
	number=$((number + 1))
	"${@:2}" >"${dir:?}/out" 2>&1 || result='not ok'
	[ "$result" = ok ] || sed 's/^/# /' "$dir/out"
	echo "$result $number - $1"
	[ "$result" = ok ] || status=1
}

# The end of a script: true if every result was good.
all_ok() {
	[ "$status" -eq 0 ]
}
