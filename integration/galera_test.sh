#!/bin/bash
# integration/galera_test.sh: accountd on a Galera cluster of MariaDB, whose
# second node joins while accountd's connections live, which changes the ids
# that they give.
# shellcheck disable=SC2034,SC2317
set -eu -o pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."
bin=$PWD/build/release
provider=/usr/lib/galera/libgalera_smm.so
number=0
failed=0

galera_skip() {
	echo "1..0 # SKIP $*"
	exit 0
}

galera_says() {
	number=$((number + 1))
	[ "$1" = ok ] || failed=1
	echo "$1 $number - $2"
}

[ -e $provider ] || galera_skip 'no Galera; on Debian 12: apt-get install galera-4'
command -v mariadbd >/dev/null || galera_skip 'no mariadbd'

tmp=$(mktemp -d "${TMPDIR:-/tmp}/galera.XXXXXX")
pids=()
galera_stop() {
	trap '' INT TERM
	[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$tmp"
}
trap galera_stop EXIT
trap 'exit 130' INT TERM

galera_fail() {
	echo "$*" >&2
	tail -n 20 "$tmp"/*.log >&2
	galera_says 'not ok' "$1"
	exit 1
}

galera_free_port() {
	REPLY=$((20000 + RANDOM % 12000))
	while (exec 3<>"/dev/tcp/127.0.0.1/$REPLY") 2>/dev/null; do
		REPLY=$((REPLY + 1))
	done
}

galera_await() {
	for _ in {1..600}; do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	galera_fail "not so after a minute: $*"
}

# galera_sql NODE STATEMENT
galera_sql() {
	mariadb --no-defaults --socket="$tmp/$1.sock" --user=root --batch --skip-column-names -e "$2"
}

# galera_start NODE CLUSTER FLAG...: the node's ports are in base_NODE and port_NODE.
galera_start() {
	local node=$1 cluster=$2 base=base_$1 port=port_$1 user=()
	shift 2
	[ "$(id -u)" -ne 0 ] || user=(--user=root)
	mkdir -p "$tmp/$node.tmp"
	mariadbd --no-defaults "${user[@]}" --datadir="$tmp/$node" --tmpdir="$tmp/$node.tmp" \
		--socket="$tmp/$node.sock" --pid-file="$tmp/$node.pid" --bind-address=127.0.0.1 \
		--port="${!port}" --skip-name-resolve --binlog-format=ROW \
		--innodb-autoinc-lock-mode=2 --wsrep-on=ON --wsrep-provider=$provider \
		--wsrep-cluster-name=test --wsrep-cluster-address="$cluster" \
		--wsrep-node-name="$node" --wsrep-node-address="127.0.0.1:${!base}" \
		--wsrep-sst-method=skip \
		--wsrep-provider-options="base_port=${!base};gmcast.listen_addr=tcp://127.0.0.1:${!base};ist.recv_addr=127.0.0.1:$((${!base} + 1))" \
		"$@" >>"$tmp/$node.log" 2>&1 &
	pids+=($!)
	galera_await galera_sql "$node" 'SELECT 1'
}

galera_stop_node() {
	galera_sql "$1" SHUTDOWN
	wait "${pids[-1]}" || true
	unset 'pids[-1]'
}

galera_has_nodes() {
	[ "$(galera_sql one "SHOW STATUS LIKE 'wsrep_cluster_size'" | cut -f 2)" = "$1" ]
}

# Creates eight users in bulk and compares the ids of the answer with the rows.
galera_create() {
	local name=$1 answer users=
	for i in 1 2 3 4 5 6 7 8; do
		users+="${users:+,}{\"account_id\":1,\"name\":\"n\",\"email\":\"$name.$i@x\",\"role\":1,\"password\":\"p\"}"
	done
	answer=$("$bin/mvctl" -c -e "$url" call account.v1.UserService/CreateUsers "{\"users\":[$users]}")
	grep -oE '"id":[0-9]+' <<<"$answer" | cut -d : -f 2 >"$tmp/answered"
	galera_sql one "SELECT id FROM mockvideo.user WHERE email LIKE '$name.%' ORDER BY email" >"$tmp/stored"
	diff -u "$tmp/answered" "$tmp/stored" >&2 && [ "$(wc -l <"$tmp/stored")" -eq 8 ]
}

mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$tmp/one" --skip-test-db \
	--auth-root-authentication-method=normal --skip-name-resolve >"$tmp/install.log" 2>&1
galera_free_port && port_one=$REPLY
galera_free_port && port_two=$((REPLY + 1))
galera_free_port && base_one=$((REPLY + 2))
galera_free_port && base_two=$((REPLY + 4))
galera_start one gcomm:// --wsrep-new-cluster
galera_sql one "CREATE DATABASE mockvideo; CREATE USER mockvideo@'127.0.0.1' IDENTIFIED BY 'secret';
	GRANT ALL ON mockvideo.* TO mockvideo@'127.0.0.1'"
mkdir "$tmp/secrets"
echo mockvideo >"$tmp/secrets/dbuser"
echo secret >"$tmp/secrets/dbpassword"
flags=(--store mysql --db-host 127.0.0.1 --db-port "$port_one" --secrets-dir "$tmp/secrets")
"$bin/accountd" migrate "${flags[@]}" >"$tmp/migrate.log" 2>&1 || galera_fail 'a cluster is migrated'
echo 1..3
galera_says ok 'a cluster is migrated'

# The second node begins as a copy of the first, so that no state is to be sent whole.
galera_stop_node one
cp -r "$tmp/one" "$tmp/two"
galera_start one gcomm:// --wsrep-new-cluster
url=ipc://$tmp/accountd.sock
"$bin/accountd" "${flags[@]}" --listen "$url" --store-workers 1 --hash-mem-kib 8 --hash-passes 1 \
	>"$tmp/accountd.log" 2>&1 &
pids+=($!)
galera_await "$bin/mvctl" -e "$url" health
result=ok
galera_create alone || result='not ok'
galera_says "$result" 'ids are right on one node'
galera_start two "gcomm://127.0.0.1:$base_one"
galera_await galera_has_nodes 2
result=ok
galera_create together || result='not ok'
galera_says "$result" 'ids are right on connections that live while a node joins'
exit $failed
