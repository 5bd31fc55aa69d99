package main

import (
	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) linkCommands() []*cobra.Command {
	list := &cobra.Command{Use: "links", Short: "list which apps an app reaches from inside, and which reach it", Args: takes(0, 0)}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listLinks(*asJSON) })
	add := &cobra.Command{
		Use: "links:add APP", Short: "let an app reach another from inside", Args: takes(1, 1),
		Long: "Let the dynos of an app reach the web dynos of another at http://APP.internal, on whichever\n" +
			"hosts they are. It takes the permission to operate both apps, and no restart of either.",
	}
	addJSON := add.Flags().Bool("json", false, "print JSON")
	c.onApp(add, func(s *session, args []string) error { return s.addLink(args[0], *addJSON) })
	remove := &cobra.Command{
		Use: "links:remove APP", Short: "end a link", Args: takes(1, 1),
		Long: "End the link from an app to another or, with --incoming, from another to it. Either side may.",
	}
	incoming := remove.Flags().Bool("incoming", false, "end the link from the other app to this one")
	c.onApp(remove, func(s *session, args []string) error {
		what := "Removing the link from " + appName(s.app) + " to " + printable(args[0])
		if *incoming {
			what = "Removing the link from " + printable(args[0]) + " to " + appName(s.app)
		}
		return s.action(what, func() (string, error) {
			_, err := s.api.RemoveLink(s.ctx, s.app, args[0], *incoming)
			return "", err
		})
	})
	return []*cobra.Command{list, add, remove}
}

func (s *session) listLinks(asJSON bool) error {
	list, err := s.api.Links(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(list))
	}
	a, err := s.api.App(s.ctx, s.app)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		s.say("%s is linked with no app. To reach another at http://APP.internal: paas links:add APP -a %s", appName(a.Name), printable(a.Name))
		return nil
	}
	var to, from [][]string
	for _, l := range list {
		if l.App.ID == a.ID {
			to = append(to, []string{l.Target.Name, "http://" + l.Hostname, "by " + l.AddedBy})
			continue
		}
		from = append(from, []string{l.App.Name, "http://" + l.Hostname, "by " + l.AddedBy})
	}
	s.linkTable(appName(a.Name)+" reaches", to)
	if len(to) > 0 && len(from) > 0 {
		s.say("")
	}
	s.linkTable(appName(a.Name)+" is reached by", from)
	return nil
}

func (s *session) linkTable(title string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	s.header("%s", title)
	s.say("")
	table(s.out, rows)
}

func (s *session) addLink(target string, asJSON bool) error {
	var l api.AppLink
	err := s.action("Linking "+appName(s.app)+" with "+printable(target), func() (_ string, err error) {
		l, err = s.api.AddLink(s.ctx, s.app, target)
		return "", err
	})
	switch {
	case err != nil:
		return err
	case asJSON:
		return s.json(l)
	}
	s.say("Its dynos reach %s at http://%s", printable(l.Target.Name), printable(l.Hostname))
	return nil
}
