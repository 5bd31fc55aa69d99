#!/bin/sh
# Stand-ins for the base images that the examples use, where Docker Hub cannot
# be reached: Debian from the distribution's packages, Go from this machine's
# toolchain, both with this machine's CA certificates. They go into the
# embedded registry, which is BuildKit's mirror for docker.io.
#
#   scripts/mirror.sh wanted   exit 0 when stand-ins are to be used
#   scripts/mirror.sh seed     make and import them; the second time is instant
#
# PAAS_MIRROR=1 uses them even where Docker Hub answers, PAAS_MIRROR=0 never.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

tars=$PAAS_DATA/mirror
registry=${PAAS_REGISTRY:-127.0.0.1:5500}
bundle=/etc/ssl/certs/ca-certificates.crt

hub_answers() {
	code=$(curl -sS -m 3 -o /dev/null -w '%{http_code}' https://registry-1.docker.io/v2/ 2>/dev/null) || return 1
	[ "$code" = 200 ] || [ "$code" = 401 ]
}

# decided: remembered in the data directory, so that a restart of paas means
# the same images as before.
wanted() {
	case ${PAAS_MIRROR:-} in
	1) return 0 ;;
	0) return 1 ;;
	esac
	[ -e "$tars/wanted" ] && return 0
	! hub_answers
}

# bases: the official images that the examples' Dockerfiles begin with.
bases() {
	sed -n 's/^FROM  *\([a-z]*:[^ ]*\).*/\1/p' examples/*/Dockerfile Dockerfile | sort -u
}

imported() {
	bin/paas mirror:list --registry "$registry" --auth-file "$PAAS_DATA/registry/auth.json" 2>/dev/null |
		awk '{print $1}' | grep -qE "(^|/)$1\$"
}

import() {
	bin/paas mirror:import "$@" --registry "$registry" --auth-file "$PAAS_DATA/registry/auth.json"
}

# apt_mirror: where this machine gets Debian from; nothing on other
# distributions, and mmdebstrap then takes its default.
apt_mirror() {
	# shellcheck disable=SC1091
	[ "$(. /etc/os-release && echo "$ID")" = debian ] || return 0
	cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
		awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) {print $i; exit}}'
}

make_debian() { # suite tar
	# As the official slim image: apt is there, what nobody reads in a container is not.
	# shellcheck disable=SC2046 # no argument when there is no mirror to name
	mmdebstrap --quiet --variant=minbase --components=main --include=ca-certificates \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-include=/usr/share/doc/*/copyright' \
		"$1" "$2.part.tar" $(apt_mirror) || return 1
	if [ -s "$bundle" ]; then
		# Replaced, not added: an engine refuses a layer that names a file twice.
		tar --delete -f "$2.part.tar" ./etc/ssl/certs/ca-certificates.crt 2>/dev/null || true
		tar -rf "$2.part.tar" --owner=0 --group=0 --transform 's,^,./etc/ssl/certs/,' -C "${bundle%/*}" -h "${bundle##*/}"
	fi
	mv "$2.part.tar" "$2"
}

make_golang() { # debian-tar tar
	goroot=$(go env GOROOT)
	cp "$1" "$2.part.tar"
	tar -rf "$2.part.tar" --owner=0 --group=0 --transform 's,^\.,./usr/local/go,' \
		--exclude=./test --exclude=./api --exclude=./doc --exclude=./.git -C "$goroot" .
	mv "$2.part.tar" "$2"
}

# suite: bookworm of debian:bookworm-slim, and of debian:12.
suite() {
	suite_name=${1#debian:}
	suite_name=${suite_name%-slim}
	case $suite_name in
	12*) suite_name=bookworm ;;
	13*) suite_name=trixie ;;
	latest | stable) suite_name=stable ;;
	esac
	echo "$suite_name"
}

seed_debian() { # ref
	suite=$(suite "$1")
	tar=$tars/debian-$suite-2.tar
	[ -s "$tar" ] || step "Making a stand-in of $1 from the distribution's packages" make_debian "$suite" "$tar"
	imported "$1" || step "Storing $1 in the registry" import "$1" "$tar" --cmd bash \
		--env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
}

seed_golang() { # ref
	debian=$tars/debian-bookworm-2.tar
	tar=$tars/golang-$(go env GOVERSION)-2.tar
	if [ ! -s "$tar" ]; then
		[ -s "$debian" ] || step "Making a Debian from the distribution's packages" make_debian bookworm "$debian"
		step "Making a stand-in of $1 from this machine's $(go env GOVERSION)" make_golang "$debian" "$tar"
	fi
	imported "$1" && return
	# The machine's own settings of where modules come from hold in builds too.
	set -- "$1" "$tar" --workdir /go --cmd bash --env GOPATH=/go --env GOTOOLCHAIN=local --env CGO_ENABLED=0 \
		--env PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	for key in GOPROXY GOFLAGS GONOSUMDB GOSUMDB; do
		value=$(cd / && go env "$key")
		[ -z "$value" ] || set -- "$@" --env "$key=$value"
	done
	step "Storing $1 in the registry" import "$@"
}

seed() {
	mkdir -p "$tars"
	touch "$tars/wanted"
	for ref in $(bases); do
		case $ref in
		debian:*) seed_debian "$ref" ;;
		golang:*) seed_golang "$ref" ;;
		*) say "       no stand-in for $ref: builds that need it fail without Docker Hub" ;;
		esac
	done
}

case ${1:-} in
wanted) wanted ;;
seed) scripts/deps.sh mirror && seed ;;
*) die "mirror: say what to do" "scripts/mirror.sh wanted|seed" ;;
esac
