package main

import (
	"github.com/spf13/cobra"
)

func (c *cli) drainCommands() []*cobra.Command {
	list := &cobra.Command{Use: "drains", Short: "list where an app's log lines are sent to", Args: takes(0, 0)}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listDrains(*asJSON) })

	add := &cobra.Command{
		Use: "drains:add URL", Short: "send an app's log lines to a collector", Args: takes(1, 1),
		Long: `Send every line of an app's log, from now on, to
  syslog://host:port        syslog over TCP (RFC 5424, RFC 6587 octet counting)
  syslog+tls://host:port    the same with TLS
  https://user:password@host/path    batches of lines (application/logplex-1)
The URL is kept sealed and never shown again as a whole.`,
	}
	addJSON := add.Flags().Bool("json", false, "print the drain as JSON")
	c.onApp(add, func(s *session, args []string) error { return s.addDrain(args[0], *addJSON) })

	remove := &cobra.Command{Use: "drains:remove URL|TOKEN|ID", Short: "send no more lines to a collector", Args: takes(1, 1)}
	c.onApp(remove, func(s *session, args []string) error {
		d, err := s.api.RemoveDrain(s.ctx, s.app, args[0])
		if err != nil {
			return err
		}
		s.say("Successfully removed drain %s (%s)", printable(d.URL), printable(d.Token))
		return nil
	})
	return []*cobra.Command{list, add, remove}
}

func (s *session) listDrains(asJSON bool) error {
	drains, err := s.api.Drains(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(drains))
	}
	if len(drains) == 0 {
		s.say("%s has no log drains.", appName(s.app))
		return nil
	}
	s.header("Drains")
	s.say("")
	for _, d := range drains {
		s.say("%s (%s)", printable(d.URL), s.sgr("32", printable(d.Token)))
	}
	return nil
}

func (s *session) addDrain(url string, asJSON bool) error {
	d, err := s.api.AddDrain(s.ctx, s.app, url)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(d)
	}
	s.say("Successfully added drain %s (%s)", printable(d.URL), printable(d.Token))
	return nil
}
