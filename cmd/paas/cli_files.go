package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) fileCommands() []*cobra.Command {
	list := &cobra.Command{Use: "files", Short: "list an app's config files", Args: takes(0, 0)}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listFiles(*asJSON) })

	get := &cobra.Command{Use: "files:get PATH", Short: "print a config file as it was set", Args: takes(1, 1)}
	c.onApp(get, func(s *session, args []string) error {
		f, err := s.api.File(s.ctx, s.app, args[0])
		if err != nil {
			return err
		}
		if isTerminal(s.out) {
			_, err = fmt.Fprint(s.out, s.value(string(f.Content)))
			return err
		}
		_, err = s.out.Write(f.Content)
		return err
	})

	set := &cobra.Command{
		Use: "files:set PATH < FILE", Short: "set a config file: makes a release and restarts", Args: takes(1, 1),
		Long: `Set a file that every process of the app finds at PATH, read-only and in memory.
It belongs to the release, as config vars do. {{NAME}} in it becomes the value of
the config var NAME, also PORT, DYNO and what else the platform sets; with --raw
nothing is replaced, and it need not be text.`,
		Example: "paas files:set /etc/app.conf < app.conf",
	}
	raw := set.Flags().Bool("raw", false, "keep it as it is")
	from := set.Flags().StringP("file", "f", "-", "file to read, - for standard input")
	c.onApp(set, func(s *session, args []string) error { return s.setFile(args[0], *from, *raw) })

	unset := &cobra.Command{Use: "files:unset PATH", Short: "remove a config file: makes a release and restarts", Args: takes(1, 1)}
	c.onApp(unset, func(s *session, args []string) error {
		return s.action(fmt.Sprintf("Unsetting %s and restarting %s", printable(args[0]), appName(s.app)), func() (string, error) {
			deploy, err := s.api.UnsetFile(s.ctx, s.app, args[0])
			if err != nil {
				return "", err
			}
			return s.follow(deploy)
		})
	})
	return append([]*cobra.Command{list, get, set, unset}, c.masterKeyCommands()...)
}

func (s *session) listFiles(asJSON bool) error {
	files, err := s.api.Files(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(files))
	}
	if len(files) == 0 {
		s.say("There are no config files for %s.", appName(s.app))
		return nil
	}
	s.header("%s Config Files", appName(s.app))
	s.say("")
	rows := make([][]string, len(files))
	for i, f := range files {
		kind := "config vars put in"
		if f.Raw {
			kind = "raw"
		}
		rows[i] = []string{f.Path, size(int64(f.Size)), kind}
	}
	table(s.out, rows)
	return nil
}

func (s *session) setFile(path, from string, raw bool) error {
	if from == "-" && isTerminal(s.in) {
		return usagef(s.cmd, "The file is read from standard input: paas files:set %s < FILE", printable(path))
	}
	const most = 512 << 10 // what is larger is refused here, unsent
	content, err := s.readInput(from, most)
	if err != nil {
		return err
	}
	return s.action(fmt.Sprintf("Setting %s and restarting %s", printable(path), appName(s.app)), func() (string, error) {
		deploy, err := s.api.SetFile(s.ctx, s.app, api.SetFile{Path: path, Content: content, Raw: raw})
		if err != nil {
			return "", err
		}
		return s.follow(deploy)
	})
}

func (c *cli) masterKeyCommands() []*cobra.Command {
	show := &cobra.Command{Use: "master-key", Short: "show the id of the key that everything sealed depends on", Args: takes(0, 0)}
	asJSON := show.Flags().Bool("json", false, "print JSON")
	show.RunE = c.on(func(s *session, _ []string) error {
		k, err := s.api.MasterKey(s.ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return s.json(k)
		}
		fields(s.out, [][2]string{{"Master key", k.ID}})
		return nil
	})
	rotate := &cobra.Command{
		Use: "master-key:rotate", Short: "make a new master key; the server goes on working", Args: takes(0, 0),
		Long: `Make a new master key, wrap the data keys of all apps with it, and remove the old
one from its file. It may be interrupted at any point: the next start of the
server finishes it. Back up the new master.key afterwards: backups of the
database made before need the old one.`,
	}
	rotate.RunE = c.on(func(s *session, _ []string) error {
		err := s.action("Rotating the master key", func() (string, error) {
			k, err := s.api.RotateMasterKey(s.ctx)
			return fmt.Sprintf("%s wraps the data keys of %d apps", k.ID, k.Apps), err
		})
		if err == nil {
			s.warn("Back up the new key file. Backups of the database made before now need the old one.")
		}
		return err
	})
	return []*cobra.Command{show, rotate}
}
