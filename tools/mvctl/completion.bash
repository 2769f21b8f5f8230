# bash completion for mvctl: commands, flags, and the names that the endpoint
# knows, of which it is asked. Load it with: source completion.bash
# shellcheck shell=bash

# The flags of the line so far that say how to reach the endpoint. bash breaks
# words at colons too, so they are read off the line, where blanks part them.
_mvctl_connection() {
	local words word
	read -ra words <<<"$1"
	for ((word = 1; word < ${#words[@]}; word++)); do
		case ${words[word]} in
		-e | --endpoint) printf '%s\n' --endpoint "${words[word + 1]-}" ;;
		--tls-ca | --tls-cert | --tls-key | --tls-name) printf '%s\n' "${words[word]}" "${words[word + 1]-}" ;;
		-e?* | --endpoint=* | --tls-*=*) printf '%s\n' "${words[word]}" ;;
		esac
	done
}

# The command of the line so far, or -, and how many words follow it.
_mvctl_command() {
	local words word command='' count=0
	read -ra words <<<"$1"
	for ((word = 1; word < ${#words[@]}; word++)); do
		case ${words[word]} in
		--tls-*=*) ;;
		-e | --endpoint | -t | --timeout | -m | --metadata | --in-flight | --tls-*) word=$((word + 1)) ;;
		-?*) ;;
		*)
			[ -z "$command" ] || count=$((count + 1))
			command=${command:-${words[word]}}
			;;
		esac
	done
	echo "${command:--} $count"
}

# The names of a kind (service, method; with none of any) that the endpoint knows.
_mvctl_names() {
	local connection
	mapfile -t connection < <(_mvctl_connection "$2")
	"${COMP_WORDS[0]}" "${connection[@]}" --timeout 1s list --all 2>/dev/null </dev/null |
		sed -n "s/^${1:-[a-z]*} //p"
}

_mvctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]-}
	local line=${COMP_LINE:0:COMP_POINT} before command count candidates=''
	before=${line%"$current"}
	read -r command count < <(_mvctl_command "$before")
	COMPREPLY=()
	[[ $before == *[[:blank:]] ]] || return # within a word, behind its colon
	case $previous in
	--tls-ca | --tls-cert | --tls-key)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	-e | --endpoint | -t | --timeout | -m | --metadata | --in-flight | --tls-name) return ;;
	esac
	case $current in
	-*)
		candidates='--endpoint --timeout --metadata --batch --in-flight --compact --all --help --version'
		candidates+=' --tls-ca --tls-cert --tls-key --tls-name'
		;;
	@*)
		mapfile -t COMPREPLY < <(compgen -P @ -f -- "${current#@}")
		return
		;;
	*)
		case $command:$count in
		-:*) candidates='list describe call health' ;;
		list:0 | health:0) candidates=$(_mvctl_names service "$before") ;;
		describe:0) candidates=$(_mvctl_names '' "$before") ;;
		call:0) candidates=$(_mvctl_names method "$before") ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$current")
}

complete -F _mvctl mvctl
