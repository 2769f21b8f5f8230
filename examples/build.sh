#!/bin/sh
# build.sh FOLDER: builds client.c in FOLDER against the installed client
# library, of which it knows what pkg-config tells. For a PREFIX that
# pkg-config does not look in: PKG_CONFIG_PATH=PREFIX/lib/pkgconfig. CC,
# CFLAGS and LDFLAGS are heeded.
set -eu
if [ $# -ne 1 ]; then
	echo "usage: build.sh FOLDER" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
out=$1
proto=$(pkg-config --variable=protodir mockvideo-rpc)
mkdir -p "$out"

# The code of the service's messages and methods, from its .proto, and of the standard ones that it has.
protoc -I"$proto" -I/usr/include --c_out="$out" account/v1/user.proto google/protobuf/field_mask.proto

# shellcheck disable=SC2046,SC2086 # lists of flags
${CC:-cc} ${CFLAGS-} $(pkg-config --cflags mockvideo-rpc) -I"$out" -o "$out/client" \
	"$here/client.c" "$out/account/v1/user.pb-c.c" "$out/google/protobuf/field_mask.pb-c.c" ${LDFLAGS-} \
	$(pkg-config --libs mockvideo-rpc)
