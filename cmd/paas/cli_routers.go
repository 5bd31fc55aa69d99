package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) routerCommands() []*cobra.Command {
	list := &cobra.Command{Use: "routers", Short: "list what takes the apps' requests", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.asOperator(list, func(s *session, _ []string) error { return s.listRouters(*listJSON) })

	info := &cobra.Command{Use: "routers:info ROUTER", Short: "show a router", Args: takes(1, 1)}
	infoJSON := info.Flags().Bool("json", false, "print JSON")
	c.asOperator(info, func(s *session, args []string) error { return s.routerInfo(args[0], *infoJSON) })

	add := &cobra.Command{
		Use: "routers:add NAME", Short: "add a router (admin)", Args: takes(1, 1),
		Long: "Add a router. Prints the command that is run on its machine: it works once. The machine needs the paas program, a way\n" +
			"to this server, and one to the hosts' private addresses.",
	}
	addJSON := add.Flags().Bool("json", false, "print JSON")
	c.asOperator(add, func(s *session, args []string) error { return s.addRouter(args[0], *addJSON) })

	remove := &cobra.Command{
		Use: "routers:remove ROUTER", Short: "take a router out (admin)", Args: takes(1, 1),
		Long: "Take a router out: it is told of no changes any more, and deploys do not wait for it. Send no requests there, and stop it.",
	}
	c.asOperator(remove, func(s *session, args []string) error {
		err := s.action("Removing router "+printable(args[0]), func() (string, error) {
			_, err := s.api.RemoveRouter(s.ctx, args[0])
			return "", err
		})
		if err == nil {
			s.warn("If it still runs, it serves from the table it had, which gets old: stop paas router there.")
		}
		return err
	})
	return []*cobra.Command{list, info, add, remove}
}

func (s *session) listRouters(asJSON bool) error {
	routers, err := s.api.Routers(s.ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(routers))
	}
	if len(routers) == 0 {
		s.say("There are no routers: no app is reachable. Add one with: paas routers:add NAME")
		return nil
	}
	s.header("Routers")
	s.say("")
	rows := [][]string{{"Router", "State", "Table", "Address", "Heard of"}}
	for _, r := range routers {
		rows = append(rows, []string{r.Name, r.State, tableText(r), r.Address, heardAt(r.SeenAt)})
	}
	table(s.out, rows)
	for _, r := range routers {
		if r.Note != "" {
			s.warn(r.Name + ": " + r.Note)
		}
	}
	return nil
}

// tableText is the version of the table a router serves from.
func tableText(r api.Router) string {
	if r.Table == nil {
		return ""
	}
	return *r.Table
}

func (s *session) routerInfo(name string, asJSON bool) error {
	r, err := s.api.Router(s.ctx, name)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(r)
	}
	s.header("%s", printable(r.Name))
	s.say("")
	rows := [][2]string{{"State", r.State}}
	if r.Local {
		rows = append(rows, [2]string{"Runs in", "the control plane's own process"})
	}
	rows = append(rows, [2]string{"Address", r.Address}, [2]string{"Program", r.Version}, [2]string{"Table", tableText(r)})
	if r.Table != nil && *r.Table != r.Newest {
		rows = append(rows, [2]string{"Newest table", r.Newest})
	}
	if r.Busy > 0 {
		rows = append(rows, [2]string{"Old dynos", fmt.Sprintf("%d requests in flight to dynos that left the table", r.Busy)})
	}
	rows = append(rows, [2]string{"Heard of", heardAt(r.SeenAt)})
	fields(s.out, slices.DeleteFunc(rows, func(row [2]string) bool { return row[1] == "" }))
	s.findings(r.Findings)
	if r.Note != "" {
		s.warn(r.Note)
	}
	return nil
}

func (s *session) addRouter(name string, asJSON bool) error {
	var i api.RouterInvitation
	err := s.action("Adding router "+printable(name), func() (_ string, err error) {
		i, err = s.api.AddRouter(s.ctx, api.AddRouter{Name: name})
		return "", err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(i)
	}
	fmt.Fprintf(s.err, "Run this on the router's machine. It works once, until %s, and is not shown again:\n", stamp(i.ExpiresAt))
	s.say("%s", printable(i.Command))
	fmt.Fprintf(s.err, "Then start the router there with: paas router --http :80 – and see it here with: paas routers:info %s\n", printable(i.Router))
	return nil
}
