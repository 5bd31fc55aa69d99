#!/bin/sh
# Another Docker Engine than the machine's: builds dockerd from its source, as the
# Go proxy has it, and runs with it the tests of what drives an engine, next to
# the machine's own. containerd and runc are the machine's.
#
#   scripts/test-engine.sh [VERSION [TESTS]]
#
# VERSION: 28.5.2 when not given. TESTS: of cmd/paas/faults, as for go test -run;
# only these then, on machines that each have this engine. The built engine stays
# in bin/engine-VERSION and can be put at the front of PATH for make bench-hosts.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

version=${1:-28.5.2}
bin=$PWD/bin/engine-$version
[ "$(id -u)" = 0 ] || die "test-engine: an engine needs root" "sudo scripts/test-engine.sh $version"

build() {
	module=github.com/docker/docker@v$version+incompatible
	dir=$(mktemp -d /tmp/engine.XXXXXX)
	trap 'rm -rf "$dir"' EXIT
	# As a module of its own, with the versions that its authors vendor.
	source=$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	cp -r "$source" "$dir/src"
	chmod -R u+w "$dir/src"
	rm -rf "$dir/src/vendor"
	mv "$dir/src/vendor.mod" "$dir/src/go.mod"
	mv "$dir/src/vendor.sum" "$dir/src/go.sum"
	flags="-X github.com/docker/docker/dockerversion.Version=$version"
	(cd "$dir/src" && GOWORK=off GOFLAGS=-mod=mod go build -tags exclude_graphdriver_btrfs -ldflags "$flags" -o "$dir/bin/" ./cmd/dockerd ./cmd/docker-proxy)
	mkdir -p bin
	mv "$dir/bin" "$bin"
}
[ -x "$bin/dockerd" ] || step "Building Docker Engine $version from source (the first time takes minutes)" build
PATH=$bin:$PATH

if [ $# -ge 2 ]; then
	PAAS_FAULTS=1 go test -count=1 -v -timeout 30m -run "$2" ./cmd/paas/faults
	exit
fi

# Short: the path of a unix socket may have 108 bytes.
dir=$(mktemp -d /tmp/pt.XXXXXX)
trap 'rm -rf "$dir"' EXIT
export dir
# A network, processes and a /run of its own: all of it ends with the tests.
# shellcheck disable=SC2016 # expanded within
unshare --mount --net --pid --fork --kill-child --mount-proc sh -euc '
	mount -t tmpfs tmpfs /run
	mkdir /run/lock
	ip link set lo up
	dockerd --data-root "$dir/docker" --log-level warn --cgroup-parent /paas-test-engine >"$dir/log" 2>&1 &
	tries=300
	until docker version >"$dir/version" 2>&1; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { cat "$dir/log"; exit 1; }
		sleep 0.2
	done
	docker version --format "Docker Engine {{.Server.Version}}, API {{.Server.APIVersion}}"
	TMPDIR=$dir go test -count=1 -timeout 20m ./scheduler/agent/docker'
