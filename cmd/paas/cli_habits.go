package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// What people who come from Heroku type and paas does not have: each is
// answered with what it has instead, in one line. What it has under another
// name is an alias of the command itself.

// habits are those answers, by command or by the topic before the colon.
func habits() map[string]string {
	const (
		data      = "There are no add-ons yet. Run the database yourself and name it to the app: paas config:set DATABASE_URL=…"
		client    = "There are no add-ons yet. With the client in the app's image: paas run 'psql $DATABASE_URL'"
		image     = "There are no buildpacks and stacks: the Dockerfile in the commit says how to build and on what."
		push      = "The server builds the image of the Dockerfile itself: git push paas main"
		pipelines = "There are no pipelines yet. One app per stage does it: paas create shop-staging --remote staging; git push staging main"
		teams     = "There are no teams: give people access to each app: paas access:add EMAIL -p view,deploy"
		switches  = "There are no switches: what Heroku calls preboot is how every deploy goes. Limits of an app: paas apps:settings"
		certs     = "Certificates are the operator's: paas standalone --https :443 --tls-cert FILE --tls-key FILE"
		login     = "Your SSH key is your login: paas keys, paas authorizations"
		status    = "Each installation is its own. An app: paas ps, paas apps:errors. The server, on it: paas doctor"
		notices   = "There are none yet. What happened: paas events. Log lines elsewhere: paas drains:add URL"
		domain    = "A domain leads to the app as soon as its DNS does, there is nothing to wait for: paas domains"
		program   = "paas is one program without plugins; whoever runs the server has newer ones: paas version"
		runIt     = "Run it in the app: paas run rake db:migrate, paas run rails console"
	)
	all := map[string]string{
		"pg:psql": client, "psql": client, "redis:cli": client, "container": push, "certs": certs, "ssl": certs,
		"auth": "You are: paas whoami. Log in: paas login HOST:PORT", "auth:2fa": login, "2fa": login, "twofactor": login, "sessions": login,
		"tokens": "API tokens: paas authorizations. A new one: paas authorizations:create", "keys:clear": "Remove them one by one: paas keys, paas keys:remove KEY",
		"status": status, "usage": status, "domains:info": domain, "domains:wait": domain, "domains:update": domain,
		"webhooks": notices, "notifications": notices, "telemetry": notices, "update": program, "plugins": program,
		"ps:autoscale": "Dynos are not scaled by themselves: paas ps:scale web=2", "config:pull": "paas config --shell > .env",
		"config:push": "paas config:set --file .env", "apps:leave": "Whoever manages the app takes you off it: paas access:remove EMAIL",
		"apps:join": "Whoever manages the app gives you access: paas access:add EMAIL", "apps:favorites": "There are no favorites: paas apps",
		"regions": "Each installation is one region: paas login HOST:PORT goes to another.", "commands": "All commands: paas --help",
		"git": "paas git:remote -a APP adds the remote, paas git:clone -a APP fetches the code.", "local:version": "paas version",
	}
	for answer, names := range map[string]string{
		data: "addons addon pg redis kafka data mongo postgres", image: "buildpacks buildpack stack stacks apps:stacks",
		pipelines: "pipelines pipeline reviewapps ci", teams: "teams members orgs org spaces enterprise",
		switches: "features labs", runIt: "rake rails console run:rake run:console",
	} {
		for name := range strings.FieldsSeq(names) {
			all[name] = answer
		}
	}
	return all
}

// habit is the answer to a command, or to the topics that it is of.
func habit(command string) (string, bool) {
	all := habits()
	for {
		if answer, ok := all[command]; ok {
			return answer, true
		}
		colon := strings.LastIndexByte(command, ':')
		if colon < 0 {
			return "", false
		}
		command = command[:colon]
	}
}

// unknownCommand says that there is none of that name, and what is near it.
func unknownCommand(root *cobra.Command, args []string) error {
	name := args[0]
	text := "paas has no command " + printable(name) + "."
	if answer, ok := habit(name); ok {
		return &usageError{text + " Nothing was changed.\n" + answer}
	}
	if len(args) > 1 {
		if colon, ok := withColon(root, name, args[1]); ok {
			return usagef(root, "%s Did you mean %s?", text, colon)
		}
	}
	if near := root.SuggestionsFor(name); len(near) > 0 {
		const most = 3
		text += " Did you mean " + strings.Join(near[:min(len(near), most)], " or ") + "?"
	}
	return usagef(root, "%s", text)
}

// flagError is what a flag that cannot be read is answered with. Flags of a
// command that there is not end up at paas itself: the command is the news.
func flagError(cmd *cobra.Command, err error) error {
	if words := cmd.Flags().Args(); !cmd.HasParent() && len(words) > 0 {
		return unknownCommand(cmd, words)
	}
	return usagef(cmd, "%s", err)
}
