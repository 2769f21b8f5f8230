#!/bin/sh
# build.sh FOLDER shared|static PROTO... -- SOURCE...: builds FOLDER/program of
# sources of this folder against the installed library, with code of the .proto
# files of its own. CC, CXX, CFLAGS, CXXFLAGS and LDFLAGS are heeded.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
link=$2
shift 2
proto=$(pkg-config --variable=protodir mockvideo-rpc)
static=
[ "$link" = shared ] || static=--static
rm -rf "$out"
mkdir -p "$out"
while [ "$1" != -- ]; do
	protoc -I"$proto" -I/usr/include --c_out="$out" "$1"
	shift
done
shift

cd "$out"
compiler=$CC
number=0
for source in $(find . -name '*.pb-c.c') $(printf "$here/%s " "$@"); do
	number=$((number + 1))
	case $source in
	*.cc)
		compiler=$CXX
		# shellcheck disable=SC2046,SC2086
		$CXX $CXXFLAGS $(pkg-config --cflags mockvideo-rpc) -I. -c -o "$number.o" "$source"
		;;
	*)
		# shellcheck disable=SC2046,SC2086
		$CC $CFLAGS $(pkg-config --cflags mockvideo-rpc) -I. -c -o "$number.o" "$source"
		;;
	esac
done
# shellcheck disable=SC2046,SC2086
$compiler $LDFLAGS ${static:+-static} -o program ./*.o $(pkg-config $static --libs mockvideo-rpc)
