#!/bin/bash
# integration/tools/setup_test.sh: what tools/setup says on systems that lack packages. apt and
# dpkg look into folders of this test, in which nothing is installed. Prints TAP.
# shellcheck disable=SC2048
set -eu
cd "$(dirname "$0")/../.."

dir=$(mktemp -d "${TMPDIR:-/tmp}/setup.XXXXXX")
trap 'rm -rf "$dir"' EXIT
number=0
failed=0
# Those of the group build.
mapfile -t packages < <(sed -nE 's/^build +([^ ]+) .*/\1/p' tools/setup)

# packages_of NAME...: from now on, apt can install these packages.
packages_of() {
	local name
	rm -rf "$dir"/{lists,cache,repository,dpkg}
	mkdir -p "$dir"/{lists/partial,cache/archives/partial,repository,dpkg/updates}
	: >"$dir/dpkg/status"
	for name in $*; do # without quotes: the empty ones do not count
		printf 'Package: %s\nVersion: 1\nArchitecture: all\nFilename: ./%s.deb\nSize: 1\nSHA256: %064d\n\n' \
			"$name" "$name" 0
	done >"$dir/repository/Packages"
}

# setup ARGUMENT...: tools/setup with apt's and dpkg's folders here.
setup() {
	APT_CONFIG=$dir/apt.conf DPKG_ADMINDIR=$dir/dpkg tools/setup "$@" >"$dir/out" 2>&1
}

# says NAME TEXT...: a result of the test; false unless each text was said.
says() {
	local result=ok text
	number=$((number + 1))
	for text in "${@:2}"; do
		grep -qF -- "$text" "$dir/out" || result='not ok'
	done
	[ "$result" = ok ] || { failed=1 && sed 's/^/# /' "$dir/out"; }
	echo "$result $number - $1"
}

# refuses: like says, after a call that must fail and install nothing.
refuses() {
	[ $status -eq 1 ] && [ ! -s "$dir/dpkg/status" ] || echo 'not refused' >"$dir/out"
	says "$@"
}

skips() {
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

cat >"$dir/apt.conf" <<END
Dir::State "$dir";
Dir::State::status "$dir/dpkg/status";
Dir::Cache "$dir/cache";
Dir::Etc::sourcelist "$dir/sources.list";
Dir::Etc::sourceparts "/dev/null";
APT::Sandbox::User "root";
END
echo "deb [trusted=yes] file:$dir/repository ./" >"$dir/sources.list"
# shellcheck source=/dev/null
system=$(. /etc/os-release && echo "$PRETTY_NAME")
unsupported=("Debian 12 (bookworm)" docs/images.md 'docker run')

echo 1..5
packages_of "${packages[@]/libh2o-evloop-dev/}"
if [ "$(id -u)" -eq 0 ]; then
	status=0 && setup build || status=$?
	refuses 'a system without h2o is refused before anything is installed' \
		"$system has no package libh2o-evloop-dev" "${unsupported[@]}" 'Nothing was installed'
	cat >"$dir/os-release" <<-'END'
		PRETTY_NAME="Debian GNU/Linux 13 (trixie)"
	END
	if unshare --mount mount --bind "$dir/os-release" /etc/os-release 2>/dev/null; then
		# shellcheck disable=SC2016
		status=0 && APT_CONFIG=$dir/apt.conf DPKG_ADMINDIR=$dir/dpkg unshare --mount sh -c \
			'mount --bind "$0/os-release" /etc/os-release && exec tools/setup build' "$dir" \
			>"$dir/out" 2>&1 || status=$?
		refuses 'the system is called by its name' \
			'Debian GNU/Linux 13 (trixie) has no package libh2o-evloop-dev' "${unsupported[@]}"
	else
		skips 'the system is called by its name' 'no mount namespaces'
	fi
else
	skips 'a system without h2o is refused before anything is installed' 'needs root'
	skips 'the system is called by its name' 'needs root'
	APT_CONFIG=$dir/apt.conf apt-get update >/dev/null
fi
status=0 && setup --no-install build || status=$?
refuses 'so it is when nothing is to be installed' \
	"$system has no package libh2o-evloop-dev" "${unsupported[@]}"

packages_of
status=0 && setup --no-install build || status=$?
refuses 'where apt has read no lists, the command to install is named' \
	'apt-get update && apt-get install --no-install-recommends gcc' libh2o-evloop-dev

packages_of "${packages[@]}"
APT_CONFIG=$dir/apt.conf apt-get update >"$dir/out" 2>&1
status=0 && setup --no-install build || status=$?
refuses 'so it is where all packages are to be had' 'apt-get install --no-install-recommends gcc'
exit $failed
