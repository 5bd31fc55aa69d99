#!/bin/sh
# Brings axe-core, which looks at the dashboard's pages for what some people
# cannot see or reach, by the lock file of web/npm. Only tests use it.
#
#   scripts/axe.sh FILE
#
# FILE is where it goes; it is written anew when the lock file is newer.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

to=${1:?scripts/axe.sh FILE}
if [ -s "$to" ] && [ -z "$(find web/npm/package-lock.json -newer "$to")" ]; then exit 0; fi
has_npm() { command -v npm >/dev/null 2>&1; }
has_npm || die "axe: there is no npm to bring axe-core with" "scripts/deps.sh test"

bring() {
	cp web/npm/package.json web/npm/package-lock.json "$dir"
	(cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund)
	mkdir -p "$(dirname "$to")"
	cp "$dir/node_modules/axe-core/axe.min.js" "$dir/axe"
	chmod 644 "$dir/axe"
	touch "$dir/axe"
	mv "$dir/axe" "$to"
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
step "Bringing axe-core from npm (web/npm/package-lock.json)" bring
