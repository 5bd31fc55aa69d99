package main

import "github.com/spf13/cobra"

// verbs are the commands over SSH, by name.
func verbs() map[string]verb {
	const process, runs = "process-type", "exit-code no-tty size env type"
	page := verb{flags: "num"}
	account := verb{flags: "admin on off", stdin: "key"}
	all := map[string]verb{
		"accounts:create": account, "accounts:admin": account,
		"access:add": {flags: "permissions"}, "access:update": {flags: "permissions"},
		"apps:create": {flags: "no-remote"}, "apps:destroy": {flags: "confirm"}, "apps:transfer": {flags: "keep-access"}, "apps:errors": {flags: "hours"}, "apps:info": {flags: "shell"},
		"audit": page, "audit:verify": {flags: "head"},
		"authorizations:create": {flags: "description expires-in scope short"}, "authorizations:rotate": {flags: "short"},
		"builds": page, "deploys": page, "events": page, "cron:history": page, "config:history": page,
		"config": {flags: process + " shell"}, "config:get": {flags: process + " shell"},
		"config:set": {flags: process + " no-restart", stdin: "file"}, "config:unset": {flags: process + " no-restart"},
		"constraints:set": {flags: "force spread unique"}, "constraints:unset": {flags: "spread unique"},
		"drill":     {flags: "end for force report yes"},
		"hosts:add": {flags: "label"}, "hosts:drain": {flags: "deadline"}, "hosts:keep": {flags: "cpu memory"}, "hosts:label": {flags: "unset"}, "hosts:remove": {flags: "force"}, "hosts:rebalance": {flags: "dry-run timeout"}, "hosts:upgrade": {flags: "all deadline wait"},
		"files:set": {flags: "raw", stdin: "file"},
		"keys:add":  {args: onlyStdin},
		"dashboard": {flags: "print"},
		"logs":      {flags: "dyno dyno-name grep ignore-case level num process-type regex since source tail until"},
		"ps:copy":   {flags: "dyno"}, "ps:exec": {flags: "dyno no-tty"}, "ps:wait": {flags: "timeout type"},
		"links:remove": {flags: "incoming"},
		"metrics":      {flags: "points since until"},
		"releases":     page, "releases:info": {flags: "shell show-secrets"},
		"volumes:create": {flags: "driver host size"}, "volumes:attach": {flags: process}, "volumes:destroy": {flags: "confirm"},
		"run": {flags: runs + " detached"}, "run:detached": {flags: runs}, "run:inside": {flags: runs}, "runs": {flags: "num type"},
	}
	for _, plain := range []string{
		"access", "access:invitations", "access:invitations:revoke", "access:remove", "accounts", "accounts:remove",
		"apps", "apps:lock", "apps:rename", "apps:set", "apps:settings", "apps:unlock", "apps:unset",
		"authorizations", "authorizations:info", "authorizations:revoke", "builds:info",
		"config:apply", "config:unstage", "constraints", "cron", "cron:resume", "cron:run", "cron:suspend",
		"deploys:cancel", "deploys:info", "deploys:output", "domains", "domains:add", "domains:clear", "domains:remove",
		"drains", "drains:add", "drains:remove", "files", "files:get", "files:unset", "hosts", "hosts:cordon", "hosts:info", "hosts:uncordon", "keys", "keys:remove", "links", "links:add",
		"maintenance", "maintenance:off", "maintenance:on", "master-key", "master-key:rotate", "ps", "ps:restart", "ps:scale", "ps:stop", "ps:type",
		"releases:diff", "releases:output", "releases:retry", "rollback", "routers", "routers:add", "routers:info", "routers:remove", "servers", "version", "volumes", "volumes:detach", "volumes:info", "whoami", "why",
	} {
		all[plain] = verb{}
	}
	return all
}

// refusedVerbs are the commands that there are not, with why.
func refusedVerbs() map[string]string {
	all := map[string]string{
		"login": "you have proven who you are by your key", "logout": "there is no login to forget",
		"join": "it keeps a login on the machine you sit at", "auth:token": "there is no login here whose token it could be", "config:edit": "it starts an editor on the machine you sit at",
		"completion": "it is for the shell of the machine you sit at",
	}
	for _, name := range []string{"open", "local", "ps:forward", "git:remote", "git:clone"} {
		all[name] = needsHere
	}
	for _, name := range []string{"standalone", "server", "agent", "router", "doctor", "mirror:import", "mirror:list"} {
		all[name] = "it is the operator's, on the server itself"
	}
	return all
}

// refusedFlags are those of verbs that there are not, by command; "" are those
// of every command.
func refusedFlags() map[string][]string {
	all := map[string][]string{
		"":                {"remote"},
		"accounts":        {"socket"},
		"accounts:admin":  {"socket"},
		"accounts:create": {"socket"},
		"accounts:remove": {"socket"},
		"drill":           {"socket"},
		"dashboard":       {"socket"},
		"ps:copy":         {"output"}, // what is copied goes to stdout
		"servers":         {"socket"},
	}
	for _, name := range []string{"", ":add", ":cordon", ":drain", ":info", ":keep", ":label", ":rebalance", ":remove", ":uncordon", ":upgrade"} {
		all["hosts"+name] = []string{"socket"}
	}
	for _, name := range []string{"", ":add", ":info", ":remove"} {
		all["routers"+name] = []string{"socket"}
	}
	return all
}

// onlyStdin makes a file that is named, or would be looked for, the client's input.
func onlyStdin(cmd *cobra.Command, args []string) ([]string, error) {
	if len(args) > 0 && args[0] != "-" {
		return nil, usagef(cmd, "The server does not see the files of your machine: send the key's file as input. Nothing was changed.")
	}
	return []string{"-"}, nil
}
