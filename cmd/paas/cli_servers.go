package main

import (
	"github.com/spf13/cobra"
)

func (c *cli) serversCommand() *cobra.Command {
	list := &cobra.Command{Use: "servers", Short: "list the control planes (admin)", Args: takes(0, 0),
		Long: "List the control planes on the database, those that were heard of in the last day: which one leads, and which are silent."}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	c.asOperator(list, func(s *session, _ []string) error { return s.listServers(*asJSON) })
	return list
}

func (s *session) listServers(asJSON bool) error {
	servers, err := s.api.Servers(s.ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(servers))
	}
	s.header("Servers")
	s.say("")
	rows := [][]string{{"Server", "State", "Address", "Since", "Heard of"}}
	for _, e := range servers {
		rows = append(rows, []string{e.Name, e.State, e.Address, stamp(e.StartedAt), heardAt(&e.SeenAt)})
	}
	table(s.out, rows)
	return nil
}
