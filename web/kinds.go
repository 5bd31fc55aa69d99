package web

import "strings"

// kindGroup is a choice in the filter of a timeline.
type kindGroup struct {
	Name, Text string
	Kinds      []string // first words of kinds of event
}

func kindGroups() []kindGroup {
	return []kindGroup{
		{"deploys", "Deploys and releases", []string{"deploy", "build", "release"}},
		{"config", "Config", []string{"config"}},
		{"processes", "Processes and runs", []string{"formation", "instance", "instances", "run", "session", "cron"}},
		{"access", "Access", []string{"access", "invitation"}},
		{"app", "App, domains, drains", []string{"app", "settings", "maintenance", "domain", "drain"}},
		{"accounts", "Accounts and sign-ins", []string{"account", "key", "token", "passkey", "identity", "signin", "master-key"}},
	}
}

// phrases say kinds of event as "who did …"; the event's text comes after.
var phrases = map[string]string{
	"access.added": "gave access to", "access.updated": "changed the access of", "access.removed": "took access away from",
	"account.admin": "switched admin for", "account.created": "made an account", "account.removed": "removed the account",
	"app.created": "created", "app.destroyed": "destroyed", "app.locked": "locked the app", "app.renamed": "renamed",
	"app.transferred": "gave away, from", "app.unlocked": "unlocked the app",
	"build.started": "began to build", "build.succeeded": "built",
	"config.set": "changed config", "config.staged": "staged config", "config.unstaged": "unstaged config",
	"cron.invalid": "cannot run a cron job:", "cron.resumed": "resumed the cron job", "cron.skipped": "skipped a cron job:", "cron.suspended": "suspended the cron job",
	"deploy.cancelled": "cancelled the deploy", "deploy.failed": "failed to deploy:", "deploy.live": "finished", "deploy.queued": "queued", "deploy.superseded": "superseded",
	"domain.added": "added the domain", "domain.removed": "removed the domain",
	"drain.added": "added the drain", "drain.removed": "removed the drain",
	"formation.scaled": "scaled", "identity.linked": "linked an identity",
	"instance.complete": "saw the end of", "instance.crashed": "saw the crash of", "instance.down": "took down", "instance.lost": "lost", "instance.starting": "began to start",
	"instance.moved": "moved", "instance.stop": "stopped", "instance.stopping": "began to stop", "instance.up": "brought up", "instances.restart": "restarted",
	"invitation.accepted": "accepted the invitation of", "invitation.created": "invited", "invitation.revoked": "withdrew the invitation of",
	"key.added": "added the key", "key.removed": "removed the key", "maintenance.off": "ended maintenance", "maintenance.on": "began maintenance",
	"master-key.rotated": "rotated the master key:", "passkey.added": "added the passkey", "passkey.removed": "removed the passkey",
	"release.created": "released", "router.invited": "invited the router", "router.joined": "let join the router", "router.removed": "removed the router", "run.created": "ran", "run.stop": "stopped", "session.opened": "opened a session:", "settings.changed": "changed limits:",
	"signin": "signed in", "signin.link": "asked for a sign-in link for", "signin.ended": "signed out of", "signin.refused": "was refused to sign in:",
	"token.created": "made the token", "token.revoked": "revoked the token", "token.rotated": "rotated the token",
}

// phrase says what a kind of event is; one that is new here is read as it is.
func phrase(kind string) string {
	if p, ok := phrases[kind]; ok {
		return p
	}
	return strings.NewReplacer(".", " ", "_", " ").Replace(kind)
}
