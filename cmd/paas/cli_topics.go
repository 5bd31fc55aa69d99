package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// topic is a heading of --help and the first words of its commands' names.
type topic struct {
	id, title string
	names     []string
}

func topics() []topic {
	return []topic{
		{"apps", "Apps", []string{"apps", "open", "domains", "links", "maintenance", "access", "invitations", "audit", "events"}},
		{"deploy", "Deploying", []string{"git", "builds", "deploys", "releases", "rollback", "cancel"}},
		{"config", "Configuration", []string{"config", "files"}},
		{"run", "Processes", []string{"ps", "run", "runs", "cron", "local", "formation", "why", "constraints", "volumes"}},
		{"logs", "Logs and metrics", []string{"logs", "metrics", "drains"}},
		{"account", "Accounts and login", []string{"login", "logout", "join", "auth", "whoami", "keys", "authorizations", "accounts", "dashboard"}},
		{"server", "The server", []string{"standalone", "agent", "router", "hosts", "routers", "servers", "drill", "doctor", "server", "mirror", "registry", "admin", "base-images", "master-key", "sizes"}},
		{"other", "Other", nil},
	}
}

// arrange sorts the commands under topics for --help, and makes those who
// type a blank for the colon find the command.
func arrange(root *cobra.Command) {
	for _, t := range topics() {
		root.AddGroup(&cobra.Group{ID: t.id, Title: t.title + ":"})
	}
	root.SetHelpCommandGroupID("other")
	for _, cmd := range root.Commands() {
		if cmd.GroupID == "" {
			cmd.GroupID = topicOf(cmd.Name())
		}
		cmd.Args = hintColon(cmd.Args)
		illustrate(cmd)
	}
}

func topicOf(command string) string {
	first, _, _ := strings.Cut(command, ":")
	for _, t := range topics() {
		for _, name := range t.names {
			if name == first {
				return t.id
			}
		}
	}
	return "other"
}

// hintColon adds to a complaint about arguments that "config set" is spelled
// config:set.
func hintColon(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil || len(args) == 0 {
			return err
		}
		if name, ok := withColon(cmd.Root(), cmd.Name(), args[0]); ok {
			return usagef(cmd, "%s %s is no command. Did you mean %s?", cmd.CommandPath(), printable(args[0]), name)
		}
		return err
	}
}

// withColon finds the command that two words with a colon between them name.
func withColon(root *cobra.Command, first, second string) (string, bool) {
	name := first + ":" + second
	for _, cmd := range root.Commands() {
		if cmd.Name() == name || cmd.HasAlias(name) {
			return name, true
		}
	}
	return "", false
}
