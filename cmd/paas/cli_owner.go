package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"paas/server/api"
)

// ownerCommands are about what an app is called, whose it is, and its lock.
func (c *cli) ownerCommands() []*cobra.Command {
	rename := &cobra.Command{
		Use: "apps:rename NAME", Aliases: []string{"rename"}, Short: "give an app another name", Args: takes(1, 1),
		Long: "Give an app another name. Its git URL and host name follow at once, and so does the git remote here; its\n" +
			"domains stay. What runs goes on running: the variable PAAS_APP in it changes with the next release.",
	}
	renameJSON := rename.Flags().Bool("json", false, "print JSON")
	c.onApp(rename, func(s *session, args []string) error { return s.renameApp(args[0], *renameJSON) })

	transfer := &cobra.Command{
		Use: "apps:transfer EMAIL", Aliases: []string{"transfer"}, Short: "give an app to another account", Args: takes(1, 1),
		Long: "Give an app to another account, at once. Only its owner or an admin may. The old owner has no access\n" +
			"to it any more, unless --keep-access makes a collaborator of them.",
	}
	keep := transfer.Flags().Bool("keep-access", false, "the old owner stays as a collaborator with all permissions")
	c.onApp(transfer, func(s *session, args []string) error {
		return s.action("Transferring "+appName(s.app)+" to "+printable(args[0]), func() (string, error) {
			_, err := s.api.TransferApp(s.ctx, s.app, api.TransferApp{Recipient: args[0], KeepAccess: *keep})
			return "", err
		})
	})

	lock := &cobra.Command{
		Use: "apps:lock", Aliases: []string{"lock"}, Short: "keep an app from being changed or deployed", Args: takes(0, 0),
		Long: "Keep an app from being changed, deployed or destroyed by anybody until it is unlocked. What runs goes on running.",
	}
	c.onApp(lock, func(s *session, _ []string) error { return s.setLock("Locking", true) })
	unlock := &cobra.Command{Use: "apps:unlock", Aliases: []string{"unlock"}, Short: "let an app be changed again", Args: takes(0, 0)}
	c.onApp(unlock, func(s *session, _ []string) error { return s.setLock("Unlocking", false) })

	failures := &cobra.Command{Use: "apps:errors", Short: "count the errors in an app's log", Args: takes(0, 0)}
	hours := failures.Flags().Int("hours", 24, "how far to look back")
	errorsJSON := failures.Flags().Bool("json", false, "print JSON")
	c.onApp(failures, func(s *session, _ []string) error { return s.appErrors(*hours, *errorsJSON) })
	return []*cobra.Command{rename, transfer, lock, unlock, failures}
}

func (s *session) setLock(what string, locked bool) error {
	return s.action(what+" "+appName(s.app), func() (string, error) {
		_, err := s.api.ChangeApp(s.ctx, s.app, api.ChangeApp{Locked: &locked})
		return "", err
	})
}

func (s *session) renameApp(name string, asJSON bool) error {
	before, err := s.api.App(s.ctx, s.app)
	if err != nil {
		return err
	}
	var after api.App
	err = s.action(fmt.Sprintf("Renaming %s to %s", appName(before.Name), printable(name)), func() (_ string, err error) {
		after, err = s.api.ChangeApp(s.ctx, before.ID, api.ChangeApp{Name: &name})
		return "", err
	})
	if err != nil {
		return err
	}
	s.moveRemotes(before, after)
	if asJSON {
		return s.json(after)
	}
	s.say("%s | %s", printable(after.WebURL), printable(s.gitURL(after)))
	return nil
}

// moveRemotes points the git remotes of an app at its new URL. It is renamed
// already, so what goes wrong here is told and no failure.
func (s *session) moveRemotes(before, after api.App) {
	remotes, err := s.remotes(s.ctx)
	if err != nil {
		return
	}
	// git would run a helper program for some other kinds of URL.
	_, app, ok := parseRemote(after.GitURL)
	for _, r := range remotes {
		if r.url != before.GitURL && r.url != s.gitURL(before) {
			continue
		}
		if !ok || app != after.Name {
			s.warn("The server sent a git URL that is none; the git remote " + r.name + " was left as it is.")
			continue
		}
		if _, err := s.git(s.ctx, "remote", "set-url", "--", r.name, s.gitURL(after)); err != nil {
			s.warn("The git remote was not changed. Change it with: git remote set-url " + r.name + " " + s.gitURL(after))
			continue
		}
		fmt.Fprintf(s.err, "Git remote %s updated\n", printable(r.name))
	}
	s.warn("Don't forget to update git remotes for all other local checkouts of the app.")
}
