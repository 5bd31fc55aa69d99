#!/bin/sh
# A working paas with a sample app deployed by a real git push. Everything
# needed is installed, built and started; what is there already is left as it
# is. The Makefile has built bin/paas and bin/buildkitd before.
#
# Settings, from the environment: PAAS_DATA /var/lib/paas · PAAS_DOMAIN localhost ·
# PAAS_HTTP :8080 · PAAS_SSH :2222 · PAAS_API 127.0.0.1:8081 ·
# PAAS_REGISTRY 127.0.0.1:5500 · PAAS_SUBNETS 10.210.0.0/16 ·
# PAAS_BUILD_SUBNET 10.254.240.0/22 · PAAS_MIRROR (see mirror.sh)
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

domain=${PAAS_DOMAIN:-localhost}
http=${PAAS_HTTP:-:8080}
ssh=${PAAS_SSH:-:2222}
api=${PAAS_API:-127.0.0.1:8081}
registry=${PAAS_REGISTRY:-127.0.0.1:5500}
sock=$PAAS_DATA/run/paas.sock
log=$PAAS_DATA/paas.log
pidfile=$PAAS_DATA/paas.pid
sample=$PAAS_DATA/sample
app=hello
url=http://$app.$domain:${http##*:}
begin=$(now)
doctor=
[ "$PAAS_DATA" = /var/lib/paas ] || doctor=" --data-dir $PAAS_DATA"

# yours: the sample's newest commit is not ours, so it stays as you made it.
yours() {
	subject=$(git -C "$sample/$app" log -1 --format=%s 2>/dev/null) || return 1
	case $subject in "Sample "*) return 1 ;; esac
}

# version: what the app is to answer with: that of your commit, or the
# sample's own and a sum of its files, so that a changed sample is another.
version() {
	if yours; then
		git -C "$sample/$app" show HEAD:VERSION
		return
	fi
	sum=$(find examples/hello -type f ! -name README.md | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-8)
	printf '%s+%s\n' "$(cat examples/hello/VERSION)" "$sum"
}
version=$(version)

answer() { curl -sS -m 10 -H "Host: $app.$domain" "http://127.0.0.1:${http##*:}/" 2>&1; }
serves() { answer | grep -qF "version $version"; }
up_to_date() { [ "$(curl -sS -m 10 -o /dev/null -w '%{http_code}' -H "Host: $app.$domain" "http://127.0.0.1:${http##*:}/")" = 200 ]; }

wait_healthy() {
	tries=600
	until healthy; do
		tries=$((tries - 1))
		# By number alone: for a moment it is not yet the program it will be.
		kill -0 "$(cat "$pidfile")" 2>/dev/null || { echo "it has ended"; return 1; }
		[ $tries -gt 0 ] || { echo "not healthy after 60 s"; return 1; }
		sleep 0.1
	done
}

start_paas() {
	mkdir -p "$PAAS_DATA"
	set -- --data-dir "$PAAS_DATA" --domain "$domain" --http "$http" --ssh "$ssh" --api "$api" \
		--registry "$registry" --docker "$DOCKER_SOCK" --buildkitd "$PWD/bin/buildkitd"
	[ -z "${PAAS_SUBNETS:-}" ] || set -- "$@" --subnets "$PAAS_SUBNETS"
	[ -z "${PAAS_BUILD_SUBNET:-}" ] || set -- "$@" --build-subnet "$PAAS_BUILD_SUBNET"
	[ -z "${PAAS_LOG_LEVEL:-}" ] || set -- "$@" --log-level "$PAAS_LOG_LEVEL"
	if [ -e "$PAAS_DATA/mirror/wanted" ]; then set -- "$@" --mirror; fi
	setsid "$PWD/bin/paas" standalone "$@" >>"$log" 2>&1 </dev/null &
	echo $! >"$pidfile"
	wait_healthy || {
		tail -20 "$log"
		kill -TERM "$(cat "$pidfile")" 2>/dev/null || true
		rm -f "$pidfile"
		return 1
	}
}

# sample_key: the caller's own key, or one made for the sample.
sample_key() {
	for name in id_ed25519 id_ecdsa id_rsa; do
		if [ -s "${HOME:-/root}/.ssh/$name.pub" ] && [ -s "${HOME:-/root}/.ssh/$name" ]; then
			echo "${HOME:-/root}/.ssh/$name"
			return
		fi
	done
	if [ ! -s "$sample/id_ed25519" ]; then
		ssh-keygen -q -t ed25519 -N '' -C "sample@paas" -f "$sample/id_ed25519" >&2
	fi
	echo "$sample/id_ed25519"
}

# A key that another account has (the e-mail was changed) logs in as that one.
register_key() {
	bin/paas accounts:create "$email" --key "$key.pub" --admin --socket "$sock" || echo "going on with the account the key belongs to"
	bin/paas login "$domain:${ssh##*:}" -i "$key" -o StrictHostKeyChecking=accept-new \
		-o "UserKnownHostsFile=$sample/known_hosts" -o IdentitiesOnly=yes
}

create_app() {
	bin/paas apps:info --app "$app" --json >/dev/null 2>&1 || bin/paas apps:create "$app"
}

# commit_sample: a repository of its own with what examples/hello holds now.
commit_sample() {
	repo=$sample/$app
	if [ ! -d "$repo/.git" ]; then
		mkdir -p "$repo"
		git -C "$repo" init -q -b main
	fi
	git -C "$repo" config user.name >/dev/null || git -C "$repo" config user.name "paas sample"
	git -C "$repo" config user.email >/dev/null || git -C "$repo" config user.email "$email"
	# The sample knows the server's key by itself: your known_hosts stays as it is.
	git -C "$repo" config core.sshCommand \
		"ssh -i '$key' -o IdentitiesOnly=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile='$sample/known_hosts'"
	git -C "$repo" remote get-url paas >/dev/null 2>&1 || git -C "$repo" remote add paas "$remote"
	git -C "$repo" remote set-url paas "$remote"
	if yours; then return; fi
	cp -R examples/hello/. "$repo"
	printf '%s\n' "$version" >"$repo/VERSION"
	git -C "$repo" add -A
	git -C "$repo" diff --cached --quiet || git -C "$repo" commit -q -m "Sample $version"
}

# wait_serves CHECK: until the app answers as wanted.
wait_serves() {
	tries=150
	until "$1"; do
		tries=$((tries - 1))
		if [ $tries -le 0 ]; then
			answer | head -5
			return 1
		fi
		sleep 0.1
	done
}

next_steps() {
	say ""
	say "paas runs ($PAAS_DATA, log $log) and $app answers at $url"
	say "Try next:"
	say "    curl -H 'Host: $app.$domain' http://127.0.0.1:${http##*:}/"
	say "    cd $sample/$app && echo 2.0.0 > VERSION && git commit -am 'Second' && git push paas main"
	say "    bin/paas logs --tail -a $app          bin/paas config:set GREETING=hi -a $app"
	say "    bin/paas releases -a $app             bin/paas rollback -a $app"
	say "    bin/paas doctor$doctor                       make down"
	say "    bin/paas dashboard                    opens the dashboard, http://paas.$domain:${http##*:}/"
	say "Your own app, in its directory with a Dockerfile, committed:"
	say "    $PWD/bin/paas apps:create NAME && git push paas main"
	if [ "$key" = "$sample/id_ed25519" ]; then
		say "You had no SSH key; the sample has one of its own, which only its repository uses. For your own apps:"
		say "    ssh-keygen -t ed25519 && bin/paas keys:add"
	fi
}

mkdir -p "$sample"
key=$(sample_key)
email=$(git config user.email 2>/dev/null) || email=root@localhost
remote=ssh://paas@$domain:${ssh##*:}/$app.git

if healthy && docker_answers && { serves || { yours && up_to_date; }; }; then
	say "paas runs already and $app answers: nothing to do ($(elapsed "$begin") s)."
	if [ -n "$(find bin/paas -newer "$pidfile" 2>/dev/null)" ]; then
		say "bin/paas is newer than the running one: make down && make up takes it."
	fi
	next_steps
	exit 0
fi

scripts/deps.sh
if healthy; then
	say "-----> paas runs already on $PAAS_DATA"
else
	if scripts/mirror.sh wanted; then
		say "-----> Docker Hub is not used: base images get stand-ins in the embedded registry"
		mkdir -p "$PAAS_DATA/mirror"
		touch "$PAAS_DATA/mirror/wanted"
	fi
	step "Starting paas (log: $log)" start_paas
fi
if [ -e "$PAAS_DATA/mirror/wanted" ]; then scripts/mirror.sh seed; fi
step "Registering $key.pub as admin $email" register_key
step "Creating the app $app" create_app
commit_sample
say "-----> git push paas main, in $sample/$app"
before=$(git -C "$sample/$app" ls-remote paas refs/heads/main | cut -f1)
git -C "$sample/$app" push paas main || die "git push failed; what served before serves on" "bin/paas logs -a $app; tail $log"
if [ "$before" = "$(git -C "$sample/$app" rev-parse HEAD)" ]; then
	# Nothing was pushed: what runs may be a rollback of yours.
	step "Waiting for $app at $url" wait_serves up_to_date
else
	step "Waiting for version $version at $url" wait_serves serves
fi
say "Done in $(elapsed "$begin") s."
next_steps
