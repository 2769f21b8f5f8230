#!/bin/bash
# integration/images/images_run.sh DIR: runs the images whose files are at
# DIR/roots as a container runtime would. Prints TAP. Called by images_test.sh,
# in namespaces of its own: mounts, processes and ports end with it.
set -eu
# shellcheck source=integration/images/images.sh
. integration/images/images.sh
dir=$1/run
roots=$1/roots

# As long as docker stop waits.
grace_s=10

# A container NAME is a process, pids[NAME], whose first child is the image's.
declare -A pids=()
url=http://127.0.0.1:5000

stop_all() {
	local name
	for name in "${!pids[@]}"; do
		kill -KILL "${pids[$name]}" 2>/dev/null || true
	done
}
trap stop_all EXIT
trap 'exit 1' INT TERM

# enter NAME ARGUMENT...: the image's entrypoint with these arguments, as $uid.
enter() {
	local entrypoint folder
	mapfile -t entrypoint < <(image_entrypoint "$1")
	folder=$(image_config "$1" '{{.OCIv1.Config.WorkingDir}}')
	exec unshare --mount --pid --fork --kill-child integration/images/image_enter.sh \
		"$(readlink "$roots/$1")" "$uid" "${folder:-/}" "$dir/etc:/etc/mockvideo" \
		"$dir/secrets:/run/secrets" tmpfs:/var/lib/mockvideo -- "${entrypoint[@]}" "${@:2}"
}

# As docker exec: in the running container, with the same rights.
exec_in() {
	local name=$1 inside
	inside=$(pgrep -P "${pids[$name]}")
	nsenter --target "$inside" --mount --pid --root --wd setpriv --reuid="$uid" --regid="$uid" \
		--clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
		env -i PATH=/usr/local/bin:/usr/bin:/bin "${@:2}"
}

# The health check that the image declares, for which the ports are the usual ones.
healthy() {
	local command
	mapfile -t command < <(image_healthcheck "$1" | tail -n +2)
	exec_in "$1" "${command[@]}"
}

# Waits: what the store is asked at intervals.
becomes_unhealthy() {
	while healthy "$1"; do
		sleep 0.1
	done
}

is_unhealthy_elsewhere() {
	! exec_in gatewayd healthcheck 5999 && ! exec_in gatewayd healthcheck 5000 /nowhere
}

# start NAME ARGUMENT...: starts a container and waits until it is healthy.
start() {
	enter "$@" >"$dir/$1.log" 2>&1 &
	pids[$1]=$!
	until healthy "$1" >"$dir/health" 2>&1; do
		if ! kill -0 "${pids[$1]}" 2>/dev/null; then
			cat "$dir/$1.log"
			return 1
		fi
		sleep 0.1
	done
	cat "$dir/health"
}

start_both() {
	start accountd --config=/etc/mockvideo/accountd.conf --secrets-dir=/run/secrets &&
		start gatewayd --config=/etc/mockvideo/gatewayd.conf
}

# stop NAME: as docker stop does. The status is the program's own.
stop() {
	local pid=${pids[$1]} inside ended=0
	inside=$(pgrep -P "$pid")
	kill -TERM "$inside"
	timeout "$grace_s" tail -s 0.1 --pid="$inside" -f /dev/null || kill -KILL "$inside"
	wait "$pid" || ended=$?
	unset "pids[$1]"
	tail -n 3 "$dir/$1.log"
	echo "exit status $ended"
	[ "$ended" -eq 0 ]
}

is_confined() {
	local inside out
	inside=$(pgrep -P "${pids[$1]}")
	grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|NSpid):' "/proc/$inside/status" | tee "$dir/status"
	grep -qx "Uid:	$uid	$uid	$uid	$uid" "$dir/status" &&
		[ "$(grep -c '^Cap...:	0000000000000000$' "$dir/status")" -eq 5 ] &&
		grep -qx 'NoNewPrivs:	1' "$dir/status" &&
		grep -qE '^NSpid:.*	1$' "$dir/status" || return 1
	! out=$(exec_in "$1" touch /tmp/file 2>&1) || return 1
	echo "$out"
	[[ $out == *'Read-only file system'* ]]
}

logs_json_lines() {
	python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
messages = [line["message"] for line in lines]
print(messages)
sys.exit(not {"listening", "stopping"} <= set(messages))' "$dir/$1.log"
}

write_configuration() {
	mkdir -p "$dir/etc" "$dir/secrets"
	printf '%s\n' listen=tcp://127.0.0.1:7001 logLevel=debug "$@" >"$dir/etc/accountd.conf"
	printf '%s\n' listen=:5000 insecureNoAuth=true backends=tcp://127.0.0.1:7001 logLevel=debug \
		>"$dir/etc/gatewayd.conf"
	chmod -R u=rwX,go=rX "$dir/etc" "$dir/secrets"
}

start_mariadb() {
	mariadb-install-db --no-defaults --user=root --datadir="$dir/mysql" \
		--auth-root-authentication-method=socket --skip-test-db --skip-name-resolve || return 1
	cat >"$dir/init.sql" <<-END
		CREATE DATABASE mockvideo;
		CREATE USER mockvideo@'127.0.0.1' IDENTIFIED BY '$(cat "$dir/secrets/dbpassword")';
		GRANT ALL ON mockvideo.* TO mockvideo@'127.0.0.1';
	END
	mariadbd --no-defaults --user=root --datadir="$dir/mysql" --socket="$dir/mysqld.sock" \
		--bind-address=127.0.0.1 --port=3306 --skip-name-resolve --init-file="$dir/init.sql" \
		>"$dir/mariadb.log" 2>&1 &
	pids[mariadb]=$!
	until (exec 3<>/dev/tcp/127.0.0.1/3306 && read -r -t 1 -n 1 -u 3) 2>/dev/null; do
		kill -0 "${pids[mariadb]}" 2>/dev/null || { cat "$dir/mariadb.log" && return 1; }
		sleep 0.1
	done
}

stop_mariadb() {
	kill -TERM "${pids[mariadb]}" && wait "${pids[mariadb]}"
}

migrate() {
	(enter accountd migrate --config=/etc/mockvideo/accountd.conf --secrets-dir=/run/secrets)
}

authenticates_by_sha2() {
	local server said
	integration/images/sha2_server.py 3307 "$dir/secrets/dbpassword" >"$dir/sha2.log" 2>&1 &
	server=$!
	until grep -q listening "$dir/sha2.log"; do
		kill -0 "$server" || return 1
		sleep 0.1
	done
	! said=$(enter accountd migrate --config=/etc/mockvideo/accountd.conf --db-port=3307 \
		--secrets-dir=/run/secrets 2>&1) || return 1
	echo "$said"
	cat "$dir/sha2.log"
	wait "$server" && [[ $said == *'authenticated by caching_sha2_password'* ]]
}

ip link set lo up
mkdir -p "$dir"
echo 1..19

uid=12345
write_configuration
check 'both start, healthy, with a read-only root, as any user' start_both
for name in accountd gatewayd; do
	check "$name: it is the first process, and has no rights to lose" is_confined $name
done
check 'the tour is as expected' tools/smoketest $url
check 'accountd stops on SIGTERM within the grace period, with status 0' stop accountd
check 'gatewayd stops on SIGTERM within the grace period, with status 0' stop gatewayd
for name in accountd gatewayd; do
	check "$name: its log is one JSON object a line" logs_json_lines $name
done

uid=65532
echo mockvideo >"$dir/secrets/dbuser"
od -An -N 24 -v -t x1 /dev/urandom | tr -d ' \n' >"$dir/secrets/dbpassword"
write_configuration store=mysql dbHost=127.0.0.1 dbPort=3306
check 'MariaDB starts' start_mariadb
check 'accountd migrates it, with the secrets that are mounted' migrate
check 'both start, healthy, as the user of the images' start_both
check 'the tour is as expected, on MariaDB' tools/smoketest $url
check 'MariaDB stops' stop_mariadb
check 'accountd: the health check notices' becomes_unhealthy accountd
check 'gatewayd: the health check is content, it lives' healthy gatewayd
check 'gatewayd: the health check notices a port or a path that does not answer' is_unhealthy_elsewhere
check 'gatewayd stops on SIGTERM, with status 0' stop gatewayd
check 'accountd stops on SIGTERM without its database, with status 0' stop accountd
check 'accountd authenticates by caching_sha2_password' authenticates_by_sha2
all_ok
