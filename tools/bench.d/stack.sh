#!/bin/bash
# The processes that tools/bench starts, and what /proc says about them.
# shellcheck disable=SC2034,SC2154

declare -A pids=()       # by name
declare -A ports=()      # of gatewayd, by the name of its stack
declare -A gateways=()   # process ids of a stack
declare -A services=()

ticks_a_second=$(getconf CLK_TCK)

bench_port_is_taken() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Sets REPLY to a port of 127.0.0.1 where nobody listens.
bench_free_port() {
	REPLY=$((20000 + RANDOM % 12000))
	while bench_port_is_taken "$REPLY"; do
		REPLY=$((20000 + RANDOM % 12000))
	done
}

# Starts NAME COMMAND... with its output in NAME.log; it ends with this script.
bench_start() {
	local name=$1
	shift
	setsid setpriv --pdeathsig KILL "$@" </dev/null >"$tmp/$name.log" 2>&1 &
	pids[$name]=$!
}

# Ends this script if one of the processes has ended by itself.
bench_check() {
	local name
	for name in "${!pids[@]}"; do
		kill -0 "${pids[$name]}" 2>/dev/null && continue
		echo "--- $name.log ends with" >&2
		tail -n 20 "$tmp/$name.log" >&2
		unset "pids[$name]"
		bench_fail "$name ended by itself, see above"
	done
}

# Waits until a command succeeds, for a minute.
bench_await() {
	local tries
	for ((tries = 0; tries < 600; tries++)); do
		! "$@" >/dev/null 2>&1 || return 0
		bench_check
		sleep 0.1
	done
	bench_fail "not ready after a minute: $*"
}

bench_stop() {
	local name=$1
	kill -TERM "${pids[$name]}" 2>/dev/null || true
	for _ in {1..100}; do
		kill -0 "${pids[$name]}" 2>/dev/null || break
		sleep 0.05
	done
	kill -KILL "${pids[$name]}" 2>/dev/null || true
	wait "${pids[$name]}" 2>/dev/null || true
	unset "pids[$name]"
}

# At the end of this script, whatever ends it.
bench_stop_all() {
	local status=$? name
	trap '' INT TERM HUP
	# shellcheck disable=SC2046
	kill -TERM $(jobs -p) 2>/dev/null || true
	for name in "${!pids[@]}"; do
		bench_stop "$name"
	done
	rm -rf "$tmp"
	exit $status
}

bench_sql() {
	MYSQL_PWD='' mariadb --no-defaults --socket="$tmp/mysql.sock" --user=root --batch \
		--skip-column-names --execute "$1"
}

# A private MariaDB, as it comes: a transaction is on the disk when it is answered.
bench_start_mariadb() {
	local user=()
	[ "$(id -u)" -ne 0 ] || user=(--user=root)
	mkdir "$tmp/mysql-tmp"
	mariadb-install-db --no-defaults "${user[@]}" --datadir="$tmp/mysql" --tmpdir="$tmp/mysql-tmp" \
		--auth-root-authentication-method=normal --skip-test-db --skip-name-resolve \
		>"$tmp/install.log" 2>&1 || bench_fail "MariaDB is not installed: $(tail -n 5 "$tmp/install.log")"
	bench_free_port
	mysql_port=$REPLY
	bench_start mariadbd mariadbd --no-defaults "${user[@]}" --datadir="$tmp/mysql" \
		--tmpdir="$tmp/mysql-tmp" --socket="$tmp/mysql.sock" --pid-file="$tmp/mysql.pid" \
		--bind-address=127.0.0.1 --port="$mysql_port" --skip-name-resolve
	bench_await bench_sql 'SELECT 1'
	bench_sql "CREATE USER bench@'%' IDENTIFIED BY 'bench'; GRANT ALL ON *.* TO bench@'%'"
	mkdir "$tmp/secrets"
	echo bench | tee "$tmp/secrets/dbuser" >"$tmp/secrets/dbpassword"
	export MYSQL_PWD=bench
}

# bench_start_accountd NAME STORE FLAG...: STORE is a database of MariaDB, or
# sqlite:FILE. The address is left in REPLY.
bench_start_accountd() {
	local name=$1 store=(--store mysql --db-host 127.0.0.1 --db-port "$mysql_port" --db-name "$2"
		--secrets-dir "$tmp/secrets")
	case $2 in
	sqlite:*) store=(--store "$2") ;;
	*) bench_sql "CREATE DATABASE IF NOT EXISTS $2" ;;
	esac
	shift 2
	"$bin/accountd" migrate "${store[@]}" >"$tmp/migrate.log" 2>&1 ||
		bench_fail "accountd migrate: $(tail -n 5 "$tmp/migrate.log")"
	bench_free_port
	bench_start "$name" "$bin/accountd" "${store[@]}" --listen "tcp://127.0.0.1:$REPLY" \
		--drain-ms 0 --log-level warn --admin-listen off "$@"
	bench_await bench_port_is_taken "$REPLY"
	REPLY=tcp://127.0.0.1:$REPLY
}

# bench_start_gatewayd STACK ACCOUNTDS BACKENDS FLAG...: ACCOUNTDS are the names
# of the processes behind it.
bench_start_gatewayd() {
	local stack=$1 accountds=$2 backends=$3 name
	shift 3
	bench_free_port
	ports[$stack]=$REPLY
	bench_start "gatewayd-$stack" "$bin/gatewayd" --listen "127.0.0.1:$REPLY" \
		--backends "$backends" --log-level warn --admin-listen off "$@"
	gateways[$stack]=${pids[gatewayd-$stack]}
	services[$stack]=
	for name in $accountds; do
		services[$stack]+=" ${pids[$name]}"
	done
	bench_await bench_curl -o "$tmp/health" "$(bench_url "$stack")/accountdhealth"
	bench_check
}

# bench_start_stack NAME DATABASE "ACCOUNTD FLAGS" "GATEWAYD FLAGS", unless it runs.
bench_start_stack() {
	local stack=$1 database=$2
	[ -z "${ports[$stack]-}" ] || return 0
	# shellcheck disable=SC2086
	bench_start_accountd "accountd-$stack" "$database" $3
	# shellcheck disable=SC2086
	bench_start_gatewayd "$stack" "accountd-$stack" "$REPLY" $4
}

# Ends a stack that is not needed any more.
bench_stop_stack() {
	local stack=$1
	bench_stop "gatewayd-$stack"
	[ -z "${pids[accountd-$stack]-}" ] || bench_stop "accountd-$stack"
	unset "ports[$stack]"
}

bench_url() {
	echo "http://127.0.0.1:${ports[$1]}"
}

bench_curl() {
	curl --silent --show-error --fail --noproxy '*' --max-time 300 "$@"
}

# Sets REPLY to the CPU time of processes together, in ticks.
bench_ticks() {
	local pid stat sum=0
	for pid; do
		read -r stat <"/proc/$pid/stat" || bench_check
		# shellcheck disable=SC2086
		set -- ${stat##*) }
		sum=$((sum + ${12} + ${13}))
	done
	REPLY=$sum
}

# Sets REPLY to the CPU time of what this script has waited for, in ticks.
bench_ticks_of_children() {
	local stat
	read -r stat <"/proc/$$/stat"
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	REPLY=$((${14} + ${15}))
}

# Sets REPLY to the time all processors were busy, and idle to the rest, in ticks.
bench_ticks_of_machine() {
	local name user nice system wait irq softirq steal rest
	read -r name user nice system idle wait irq softirq steal rest </proc/stat
	: "$name" "$rest"
	idle=$((idle + wait))
	REPLY=$((user + nice + system + irq + softirq + steal))
}

# Peak memory of a process in KiB; bench_reset_peak begins anew.
bench_peak_kib() {
	awk '/^VmHWM/ { print $2 }' "/proc/$1/status"
}

bench_reset_peak() {
	echo 5 >"/proc/$1/clear_refs" 2>/dev/null || true
}
