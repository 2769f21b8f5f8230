#!/bin/bash
# integration/tools/runner_test.sh: what tools/test makes of the results of
# programs. It runs in a tree of its own, whose programs are scripts. Prints TAP.
set -eu
cd "$(dirname "$0")/../.."

tree=$(mktemp -d "${TMPDIR:-/tmp}/runner.XXXXXX")
trap 'rm -rf "$tree"' EXIT
number=0
failed=0

# program NAME STATUS LINE...: a program that prints the lines and ends.
program() {
	printf '%s\n' "${@:3}" >"$tree/$1.lines"
	printf '#!/bin/sh\ncat "%s/%s.lines"\nexit %d\n' "$tree" "$1" "$2" >"$tree/$1"
	chmod +x "$tree/$1"
	echo "build build/release/tests/$1_test: copy $1" >>"$tree/build.ninja"
}

# check NAME PROGRAM LAST [LINE...]: tools/test with this program alone ends with
# LAST, and has printed the lines.
check() {
	local result=ok status=0 expected=1 line
	number=$((number + 1))
	"$tree/tools/test" --no-install unit "$2" >"$tree/out" 2>&1 || status=$?
	[ "$(tail -n 1 "$tree/out")" = "$3" ] || result='not ok'
	[[ $3 != *' 0 failed'* ]] || expected=0
	[ $status -eq $expected ] || result='not ok'
	for line in "${@:4}"; do
		grep -qxF -- "$line" "$tree/out" || result='not ok'
	done
	[ "$result" = ok ] || { failed=1 && sed 's/^/# /' "$tree/out"; }
	echo "$result $number - $1"
}

mkdir "$tree/tools"
cp tools/test tools/setup "$tree/tools/"
cat >"$tree/build.ninja" <<'END'
rule copy
  command = cp $in $out
build release: phony
END
program absent 0 '1..0 # SKIP no cluster on this machine'
program wordless 0 '1..0'
program crashed 1 '1..0 # SKIP no cluster on this machine'
program silent 0
program partly 0 '1..2' 'ok 1 - it works' 'ok 2 - it flies # SKIP no wings'
program none 0 '1..1' 'ok 1 - it flies # SKIP no wings'
program short 0 '1..2' 'ok 1 - it works'
program cmocka 0 'SKIPPED: no wings' '[==========] Running 2 test(s).' '[  PASSED  ] 0 test(s).' \
	'[  SKIPPED ] 2 test(s), listed below:'

# The build is a result, too.
echo 1..8
check 'a program that skips all, saying why, is skipped' absent '1 passed, 0 failed, 1 skipped' \
	'SKIPPED build/release/tests/absent_test: no cluster on this machine'
check 'one that does not say why has failed' wordless '1 passed, 1 failed'
check 'one that then ends with an error has failed' crashed '1 passed, 1 failed, 1 skipped'
check 'one that says nothing has failed' silent '1 passed, 1 failed'
check 'a part that is skipped counts by itself' partly '2 passed, 0 failed, 1 skipped' \
	'SKIPPED it flies: no wings'
check 'a program may skip each of its tests' none '1 passed, 0 failed, 1 skipped'
check 'a program that gives fewer results than promised has failed' short '2 passed, 1 failed'
check 'the reason of tests in C is shown' cmocka '1 passed, 0 failed, 2 skipped' \
	'SKIPPED build/release/tests/cmocka_test: no wings'
exit $failed
