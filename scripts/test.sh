#!/bin/sh
# All tests with the real parts, under the race detector and in random order,
# and a look afterwards whether they left anything behind.
#
#   scripts/test.sh [arguments of go test; default ./...]
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

[ $# -gt 0 ] || set -- ./...
begin=$(now)
# Short: the path of a unix socket may have 108 bytes.
dir=$(mktemp -d /tmp/pt.XXXXXX)
scripts/leftovers.sh snapshot "$dir"
rc=0
TMPDIR=$dir/tmp go test -race -shuffle=on -timeout 60m "$@" || rc=$?
drop_firewall # of the platforms that the tests removed
scripts/leftovers.sh check "$dir" || rc=1
rm -rf "$dir"
say "go test ended with status $rc after $(elapsed "$begin") s"
exit $rc
