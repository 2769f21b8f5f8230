#!/bin/bash
# What tools/bench measures. Each scenario has a bench_setup_NAME, which starts
# what it needs, and a bench_run_NAME, which measures once all that is compared.
# shellcheck disable=SC2034,SC2154

bench_scenarios='get single list create bulk all overload hashing pipelined mixed two observed'

cheap='--hash-mem-kib 8 --hash-passes 1'  # the least that argon2id allows

# Adds a sample: SCENARIO SERIES KEY=VALUE...
bench_record() {
	echo "$1 $2 $run ${*:3}" >>"$samples"
	printf '%s  run %d of %d  %-8s %-9s %s\n' "$(date +%T)" "$run" "$runs" "$1" "$2" \
		"$(tr ' ' '\n' <<<"${*:3}" | grep -E '^(rps|p50_ms|p99_ms|p50_us|rows_per_s|seconds|errors|cpu_us)=' |
			tr '\n' ' ')" >&2
}

# Runs COMMAND and sets REPLY to the KEY=VALUE... that it prints.
bench_capture() {
	"$@" >"$tmp/out" 2>"$tmp/err" &
	wait $! || bench_fail "failed: $*: $(cat "$tmp/out" "$tmp/err")"
	REPLY=$(grep -E '^(bench )?[a-z0-9_]+=' "$tmp/out" | sed 's/^bench //')
	[ -n "$REPLY" ] || bench_fail "prints no figures: $*: $(cat "$tmp/out" "$tmp/err")"
}

# bench_measure SCENARIO SERIES STACK COMMAND...: records what the command
# prints, with the CPU time of all that took part and their peak memory.
bench_measure() {
	local scenario=$1 series=$2 stack=$3 pid peak count since
	local gatewayd accountd mariadbd load machine was_idle accountd_kib=0
	shift 3
	for pid in ${gateways[$stack]} ${services[$stack]}; do
		bench_reset_peak "$pid"
	done
	# shellcheck disable=SC2086
	bench_ticks ${services[$stack]} && accountd=$REPLY
	bench_ticks "${gateways[$stack]}" && gatewayd=$REPLY
	bench_ticks "${pids[mariadbd]}" && mariadbd=$REPLY
	bench_ticks_of_children && load=$REPLY
	bench_ticks_of_machine && machine=$REPLY was_idle=$idle
	since=$EPOCHREALTIME

	bench_capture "$@"
	local figures=$REPLY

	since=$(((${EPOCHREALTIME/[.,]/} - ${since/[.,]/}) / 1000))
	bench_ticks_of_machine && machine=$((REPLY - machine)) was_idle=$((idle - was_idle))
	bench_check
	# shellcheck disable=SC2086
	bench_ticks ${services[$stack]} && accountd=$((REPLY - accountd))
	bench_ticks "${gateways[$stack]}" && gatewayd=$((REPLY - gatewayd))
	bench_ticks "${pids[mariadbd]}" && mariadbd=$((REPLY - mariadbd))
	bench_ticks_of_children && load=$((REPLY - load))
	for pid in ${services[$stack]}; do
		peak=$(bench_peak_kib "$pid")
		[ "$peak" -le "$accountd_kib" ] || accountd_kib=$peak
	done
	count=$(tr ' ' '\n' <<<"$figures" | sed -n 's/^count=//p')
	# shellcheck disable=SC2046,SC2086
	bench_record "$scenario" "$series" $figures $(awk -v g="$gatewayd" -v a="$accountd" \
		-v m="$mariadbd" -v loaded="$load" -v busy="$machine" -v idle="$was_idle" \
		-v n="${count:-0}" -v ms="$since" \
		-v gk="$(bench_peak_kib "${gateways[$stack]}")" -v ak="$accountd_kib" \
		-v hz="$ticks_a_second" '
		BEGIN {
			us = n > 0 ? 1e6 / hz / n : 0
			all = busy + idle > 0 ? busy + idle : 1
			other = busy - g - a - m - loaded
			printf "cpu_gatewayd_us=%.1f cpu_accountd_us=%.1f cpu_database_us=%.1f cpu_us=%.1f ", \
				g * us, a * us, m * us, (g + a + m) * us
			printf "load_pct=%.0f other_pct=%.0f idle_pct=%.0f ", 100 * loaded / all, \
				100 * (other > 0 ? other : 0) / all, 100 * idle / all
			printf "rss_gatewayd_mib=%.1f rss_accountd_mib=%.1f elapsed_ms=%d\n", gk / 1024, ak / 1024, ms
		}')
}

# bench_wrk SCENARIO SERIES STACK CONNECTIONS KIND [FILE]
bench_wrk() {
	local threads=2
	[ "$4" -gt 1 ] || threads=1
	bench_measure "$1" "$2" "$3" wrk -t $threads -c "$4" -d "${seconds}s" --timeout 30s \
		-s "$here/load.lua" "$(bench_url "$3")" -- "$5" "$users" "$run.$RANDOM$RANDOM" "${@:6}"
}

# bench_load SCENARIO SERIES STACK FLAG...
bench_load() {
	bench_measure "$1" "$2" "$3" "$tools/bench_load" --port="${ports[$3]}" \
		--users="$users" --seconds="$seconds" "${@:4}"
}

# Plain statements of KIND; bench_sql.c.
bench_plain() {
	BENCH_DATABASE=$2 bench_capture "$tools/bench_sql" "$1" --port="$mysql_port" --user=bench \
		--seconds="$seconds" --users="$users" "${@:3}"
}

# The value of KEY in the last sample of SCENARIO SERIES, times FACTOR; 1 at least.
bench_last() {
	awk -v scenario="$1" -v series="$2" -v key="$3=" -v factor="${4:-1}" '
		$1 == scenario && $2 == series {
			for (i = 4; i <= NF; i++)
				if (index($i, key) == 1)
					value = substr($i, length(key) + 1)
		}
		END { printf "%.3f\n", (value * factor > 1 ? value * factor : 1) }' "$samples"
}

# Creates COUNT users at URL, in bulks of 10 000.
bench_fill() {
	local url=$1 count=$2 first
	for ((first = 1; first <= count; first += 10000)); do
		awk -v first=$first -v last=$((first + 9999 < count ? first + 9999 : count)) 'BEGIN {
			printf "{\"Users\":["
			for (i = first; i <= last; i++) {
				printf "%s{\"accountid\":%d,\"name\":\"User %d\",", (i > first ? "," : ""), i % 1000 + 1, i
				printf "\"email\":\"user.%d@example.com\",\"role\":%d,\"password\":\"secret %d\"}", i, i % 3, i
			}
			printf "]}"
		}' >"$tmp/bulk.json"
		bench_curl -o "$tmp/bulk.answer" -H 'Content-Type: application/json' -H 'Bulk-Request: true' \
			--data-binary "@$tmp/bulk.json" "$url/users" || bench_fail "cannot load users: $(cat "$tmp/bulk.answer")"
	done
	bench_curl -o "$tmp/last" "$url/users/$count" ||
		bench_fail "the $count users loaded do not have the ids 1 to $count"
}

# The stack that most scenarios read from.
bench_setup_read() {
	[ -z "${ports[read]-}" ] || return 0
	bench_say "loading $users users"
	bench_start_stack read bench "$cheap" ''
	bench_fill "$(bench_url read)" "$users"
}

# A copy of the users, to write to: bench_copy DATABASE.
bench_copy() {
	bench_sql "INSERT INTO $1.user (id, accountID, name, email, emailKey, role, password)
		SELECT id, accountID, name, email, emailKey, role, password FROM bench.user"
}

bench_setup_write() {
	[ -z "${ports[write]-}" ] || return 0
	bench_setup_read
	bench_start_stack write bench_write "$cheap" ''
	bench_copy bench_write
	bench_sql 'CREATE DATABASE bench_plain; CREATE TABLE bench_plain.user LIKE bench.user'
	bench_copy bench_plain
}

bench_setup_get() {
	bench_setup_read
	bench_start_stack naive bench "$cheap --coalesce-max 1" '--batch-max-calls 1'
}

bench_run_get() {
	local peer name
	bench_wrk get static read 64 static
	bench_wrk get one read 64 get
	bench_wrk get naive naive 64 get
	bench_load get tail read --kind=get --connections=64 --rate="$(bench_last get one rps 0.7)"
	for peer in "${peers[@]}"; do
		name=${peer%%=*}
		bench_run_peer "$name" "${peer#*=}"
	done
}

# A peer has what users it has: the ids asked for are those it answers.
bench_run_peer() {
	local name=$1 url=${2%/} ids=$users
	until bench_curl -o "$tmp/peer" "$url/users/$ids" 2>"$tmp/err"; do
		ids=$((ids / 10))
		[ $ids -gt 0 ] || bench_fail "peer $name has no user $url/users/1: $(cat "$tmp/err")"
	done
	bench_capture wrk -t 2 -c 64 -d "${seconds}s" --timeout 30s -s "$here/load.lua" "$url" -- \
		get "$ids" peer
	# shellcheck disable=SC2086
	bench_record peer "$name" $REPLY "ids=$ids"
}

bench_setup_single() {
	bench_setup_read
}

bench_run_single() {
	local echo_us select_us
	bench_capture "$tools/bench_echo" "$seconds"
	echo_us=${REPLY#p50_us=}
	bench_plain select bench
	select_us=${REPLY##*p50_us=}
	bench_record single floor "p50_us=$(awk "BEGIN { print $echo_us + $select_us }")" \
		"echo_us=$echo_us" "select_us=$select_us"
	bench_load single one read --kind=get --connections=1
}

# bench_tokens STACK: the tokens of its first twenty pages, in a file for bench_wrk.
bench_tokens() {
	local token='' page
	for ((page = 1; page < 20; page++)); do
		bench_curl -o "$tmp/page" "$(bench_url "$1")/users?page_size=1000&page_token=$token"
		token=$(grep -o '"next_page_token":"[^"]*"' "$tmp/page" | cut -d '"' -f 4)
		[ -n "$token" ] || bench_fail 'a page of users has no next_page_token'
		echo "$token" >>"$tmp/tokens-$1"
	done
}

bench_setup_list() {
	bench_setup_read
	bench_tokens read
}

bench_run_list() {
	bench_wrk list page read 64 list "$tmp/tokens-read"
}

bench_setup_create() {
	bench_setup_write
}

bench_run_create() {
	bench_wrk create one write 64 create
	bench_plain insert bench_plain --connections=16
	# shellcheck disable=SC2086
	bench_record create insert $REPLY
}

bench_setup_bulk() {
	bench_setup_write
}

bench_run_bulk() {
	bench_wrk bulk hundred write 64 bulk
	sed -i "\$s/\$/ users_per_s=$(bench_last bulk hundred rps 100)/" "$samples"
	bench_plain insert100 bench_plain
	# shellcheck disable=SC2086
	bench_record bulk insert $REPLY
}

bench_setup_all() {
	bench_setup_read
	bench_say "copying them to $many users"
	bench_start_stack all bench_all "$cheap" ''
	bench_sql "SET @copies = $many / $users; INSERT INTO bench_all.user
		(accountID, name, email, emailKey, role, password)
		SELECT accountID, name, CONCAT(n, '.', email), CONCAT(n, '.', emailKey), role, password
		FROM bench.user JOIN (SELECT a.n * 10 + b.n AS n
			FROM (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
				UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) AS a
			JOIN (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
				UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) AS b)
			AS copy WHERE n < @copies"
	many=$(bench_sql 'SELECT COUNT(*) FROM bench_all.user')
}

bench_run_all() {
	local came
	if [ "$run" -eq 1 ]; then
		came=$(bench_curl "$(bench_url all)/users" | grep -o '"id":' | wc -l)
		[ "$came" -eq "$many" ] || bench_fail "GET /users gave $came users of $many"
	fi
	bench_measure all get all curl --silent --show-error --fail --noproxy '*' -o /dev/null \
		-w 'seconds=%{time_total} bytes=%{size_download} count=1\n' "$(bench_url all)/users"
	# shellcheck disable=SC2016
	bench_capture bash -c 'TIMEFORMAT="seconds=%R"; { time "$@" >"/dev/null"; } 2>&1' bash \
		mariadb --no-defaults --host=127.0.0.1 --port="$mysql_port" --user=bench --quick --batch \
		--skip-column-names --execute 'SELECT id, accountID, name, email, role FROM user' bench_all
	bench_record all dump "$REPLY"
}

bench_setup_overload() {
	bench_setup_read
	bench_start_stack slow bench "$cheap --store-workers 1 --coalesce-max 1" '--in-flight-max 128'
}

# The store is slow by configuration: a connection, a user at a time. So the
# machine has processor time left for the load and for refusing most of it.
bench_run_overload() {
	bench_load overload peak slow --kind=get --connections=64
	bench_load overload four slow --kind=get --connections=512 \
		--rate="$(bench_last overload peak rps 4)"
}

bench_setup_hashing() {
	bench_setup_write
	bench_start_stack hash bench_write '' '--request-timeout-ms 1000'
}

bench_run_hashing() {
	bench_load hashing peak hash --kind=create --connections=8
	bench_load hashing four hash --kind=create --connections=1024 \
		--rate="$(bench_last hashing peak rps 4)"
}

bench_setup_pipelined() {
	bench_setup_read
	# shellcheck disable=SC2086
	bench_start_accountd accountd-pipelined bench $cheap
	mute_port=${REPLY##*:}
	bench_start_gatewayd pipelined accountd-pipelined "$REPLY"
}

# Asks the accountd of PORT for 256 lists in one connection, and reads none: see docs/rpc.md
# for the bytes.
bench_mute() {
	local number bytes
	exec 3<>"/dev/tcp/127.0.0.1/$1"
	printf '\0SP\0\0\060\0\0' >&3
	for ((number = 0; number < 256; number++)); do
		printf -v bytes '\\0\\0\\0\\0\\0\\0\\0\\050\\200\\0\\0\\%03o\\012\\042\\012\\040%s' \
			"$number" account.v1.UserService/ListUsers
		# shellcheck disable=SC2059
		printf "$bytes" >&3
	done
	exec sleep infinity
}

# It begins when the reads have, so that they meet its lists as well as its replies.
bench_run_pipelined() {
	local mute
	bench_wrk pipelined quiet pipelined 64 get
	(sleep 0.5 && bench_mute "$mute_port") &
	mute=$!
	bench_wrk pipelined beside pipelined 64 get
	kill "$mute"
	wait "$mute" || true
}

bench_setup_mixed() {
	bench_setup_write
	bench_start_stack mixed bench_write '' ''
}

bench_run_mixed() {
	local creates
	bench_wrk mixed quiet mixed 64 get
	"$tools/bench_load" --port="${ports[mixed]}" --kind=create --connections=100 \
		--seconds=$((seconds + 2)) >"$tmp/creates" 2>&1 &
	creates=$!
	sleep 0.5
	bench_wrk mixed busy mixed 64 get
	wait "$creates" || bench_fail "the creates failed: $(cat "$tmp/creates")"
	# shellcheck disable=SC2046
	bench_record mixed creates $(cat "$tmp/creates")
}

bench_setup_two() {
	local first second
	bench_setup_write
	# shellcheck disable=SC2086
	bench_start_accountd accountd-one "sqlite:$tmp/users.sqlite" $cheap
	first=$REPLY
	# shellcheck disable=SC2086
	bench_start_accountd accountd-two "sqlite:$tmp/users.sqlite" $cheap
	second=$REPLY
	bench_start_gatewayd one accountd-one "$first"
	bench_start_gatewayd both 'accountd-one accountd-two' "$first,$second"
	bench_fill "$(bench_url one)" "$users"
	bench_start_accountd accountd-hashone bench_write --hash-threads 1
	first=$REPLY
	bench_start_accountd accountd-hashtwo bench_write --hash-threads 1
	second=$REPLY
	bench_start_gatewayd hashone accountd-hashone "$first"
	bench_start_gatewayd hashboth 'accountd-hashone accountd-hashtwo' "$first,$second"
}

bench_run_two() {
	bench_wrk two one one 64 get
	bench_wrk two both both 64 get
	bench_load two hashone hashone --kind=create --connections=16
	bench_load two hashboth hashboth --kind=create --connections=16
}

# All that reports on the programs is on, and is read.
bench_setup_observed() {
	local sink admin_gatewayd admin_accountd
	bench_setup_read
	bench_free_port && sink=$REPLY
	bench_free_port && admin_gatewayd=$REPLY
	bench_free_port && admin_accountd=$REPLY
	bench_start sink "$tools/bench_sink" "$sink"
	bench_await bench_port_is_taken "$sink"
	bench_start_stack observed bench \
		"$cheap --admin-listen 127.0.0.1:$admin_accountd --otlp-endpoint http://127.0.0.1:$sink/v1/traces" \
		"--admin-listen 127.0.0.1:$admin_gatewayd --otlp-endpoint http://127.0.0.1:$sink/v1/traces --access-log --log-level info"
	# shellcheck disable=SC2016
	bench_start scraper bash -c 'while :; do
		curl --silent --fail --noproxy "*" -o /dev/null -o /dev/null \
			"http://127.0.0.1:$0/metrics" "http://127.0.0.1:$1/metrics"
		sleep 1
	done' "$admin_gatewayd" "$admin_accountd"
}

bench_run_observed() {
	bench_wrk observed plain read 64 get
	bench_wrk observed all observed 64 get
	: >"$tmp/gatewayd-observed.log"
}

# Both sides have a database of their own: a migration may stand between them.
bench_setup_before() {
	local side mine=$bin
	for side in now before; do
		[ "$side" = now ] || bin=$before
		bench_say "loading $users users for what is measured as $side"
		bench_start_stack "$side" "bench_$side" "$cheap" ''
		bench_start_stack "$side-naive" "bench_$side" "$cheap --coalesce-max 1" '--batch-max-calls 1'
		bench_fill "$(bench_url "$side")" "$users"
		bench_tokens "$side"
	done
	bin=$mine
}

bench_run_before() {
	local side sides=(now before)
	[ $((run % 2)) -eq 1 ] || sides=(before now)
	for side in "${sides[@]}"; do bench_wrk "$side" get "$side" 64 get; done
	for side in "${sides[@]}"; do bench_wrk "$side" naive "$side-naive" 64 get; done
	for side in "${sides[@]}"; do bench_load "$side" single "$side" --kind=get --connections=1; done
	for side in "${sides[@]}"; do bench_wrk "$side" list "$side" 64 list "$tmp/tokens-$side"; done
	for side in "${sides[@]}"; do bench_wrk "$side" create "$side" 64 create; done
	for side in "${sides[@]}"; do bench_wrk "$side" bulk "$side" 64 bulk; done
}

bench_setup_profile() {
	command -v perf >/dev/null || bench_fail 'profile needs perf; on Debian 12: apt-get install linux-perf'
	bench_setup_read
}

# Says where the CPU time of GET one goes: the shares that perf sees, of the time
# that was measured without perf, which takes time itself.
bench_run_profile() {
	local accountd=${pids[accountd-read]} gatewayd=${gateways[read]} perf
	bench_wrk profile one read 64 get
	perf record -F 999 -g -o "$tmp/perf.data" -p "$gatewayd,$accountd,${pids[mariadbd]}" \
		>"$tmp/perf.log" 2>&1 &
	perf=$!
	bench_wrk profile sampled read 64 get
	kill -INT "$perf"
	wait "$perf" || true
	perf script -i "$tmp/perf.data" -F comm,pid,ip,sym 2>/dev/null |
		awk -v gatewayd="$gatewayd" -v accountd="$accountd" \
			-v cpu_us="$(bench_last profile one cpu_us)" -f "$here/profile.awk"
}
