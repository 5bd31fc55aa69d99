# shellcheck shell=sh disable=SC2034 # the variables are for those who source it
# What the scripts share. Sourced, not run; the sourcing script has cd'ed to
# the repository's root.

PAAS_DATA=${PAAS_DATA:-/var/lib/paas}
DOCKER_SOCK=${PAAS_DOCKER_SOCK:-/var/run/docker.sock}
# Where the dockerd that we start keeps its pid and log; not below PAAS_DATA,
# which may be removed while it runs.
DOCKERD_RUN=/var/lib/paas-dockerd
PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin
export PATH

say() { printf '%s\n' "$*"; }

# die STEP-AND-CAUSE [NEXT]: what failed, and the command to go on with.
die() {
	printf ' !     %s\n' "$1" >&2
	if [ $# -gt 1 ]; then printf ' !     Next: %s\n' "$2" >&2; fi
	exit 1
}

now() { date +%s%N | cut -c1-13; }

# step TEXT COMMAND…: says what begins, and how long it took at its end. What
# the command prints goes to a log that is shown when it fails.
step() {
	step_text=$1
	shift
	printf -- '-----> %s\n' "$step_text"
	step_begin=$(now)
	step_log=$(mktemp)
	if "$@" >"$step_log" 2>&1 </dev/null; then
		rm -f "$step_log"
	else
		step_rc=$?
		sed 's/^/       /' "$step_log" | tail -40 >&2
		rm -f "$step_log"
		die "$step_text: failed with status $step_rc after $(elapsed "$step_begin") s"
	fi
	printf '       done in %s s\n' "$(elapsed "$step_begin")"
}

# elapsed BEGIN: seconds since, with a tenth.
elapsed() {
	elapsed_ms=$(($(now) - $1))
	printf '%d.%d' $((elapsed_ms / 1000)) $((elapsed_ms % 1000 / 100))
}

# docker_answers: the engine answers on its socket.
docker_answers() {
	[ -S "$DOCKER_SOCK" ] && curl -fsS -m 5 -o /dev/null --unix-socket "$DOCKER_SOCK" http://docker/_ping 2>/dev/null
}

# alive PIDFILE NAME: the process in the file lives and is a NAME; a number
# that was given to another process meanwhile is not it.
alive() {
	[ -s "$1" ] || return 1
	alive_pid=$(cat "$1")
	[ "$(cat "/proc/$alive_pid/comm" 2>/dev/null)" = "$2" ]
}

# wait_gone PID SECONDS: until the process has ended; fails when it has not.
wait_gone() {
	wait_tries=$(($2 * 10))
	while kill -0 "$1" 2>/dev/null && [ "$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null)" != Z ]; do
		wait_tries=$((wait_tries - 1))
		[ "$wait_tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# drop_firewall: removes the firewall rules of clusters that have no network on
# this machine any more. paas itself does so at its next start.
drop_firewall() {
	for tool in iptables ip6tables; do
		command -v "$tool" >/dev/null || continue
		for table in filter nat raw; do
			"$tool" -w 5 -t "$table" -S 2>/dev/null | sed -n 's/^-N \(PAAS-[a-z2-7]\{4\}-[A-Z]*\)$/\1/p' | while read -r chain; do
				tag=${chain#PAAS-}
				[ -z "$(find /sys/class/net -maxdepth 1 -name "paas${tag%-*}*")" ] || continue
				"$tool" -w 5 -t "$table" -S | sed -n "s/^-A \(.* -j $chain\)$/\1/p" | while read -r rule; do
					# shellcheck disable=SC2086 # a rule is many words
					"$tool" -w 5 -t "$table" -D $rule
				done
				"$tool" -w 5 -t "$table" -F "$chain"
				"$tool" -w 5 -t "$table" -X "$chain"
			done
		done
	done
}

# healthy: a paas answers on the data directory.
healthy() {
	[ -S "$PAAS_DATA/run/paas.sock" ] &&
		curl -fsS -m 5 -o /dev/null --unix-socket "$PAAS_DATA/run/paas.sock" http://paas/healthz 2>/dev/null
}
