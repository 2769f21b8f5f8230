#!/bin/bash
# integration/images/images_test.sh: builds the images of deploy/docker by
# buildah on a base made by debootstrap, checks what is in them, and runs them
# (images_run.sh). Prints TAP. Called by tools/test, as root. The base is kept
# in build/images. IMAGE_BASE names another one to pull instead, such as
# debian:bookworm-slim.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=integration/images/images.sh
. integration/images/images.sh

# What an image may add to its base, in bytes.
added_max=$((20 * 1000 * 1000))

skip_all() {
	echo 1..1
	echo "ok 1 - images # SKIP $1"
	exit 0
}

[ "$(id -u)" -eq 0 ] || skip_all 'only root can make file systems and namespaces'
for tool in buildah debootstrap unshare setpriv docker-compose python3; do
	command -v $tool >/dev/null || skip_all "there is no $tool: tools/setup images"
done
unshare --mount --pid --net --fork true 2>/dev/null ||
	skip_all 'this machine allows no namespaces: run the container with --privileged'

base=localhost/mockvideo-base
programs=("${services[@]}" gatewayd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/images.XXXXXX")
containers=()
inner=
clean_up() {
	local container
	[ -z "$inner" ] || kill -KILL "$inner" 2>/dev/null || true
	for container in "${containers[@]}"; do
		"${buildah[@]}" rm "$container" >/dev/null || true
	done
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

make_base() {
	if [ -n "${IMAGE_BASE-}" ]; then
		base=$IMAGE_BASE
		"${buildah[@]}" pull "$base"
	else
		integration/images/image_base.sh "$base" "${buildah[@]}"
	fi
}

version=$(sed -n 's/^#define MOCKVIDEO_VERSION "\(.*\)"$/\1/p' common/base/version.h)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)

build_image() {
	local from=(-f "deploy/docker/$1.Dockerfile")
	! is_service "$1" || from=(-f deploy/docker/service.Dockerfile --build-arg SERVICE="$1")
	TMPDIR=$dir "${buildah[@]}" bud --isolation chroot --format docker --pull-never \
		--build-arg BASE="$base" --build-arg VERSION="$version" \
		--build-arg REVISION="$revision" --build-arg SOURCE=https://example.org/mockvideo \
		"${from[@]}" -t "localhost/mockvideo-$1" .
}

# The containers of runs that were killed are removed first.
open_image() {
	local container=mockvideo-test-$1
	"${buildah[@]}" rm "$container" >/dev/null 2>&1 || true
	"${buildah[@]}" from --pull-never --name "$container" "$2" >/dev/null
	containers+=("$container")
	mkdir -p "$dir/roots"
	ln -s "$("${buildah[@]}" mount "$container")" "$dir/roots/$1"
}

# in_image NAME COMMAND...: in the image's files, with the rights of nobody.
in_image() {
	chroot --userspec=65534:65534 "$dir/roots/$1" /usr/bin/env -i PATH=/usr/bin:/bin "${@:2}"
}

has_labels() {
	local label value
	for label in title description licenses source version revision; do
		value=$(image_config "$1" "{{index .OCIv1.Config.Labels \"org.opencontainers.image.$label\"}}")
		echo "$label: $value"
		case $label in
		version) [[ $value == "$version" && $(in_image "$1" "/usr/local/bin/$1" --version) == *"$version"* ]] ;;
		revision) [ "$value" = "$revision" ] ;;
		*) [ -n "$value" ] && [ "$value" != unknown ] ;;
		esac || return 1
	done
}

starts_as_it_should() {
	local user entrypoint program
	user=$(image_config "$1" '{{.OCIv1.Config.User}}')
	entrypoint=$(image_entrypoint "$1")
	program=$(in_image "$1" readlink -f "$entrypoint")
	echo "user $user, entrypoint $entrypoint, $program, health check $(image_healthcheck "$1")"
	[[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] &&
		[ "$program" = "/usr/local/bin/$1" ] &&
		[ "$(image_config "$1" '{{.OCIv1.Config.StopSignal}}')" = SIGTERM ] &&
		[ "$(image_healthcheck "$1" | head -n 1)" = CMD ]
}

packages_of() {
	# shellcheck disable=SC2016
	in_image "$1" dpkg-query -W -f '${Package}\n' | sort
}

# mariadb-common and mysql-common are a few lines of configuration that
# libmariadb3 depends on.
adds_libraries_only() {
	comm -13 <(packages_of base) <(packages_of "$1") | tee "$dir/added"
	[ -s "$dir/added" ] && ! grep -vE '^(lib.*|mariadb-common|mysql-common)$' "$dir/added"
}

has_no_tools_or_sources() {
	local root=$dir/roots/$1/ name
	for name in gcc cc c++ clang ld as make ninja git curl wget python3 protoc gdb; do
		! find "$root"{,usr/,usr/local/}bin/ \( -name $name -o -name "$name-[0-9]*" \) | grep . ||
			return 1
	done
	! find "$root" -xdev \( -name '*.[cho]' -o -name '*.proto' -o -name '*.ninja' -o -name .git \
		-o -name Dockerfile -o -path "${root}src" \) -print | grep .
}

finds_its_libraries() {
	local program
	for program in "$dir/roots/$1"/usr/local/bin/*; do
		[ "$(head -c 4 "$program")" != $'\x7fELF' ] ||
			in_image "$1" /usr/bin/ldd "/usr/local/bin/${program##*/}"
	done | tee "$dir/libraries"
	grep -q libnng "$dir/libraries" && ! grep 'not found' "$dir/libraries"
}

# Bound at once, a plug-in that lacks a library or a symbol can't be loaded.
has_the_plug_ins() {
	local plug_in folder=usr/lib/x86_64-linux-gnu/libmariadb3/plugin
	[ "$(uname -m)" = x86_64 ] || folder=usr/lib/$(uname -m)-linux-gnu/libmariadb3/plugin
	for plug_in in caching_sha2_password sha256_password client_ed25519 mysql_clear_password; do
		in_image accountd LD_BIND_NOW=1 LD_PRELOAD="/$folder/$plug_in.so" /bin/true 2>&1 |
			tee "$dir/loading"
		[ -e "$dir/roots/accountd/$folder/$plug_in.so" ] && [ ! -s "$dir/loading" ] || return 1
	done
}

# libcurl and OpenSSL look for them there.
has_authorities() {
	in_image "$1" grep -q 'BEGIN CERTIFICATE' /etc/ssl/certs/ca-certificates.crt || return 1
	! is_service "$1" || in_image "$1" grep -q 'BEGIN CERTIFICATE' /usr/lib/ssl/cert.pem
}

bytes_of() {
	du -sb --apparent-size "$(readlink "$dir/roots/$1")" | cut -f 1
}

is_small() {
	local added=$(($(bytes_of "$1") - $(bytes_of base)))
	echo "# $1: $(($(bytes_of "$1") / 1000000)) MB, of which $((added / 1000)) kB are not the base's; $((added_max / 1000)) kB may be" >&3
	[ "$added" -gt 0 ] && [ "$added" -le "$added_max" ]
}

# The rest can't be told without the images.
bail_out() {
	all_ok || exit 1
}

exec 3>&1
echo "1..$((4 + 8 * ${#programs[@]}))"
check 'a base is at hand' make_base
bail_out
for name in "${programs[@]}"; do
	check "the image of $name is built" build_image "$name"
done
bail_out
open_image base "$base"
for name in "${programs[@]}"; do
	open_image "$name" "localhost/mockvideo-$name"
	check "$name: it says what it is, by OCI labels" has_labels "$name"
	check "$name: it starts as a numeric user, not through a shell, and has a health check" \
		starts_as_it_should "$name"
	check "$name: only libraries are added to the base" adds_libraries_only "$name"
	check "$name: there are no tools and no sources" has_no_tools_or_sources "$name"
	check "$name: every library is found" finds_its_libraries "$name"
	check "$name: the authorities that the system trusts are there" has_authorities "$name"
	check "$name: it is small" is_small "$name"
done
check "accountd: the plug-ins by which libmariadb authenticates can be loaded" has_the_plug_ins
check 'compose.yaml is valid' docker-compose -f deploy/compose.yaml config --quiet
check 'what compose.yaml names is there' /usr/bin/python3 integration/images/compose_check.py

setpriv --pdeathsig KILL unshare --mount --net --pid --mount-proc --fork --kill-child \
	integration/images/images_run.sh "$dir" &
inner=$!
wait "$inner" || status=1
inner=
all_ok
