#!/bin/sh
# Everything that reads the code without running it. The tools come from
# tools/go.mod and are built by make.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

failed=0
# look TEXT COMMAND…: fails when the command does or prints.
look() {
	text=$1
	shift
	begin=$(now)
	if out=$("$@" 2>&1) && [ -z "$out" ]; then
		say "ok    $text ($(elapsed "$begin") s)"
	else
		failed=1
		say "fail  $text"
		printf '%s\n' "$out" | sed 's/^/      /'
	fi
}

# A shell between us and a program is one step from running what a user typed.
no_shell() {
	! grep -rnE --include='*.go' --exclude='*_test.go' \
		'exec\.Command(Context)?\([^)]*"(/bin/|/usr/bin/)?(sh|bash|dash|zsh)"' . | grep .
}
lint() { bin/golangci-lint run --output.text.print-issued-lines=false ./... | grep -v '^0 issues\.$' || true; }
compose() {
	if docker compose version >/dev/null 2>&1; then
		docker compose -f docker-compose.yml config --quiet
	else
		bin/composecheck docker-compose.yml
	fi
}

# Where its database cannot be reached there is nothing to compare with.
vulnerabilities() {
	code=$(curl -sS -m 5 -o /dev/null -w '%{http_code}' https://vuln.go.dev/index/modules.json 2>/dev/null) || code=none
	if [ "$code" != 200 ]; then
		say "skip  govulncheck (its database cannot be reached)"
		return
	fi
	begin=$(now)
	if out=$(bin/govulncheck ./... 2>&1); then
		say "ok    govulncheck ($(elapsed "$begin") s)"
	else
		failed=1
		say "fail  govulncheck"
		printf '%s\n' "$out" | sed 's/^/      /'
	fi
}

# shellcheck disable=SC2046 # file names of the repository have no blanks
look gofmt gofmt -l $(git ls-files --cached --others --exclude-standard '*.go')
look "go vet" go vet ./...
look "go mod verify" sh -c 'go mod verify | grep -v "^all modules verified$" || true'
look "no shell in the product" no_shell
look golangci-lint lint
look shellcheck shellcheck -x scripts/*.sh .ci/run
look docker-compose.yml compose
vulnerabilities
[ $failed = 0 ] || die "lint found something (listed above)" "make lint"
