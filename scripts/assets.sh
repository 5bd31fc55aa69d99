#!/bin/sh
# Brings the files of npm packages that the dashboard embeds, by their lock
# file, into web/static/vendor, where git does not look. No script of a package
# is run. Without npm, or without a way to its registry, it says so and goes
# on: paas is built less the terminal of the dashboard.
#
#   scripts/assets.sh [STAMP]
#
# STAMP is a file that is written when something was brought; as long as it
# fits the lock file and the files are there, nothing is done.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

stamp=${1:-bin/.assets}
to=web/static/vendor
sum=$(cat web/npm/package-lock.json scripts/assets.sh | cksum)

# bring PACKAGE FILE NAME: one file of a package, under the name it gets here.
bring() { cp "$dir/node_modules/$1/$2" "$dir/vendor/$3"; }

bring_all() {
	cp web/npm/package.json web/npm/package-lock.json "$dir"
	(cd "$dir" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund)
	mkdir "$dir/vendor"
	bring @xterm/xterm lib/xterm.mjs xterm.js
	bring @xterm/xterm css/xterm.css xterm.css
	bring @xterm/xterm LICENSE xterm.LICENSE.txt
	bring @xterm/addon-fit lib/addon-fit.mjs addon-fit.js
	bring @xterm/addon-fit LICENSE addon-fit.LICENSE.txt
	chmod 644 "$dir"/vendor/*
	rm -rf "$to"
	mkdir -p "$(dirname "$to")"
	cp -R "$dir/vendor" "$to"
}

mkdir -p "$(dirname "$stamp")"
if [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && [ -s $to/xterm.js ] && [ -s $to/xterm.css ] && [ -s $to/addon-fit.js ]; then
	exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
	say "-----> No npm here: the dashboard will have no terminal (install npm and run this again)"
	[ -e "$stamp" ] || : >"$stamp"
	exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if (step "Bringing the dashboard's terminal from npm (web/npm/package-lock.json)" bring_all); then
	printf '%s\n' "$sum" >"$stamp"
	exit 0
fi
say "       The dashboard goes without its terminal, or with the one it has; the next make tries again."
[ -e "$stamp" ] || : >"$stamp"
