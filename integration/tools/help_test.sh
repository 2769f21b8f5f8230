#!/bin/bash
# integration/tools/help_test.sh: each of tools/ explains itself by --help, and refuses what it does
# not know, without doing anything: in a copy of the tree, where new files would show. Prints TAP.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/../.."

tree=$(mktemp -d "${TMPDIR:-/tmp}/help.XXXXXX")
trap 'rm -rf "$tree"' EXIT
number=0
failed=0
mapfile -t tools < <(find tools -maxdepth 1 -type f | sort)

# run WORD...: status, $tree/out and $tree/err of a command in the copy.
run() {
	status=0
	(cd "$tree/copy" && "$@") </dev/null >"$tree/out" 2>"$tree/err" || status=$?
}

files() {
	(cd "$tree/copy" && find . | sort)
}

check() {
	local result='not ok'
	number=$((number + 1))
	if "${@:2}"; then
		result=ok
	else
		failed=1
		echo "# ended with $status and wrote"
		sed 's/^/# /' "$tree/out" "$tree/err"
		diff "$tree/files" <(files) | sed 's/^/# /'
	fi
	echo "$result $number - $1"
}

touches_nothing() {
	diff -q "$tree/files" <(files) >/dev/null
}

explains() {
	[ "$status" -eq 0 ] && [ ! -s "$tree/err" ] && touches_nothing &&
		[[ $(head -n 1 "$tree/out") == "usage: $1"* ]] && [ "$(wc -l <"$tree/out")" -gt 2 ]
}

# refuses [TEXT]: with a remedy or the usage, and an error that has TEXT.
refuses() {
	[ "$status" -ne 0 ] && [ ! -s "$tree/out" ] && touches_nothing &&
		grep -qE -- '--help|usage:|takes no value|needs a value' "$tree/err" &&
		grep -qF -- "${1-}" "$tree/err"
}

mkdir "$tree/copy"
tar -c --exclude=./build --exclude=./data --exclude=./.git . | tar -x -C "$tree/copy"
files >"$tree/files"
# A tool and a flag of it that takes no value.
bare=(
	tools/run --sample-data
	tools/run --no-install
	tools/run --help
	tools/test --no-install
	tools/install --no-build
	tools/bench --quick
	tools/bench --record
	tools/setup --no-install
	tools/dashboards --check
)

echo 1..$((2 * ${#tools[@]} + ${#bare[@]} / 2 + 2))
for tool in "${tools[@]}"; do
	run "$tool" --help
	check "$tool explains itself" explains "$tool"
	run "$tool" --frobnicate
	check "$tool refuses a flag that it does not know" refuses
done
for ((i = 0; i < ${#bare[@]}; i += 2)); do
	run "${bare[i]}" "${bare[i + 1]}=yes"
	check "${bare[i]} ${bare[i + 1]} takes no value" refuses
done
for flag in --data= --port=; do
	run tools/run $flag
	check "tools/run $flag lacks a value" refuses "${flag%=} needs a value"
done
exit $failed
