#!/bin/sh
# Stops what make up started, and nothing else: paas with its children, the
# containers and networks of its cluster, and dockerd if make up started it
# and no container of others runs in it. All data stays; make up goes on.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

pidfile=$PAAS_DATA/paas.pid

stop_paas() {
	pid=$(cat "$pidfile")
	kill -TERM "$pid"
	wait_gone "$pid" 60 || {
		echo "paas ($pid) did not stop within 60 s of SIGTERM"
		return 1
	}
	rm -f "$pidfile"
}

if alive "$pidfile" paas; then
	step "Stopping paas" stop_paas
elif healthy; then
	say "A paas that make up did not start runs on $PAAS_DATA; it is left alone."
	exit 0
else
	rm -f "$pidfile"
fi

engine() { docker -H "unix://$DOCKER_SOCK" "$@"; }

remove_cluster() {
	ids=$(engine ps -aq --filter "label=$label")
	# shellcheck disable=SC2086 # a list of ids
	[ -z "$ids" ] || engine rm -f -v $ids
	nets=$(engine network ls -q --filter "label=$label")
	# shellcheck disable=SC2086
	[ -z "$nets" ] || engine network rm $nets
}

if docker_answers && [ -s "$PAAS_DATA/cluster-id" ]; then
	label=paas.cluster=$(cat "$PAAS_DATA/cluster-id")
	if [ -n "$(engine ps -aq --filter "label=$label")$(engine network ls -q --filter "label=$label")" ]; then
		step "Removing the apps' containers and networks" remove_cluster
	fi
fi

drop_firewall

stop_dockerd() {
	pid=$(cat "$DOCKERD_RUN/pid")
	kill -TERM "$pid"
	wait_gone "$pid" 60 || {
		echo "dockerd ($pid) did not stop within 60 s of SIGTERM"
		return 1
	}
	rm -rf "$DOCKERD_RUN"
}

if alive "$DOCKERD_RUN/pid" dockerd; then
	if docker_answers && [ -n "$(engine ps -q)" ]; then
		say "Containers that are not ours run in the dockerd that make up started; it is left running:"
		engine ps --format '    {{.Names}} ({{.Image}})'
	else
		step "Stopping dockerd" stop_dockerd
	fi
fi
say "Down. The data stays in $PAAS_DATA: make up goes on with it, make clean-data removes it."
