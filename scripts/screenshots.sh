#!/bin/sh
# Takes the pictures of the dashboard's pages in docs/screenshots anew: starts
# a paas of its own, lets people work on it, and looks at every page in both
# themes with Chromium. What is not taken any more is removed.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

dir=docs/screenshots
begin=$(now)
# Short: the path of a unix socket may have 108 bytes.
tmp=$(mktemp -d /tmp/ps.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
mkdir "$tmp/tmp" "$tmp/new"
chmod 755 "$tmp/tmp"
say "-----> Taking the dashboard's pictures"
TMPDIR=$tmp/tmp go test -count=1 -timeout 20m -run '^TestScreenshots$' ./cmd/paas/e2e -screenshots "$tmp/new" ||
	die "screenshots: the pictures were not taken; those in $dir stay" "make screenshots"
rm -rf "$dir"
mkdir -p "$dir"
cp "$tmp"/new/* "$dir"
say "       $(find "$dir" -type f | wc -l) pictures, $(du -sk "$dir" | cut -f1) KB in $dir, in $(elapsed "$begin") s"
