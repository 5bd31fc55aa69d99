#!/bin/sh
# Removes the data directory of a paas that is down, every app, release, image
# and key of it, and what the engine pulled from its registry. Refuses while
# something runs.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

if healthy || alive "$PAAS_DATA/paas.pid" paas; then
	die "clean-data: paas runs on $PAAS_DATA; nothing was removed" "make down"
fi
[ -d "$PAAS_DATA" ] || exit 0
# Only a directory that standalone made, whatever PAAS_DATA says.
if [ ! -e "$PAAS_DATA/cluster-id" ] && [ ! -e "$PAAS_DATA/mirror/wanted" ] && [ ! -e "$PAAS_DATA/paas.log" ]; then
	die "clean-data: $PAAS_DATA is no data directory of paas; nothing was removed" "PAAS_DATA=… make clean-data"
fi
if grep -q " $PAAS_DATA/" /proc/mounts; then
	die "clean-data: something is mounted below $PAAS_DATA; nothing was removed" "grep $PAAS_DATA /proc/mounts"
fi
rm -rf -- "$PAAS_DATA"
if docker_answers; then
	images=$(docker -H "unix://$DOCKER_SOCK" image ls -q --no-trunc --filter "reference=${PAAS_REGISTRY:-127.0.0.1:5500}/*" | sort -u)
	# shellcheck disable=SC2086 # a list of ids
	[ -z "$images" ] || docker -H "unix://$DOCKER_SOCK" image rm -f $images >/dev/null
fi
say "Removed $PAAS_DATA."
