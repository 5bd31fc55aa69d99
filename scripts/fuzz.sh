#!/bin/sh
# Runs every FuzzXxx for FUZZTIME (10s), one after the other.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

time=${FUZZTIME:-10s}
count=0
# shellcheck disable=SC2013 # paths and names of ours have no blanks
for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | LC_ALL=C sort); do
	# shellcheck disable=SC2013
	for name in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		say "-----> $name in ${file%/*}, $time"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "${file%/*}"
		count=$((count + 1))
	done
done
say "$count fuzz targets ran without a finding."
