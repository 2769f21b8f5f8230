#!/bin/bash
# integration/run_test.sh sqlite|mysql: tools/run from its start to its stop,
# with tools/smoketest between. Prints TAP. Called by tools/test.
set -eu
cd "$(dirname "$0")/.."
store=$1

dir=$(mktemp -d "${TMPDIR:-/tmp}/run.XXXXXX")
pid=
number=0
# Sets REPLY to a port of 127.0.0.1 where nobody listens.
free_port() {
	REPLY=$((20000 + RANDOM % 12000))
	while (exec 3<>"/dev/tcp/127.0.0.1/$REPLY") 2>/dev/null; do
		REPLY=$((20000 + RANDOM % 12000))
	done
}

free_port
port=$REPLY
free_port
rpc_port=$REPLY
url=http://127.0.0.1:$port

clean_up() {
	if [ -n "$pid" ] && kill -TERM "$pid"; then
		wait "$pid" || true
	fi
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# check NAME COMMAND...: one result of the test; shows the output if it is bad.
check() {
	local result=ok
	number=$((number + 1))
	"${@:2}" >"$dir/out" 2>&1 || result='not ok'
	[ "$result" = ok ] || sed 's/^/# /' "$dir/out"
	echo "$result $number - $1"
	[ "$result" = ok ]
}

# To be called in a subshell.
run() {
	exec tools/run --no-install --store "$store" "$@"
}

# Starts tools/run and waits for its word that all is ready.
start() {
	rm -f "$dir/run" # or the last word of the one before is found
	run --port "$port" --rpc-port "$rpc_port" --data "$dir/data" --sample-data >"$dir/run" 2>&1 &
	pid=$!
	until grep -qsx "ready $url" "$dir/run"; do
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.1
	done
}

start_shows() {
	start || { cat "$dir/run" && return 1; }
}

stop_by() {
	local status=0
	kill -"$1" "$pid"
	wait "$pid" || status=$?
	pid=
	cat "$dir/run"
	[ "$status" -eq 0 ]
}

has_sample_users_once() {
	curl -sS --noproxy '*' "$url/users" | grep -o '"href"' >"$dir/users"
	wc -l <"$dir/users"
	[ "$(wc -l <"$dir/users")" -eq 5 ]
}

mvctl_lists() {
	local endpoint
	endpoint=$(sed -n 's/^accountd at //p' "$dir/run")
	[ "$endpoint" = "tcp://127.0.0.1:$rpc_port" ] &&
		build/release/mvctl --endpoint "$endpoint" list | grep -x account.v1.UserService
}

# refuses WORD FLAG...: tools/run ends at once, with one line that has WORD in it.
refuses() {
	local line
	! line=$(run --rpc-port 2 "${@:2}" 2>&1) || return 1
	echo "$line"
	[[ $line == *"$1"* && $line != *$'\n'* ]]
}

# Root may enter any folder, but not without its capabilities.
refuses_a_closed_folder() {
	local line as=()
	[ "$(id -u)" -ne 0 ] || as=(setpriv --bounding-set=-all)
	mkdir -m 0 "$dir/closed"
	! line=$("${as[@]}" tools/run --no-install --port 1 --rpc-port 2 --data "$dir/closed" 2>&1) || return 1
	echo "$line"
	[[ $line == *"cannot enter '$dir/closed'"* ]]
}

tells_of_a_dead_process() {
	local status=0
	kill -KILL "$(cat "$dir/data/accountd.pid")"
	wait "$pid" || status=$?
	pid=
	cat "$dir/run"
	[ "$status" -eq 1 ] && grep -q 'accountd ended by itself' "$dir/run"
}

other=mysql
[ "$store" = sqlite ] || other=sqlite

echo 1..15
check 'it reaches ready' start_shows
status=0
check 'it has five sample users' has_sample_users_once || status=1
check 'the tour is as expected' tools/smoketest "$url" || status=1
check 'a port that is taken is named' refuses "port $port" --port "$port" --data "$dir/other" || status=1
check 'so is that of accountd' refuses "port $rpc_port" --port 1 --rpc-port "$rpc_port" \
	--data "$dir/other" || status=1
check 'the command line reaches accountd where the banner says' mvctl_lists || status=1
check 'data in use are named' refuses "$dir/data" --port 1 --data "$dir/data" || status=1
check 'it stops by SIGTERM with status 0' stop_by TERM || status=1
check 'data of the other store are not opened' refuses "--store $store" \
	--store "$other" --port 1 --data "$dir/data" || status=1
check 'a folder that cannot be entered is named' refuses_a_closed_folder || status=1
check 'it starts again' start_shows
check 'the data are there again, once' has_sample_users_once || status=1
check 'it stops by SIGINT with status 0' stop_by INT || status=1
check 'it starts a third time' start_shows
check 'it reports a program that ended by itself' tells_of_a_dead_process || status=1
[ "$status" -eq 0 ]
