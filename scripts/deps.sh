#!/bin/sh
# Installs what is missing to run paas, from the distribution's packages, and
# starts dockerd where no init system does. Run again it finds all there.
#
#   scripts/deps.sh [test] [lint] [mirror]
#
# test: a C compiler for the race detector, a browser and npm.
# lint: shellcheck. mirror: what makes the stand-ins of base images.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

packages=
need() { packages="$packages $1"; }
has() { command -v "$1" >/dev/null 2>&1; }

has dockerd || need docker.io
# Newer distributions keep the client in a package of its own.
if ! has docker; then
	if apt-cache show docker-cli >/dev/null 2>&1; then need docker-cli; else need docker.io; fi
fi
has runc || need runc
has git || need git
has ssh || need openssh-client
has iptables || need iptables
# Build steps get a network of their own with these, apart from the host's loopback.
[ -x /usr/lib/cni/bridge ] || need containernetworking-plugins
has curl || need curl
has tar || need tar
has ps || need procps
[ -s /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need postgresql
for want in "$@"; do
	case $want in
	test)
		has gcc || need "gcc libc6-dev"
		has chromium || need "chromium fonts-dejavu-core"
		has npm || need npm
		;;
	lint) has shellcheck || need shellcheck ;;
	mirror)
		has mmdebstrap || need mmdebstrap
		[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || need debian-archive-keyring
		;;
	*) die "deps: no such set of packages: $want" "scripts/deps.sh [test] [lint] [mirror]" ;;
	esac
done

# Without systemd a package's own script would start its service in a way that
# nothing stops again; we start dockerd ourselves.
with_systemd() { [ -d /run/systemd/system ]; }
no_autostart() {
	if with_systemd || [ -e /usr/sbin/policy-rc.d ]; then return; fi
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

apt_install() {
	export DEBIAN_FRONTEND=noninteractive
	# One unreachable third-party source must not stop the rest.
	apt-get -q -o DPkg::Lock::Timeout=120 update || echo "apt-get update had errors; going on"
	# shellcheck disable=SC2086 # a list of package names
	apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confold \
		install --no-install-recommends $packages
}

if [ -n "$packages" ]; then
	[ "$(id -u)" = 0 ] || die "deps: these packages are missing and only root can install them:$packages" "sudo make up"
	has apt-get || die "deps: this is no Debian or Ubuntu; install by hand:$packages" "make up"
	# paas runs a private cluster; the package's own would only take a port.
	case $packages in *postgresql*)
		mkdir -p /etc/postgresql-common/createcluster.d
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/paas.conf
		;;
	esac
	no_autostart
	step "Installing$packages" apt_install
fi

# dockerd needs the cgroup controllers; an init system would have mounted them.
mount_cgroups() {
	[ -e /sys/fs/cgroup/cgroup.controllers ] && return
	grep -q ' /sys/fs/cgroup/memory cgroup ' /proc/mounts && return
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
}

start_dockerd() {
	mkdir -p "$DOCKERD_RUN"
	mount_cgroups
	setsid dockerd --host "unix://$DOCKER_SOCK" --log-level warn \
		>>"$DOCKERD_RUN/log" 2>&1 </dev/null &
	echo $! >"$DOCKERD_RUN/pid"
	tries=300
	until docker_answers; do
		tries=$((tries - 1))
		if [ $tries -le 0 ] || ! kill -0 "$(cat "$DOCKERD_RUN/pid")" 2>/dev/null; then
			tail -15 "$DOCKERD_RUN/log"
			return 1
		fi
		sleep 0.1
	done
}

if ! docker_answers; then
	[ "$(id -u)" = 0 ] || die "deps: no Docker Engine answers at $DOCKER_SOCK, and only root can start it" "sudo make up"
	if with_systemd; then
		step "Starting Docker by systemd" systemctl start docker
	else
		step "Starting dockerd (log: $DOCKERD_RUN/log)" start_dockerd
	fi
	docker_answers || die "deps: the Docker Engine does not answer at $DOCKER_SOCK" "docker info"
fi
