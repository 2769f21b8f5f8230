# Where the CPU time of a request goes: perf script -F comm,pid,ip,sym | awk -f
# profile.awk -v gatewayd=PID -v accountd=PID -v cpu_us=TIME, the CPU time that a
# request takes of all three processes together. Each sample counts once.

function room() {
	if (pid == gatewayd)
		return comm ~ /^nng/ ? "gatewayd, NNG" : "gatewayd, HTTP and JSON"
	if (pid == accountd)
		return comm ~ /^nng/ ? "accountd, NNG" : "accountd, store"
	return "database"
}

function kind() {
	if (!kernel)
		return "own"
	if (stack ~ /sys_futex|do_futex/)
		return "wake"
	if (stack ~ /sys_(epoll|poll)|do_(sys_|e)poll/)
		return "poll"
	if (stack ~ /send|write|tcp_|inet_|recv|read/)
		return "net"
	return "rest"
}

function take() {
	if (comm != "") {
		count[room(), kind()]++
		sum[room()]++
		all[kind()]++
		total++
	}
	comm = stack = ""
	kernel = 0
}

function us(n) {
	return sprintf("%9.2f", total > 0 ? n / total * cpu_us : 0)
}

/^[^ \t]/ {
	take()
	comm = $1
	pid = $2
	next
}

/entry_SYSCALL|do_syscall|asm_/ { kernel = 1 }

{ stack = stack " " $2 }

END {
	take()
	split("net poll wake rest own", kinds, " ")
	n = split("gatewayd, HTTP and JSON|gatewayd, NNG|accountd, NNG|accountd, store|database", rooms, "|")
	printf "\n%-26s %9s %9s %9s %9s %9s %9s\n", "CPU us a request", "sum", "sockets", "polling", "threads", "kernel", "program"
	for (i = 1; i <= n; i++) {
		printf "%-26s %s", rooms[i], us(sum[rooms[i]])
		for (k = 1; k <= 5; k++)
			printf " %s", us(count[rooms[i], kinds[k]])
		print ""
	}
	printf "%-26s %s", "all", us(total)
	for (k = 1; k <= 5; k++)
		printf " %s", us(all[kinds[k]])
	printf "\n%d samples\n", total
}
