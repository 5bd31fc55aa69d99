#!/bin/sh
# Proves that a run left nothing behind.
#
#   scripts/leftovers.sh snapshot DIR   notes what there is
#   scripts/leftovers.sh check DIR      fails and lists what there is more
#
# Compared are containers, networks, volumes and images of the Docker Engine,
# processes of the kinds that paas starts, mounts, network namespaces, firewall
# rules, and what the tests' machines are made of.
# DIR/tmp is for the run to use as TMPDIR and must be empty at the end.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

engine() { docker -H "unix://$DOCKER_SOCK" "$@"; }

containers() { engine ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.Image}} {{.Status}}' | sed 's/ Up .*/ Up/'; }
networks() { engine network ls --no-trunc --format '{{.ID}} {{.Name}}'; }
volumes() { engine volume ls -q; }
images() { engine image ls --no-trunc --digests --format '{{.ID}} {{.Repository}}:{{.Tag}} {{.Digest}}'; }
# One line a process: pid, its start (a pid alone may be used again), command.
processes() {
	ps -eo pid=,lstart=,comm=,args= |
		awk '$7 ~ /^(paas|postgres|initdb|buildkitd|dockerd|runc|containerd-shim.*|git.*|ssh|.*\.test)$/ || $7 ~ /^chrom/ && /paas-e2e-/'
}
mounts() { awk '{print $2, $3}' /proc/mounts; }
firewall() {
	for table in filter nat raw; do
		iptables -w 5 -t "$table" -S 2>/dev/null | grep PAAS- || true
	done
	ip6tables -w 5 -S 2>/dev/null | grep PAAS- || true
}
cgroups() { find /sys/fs/cgroup -maxdepth 2 -name 'lab*' 2>/dev/null; }
links() { find /sys/class/net -maxdepth 1 -name 'lab*'; }
namespaces() { ls /run/netns 2>/dev/null || true; }

all() {
	for kind in containers networks volumes images processes mounts namespaces firewall cgroups links; do
		$kind | LC_ALL=C sort >"$1/$kind"
	done
}

check() {
	after=$(mktemp -d)
	all "$after"
	found=0
	for kind in containers networks volumes images processes mounts namespaces firewall cgroups links; do
		LC_ALL=C comm -13 "$1/$kind" "$after/$kind" >"$after/new"
		if [ -s "$after/new" ]; then
			found=1
			say "left behind, $kind:"
			cut -c1-200 "$after/new" | sed 's/^/    /'
		fi
	done
	if [ -d "$1/tmp" ] && [ -n "$(ls -A "$1/tmp")" ]; then
		found=1
		say "left behind, files in TMPDIR:"
		find "$1/tmp" -mindepth 1 -maxdepth 2 | head -20 | sed 's/^/    /'
	fi
	rm -rf "$after"
	[ $found = 0 ] || die "the run left something behind (listed above)"
	say "Nothing left behind."
}

case ${1:-} in
snapshot)
	mkdir -p "$2"
	all "$2"
	mkdir -p "$2/tmp"
	# The private Postgres runs as another user and must get through.
	chmod 755 "$2" "$2/tmp"
	;;
check) check "$2" ;;
*) die "leftovers: say what to do" "scripts/leftovers.sh snapshot|check DIR" ;;
esac
