package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) adminCommands() []*cobra.Command {
	all := c.maintenanceCommands()
	for _, group := range [][]*cobra.Command{c.ownerCommands(), c.settingCommands(), c.domainCommands(), c.linkCommands()} {
		all = append(all, group...)
	}
	return all
}

func (c *cli) maintenanceCommands() []*cobra.Command {
	show := &cobra.Command{Use: "maintenance", Short: "say whether an app is in maintenance", Args: takes(0, 0)}
	asJSON := show.Flags().Bool("json", false, "print JSON")
	c.onApp(show, func(s *session, _ []string) error {
		a, err := s.api.App(s.ctx, s.app)
		if err != nil {
			return err
		}
		if *asJSON {
			return s.json(map[string]bool{"maintenance": a.Maintenance})
		}
		s.say("%s", onOff(a.Maintenance))
		return nil
	})
	on := &cobra.Command{
		Use: "maintenance:on", Short: "answer every request with the maintenance page", Args: takes(0, 0),
		Long: "Answer every request with the maintenance page (503, H80). The app's dynos go on running, crons too.\n" +
			"Browsers are shown your own page when the config var MAINTENANCE_PAGE_URL has its address.",
	}
	c.onApp(on, func(s *session, _ []string) error { return s.setMaintenance(true) })
	off := &cobra.Command{Use: "maintenance:off", Short: "let requests reach the app again", Args: takes(0, 0)}
	c.onApp(off, func(s *session, _ []string) error { return s.setMaintenance(false) })
	return []*cobra.Command{show, on, off}
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (s *session) setMaintenance(on bool) error {
	what := "Disabling"
	if on {
		what = "Enabling"
	}
	return s.action(what+" maintenance mode for "+appName(s.app), func() (string, error) {
		_, err := s.api.ChangeApp(s.ctx, s.app, api.ChangeApp{Maintenance: &on})
		return "", err
	})
}

func (c *cli) settingCommands() []*cobra.Command {
	show := &cobra.Command{Use: "apps:settings", Short: "show an app's own limits", Args: takes(0, 0)}
	asJSON := show.Flags().Bool("json", false, "print JSON")
	c.onApp(show, func(s *session, _ []string) error {
		list, err := s.api.AppSettings(s.ctx, s.app)
		if err != nil {
			return err
		}
		if *asJSON {
			return s.json(list)
		}
		s.header("%s Settings", appName(s.app))
		s.say("")
		s.showSettings(list)
		return nil
	})
	set := &cobra.Command{
		Use: "apps:set NAME=VALUE...", Short: "change an app's own limits", Args: takes(1, -1),
		Long: "Change an app's own limits:\n\n  stop-timeout=30      seconds between SIGTERM and SIGKILL\n" +
			"  boot-timeout=60      seconds until a web process must answer\n  release-timeout=600  seconds a release command may take\n" +
			"  log-days=7           how long log lines are kept\n  log-mb=100           how many megabytes of them are kept",
	}
	c.onApp(set, func(s *session, args []string) error {
		patch := api.AppSettings{}
		for _, a := range args {
			name, value, ok := strings.Cut(a, "=")
			n, err := strconv.Atoi(value)
			if !ok || err != nil {
				return usagef(s.cmd, "%s is invalid: it must be like stop-timeout=60. Nothing was changed.", printable(a))
			}
			patch[underscored(name)] = &n
		}
		return s.changeSettings("Setting", patch)
	})
	unset := &cobra.Command{Use: "apps:unset NAME...", Short: "go back to the installation's limits", Args: takes(1, -1)}
	c.onApp(unset, func(s *session, args []string) error {
		patch := api.AppSettings{}
		for _, a := range args {
			patch[underscored(a)] = nil
		}
		return s.changeSettings("Unsetting", patch)
	})
	return []*cobra.Command{show, set, unset}
}

// underscored is a setting's name as the API writes it.
func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

func (s *session) changeSettings(what string, patch api.AppSettings) error {
	names := make([]string, 0, len(patch))
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		names = append(names, strings.ReplaceAll(name, "_", "-"))
	}
	var list api.AppSettings
	err := s.action(fmt.Sprintf("%s %s on %s", what, printable(strings.Join(names, ", ")), appName(s.app)), func() (_ string, err error) {
		list, err = s.api.ChangeSettings(s.ctx, s.app, patch)
		return "", err
	})
	if err == nil {
		s.showSettings(list)
	}
	return err
}

func (s *session) showSettings(list api.AppSettings) {
	rows := make(map[string]string, len(list))
	for name, v := range list {
		text := "default"
		if v != nil {
			text = strconv.Itoa(*v)
		}
		rows[strings.ReplaceAll(name, "_", "-")] = text
	}
	pairs(s.out, rows)
}

func (c *cli) domainCommands() []*cobra.Command {
	list := &cobra.Command{Use: "domains", Short: "list the host names of an app", Args: takes(0, 0)}
	asJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error { return s.listDomains(*asJSON) })
	add := &cobra.Command{
		Use: "domains:add HOST", Short: "make a host name lead to an app", Args: takes(1, 1),
		Long: "Make a host name lead to an app: www.example.com, or *.example.com for every name one level below.\n" +
			"Then point its DNS at the name that domains shows.",
	}
	addJSON := add.Flags().Bool("json", false, "print JSON")
	c.onApp(add, func(s *session, args []string) error { return s.addDomain(args[0], *addJSON) })
	remove := &cobra.Command{Use: "domains:remove HOST", Short: "take a host name away from an app", Args: takes(1, 1)}
	c.onApp(remove, func(s *session, args []string) error {
		return s.action("Removing "+printable(args[0])+" from "+appName(s.app), func() (string, error) {
			_, err := s.api.RemoveDomain(s.ctx, s.app, args[0])
			return "", err
		})
	})
	clear := &cobra.Command{Use: "domains:clear", Short: "take all host names away but the app's own", Args: takes(0, 0)}
	c.onApp(clear, func(s *session, _ []string) error {
		return s.action("Removing all domains from "+appName(s.app), func() (string, error) {
			gone, err := s.api.ClearDomains(s.ctx, s.app)
			return strconv.Itoa(len(gone)) + " removed", err
		})
	})
	return []*cobra.Command{list, add, remove, clear}
}

func (s *session) listDomains(asJSON bool) error {
	list, err := s.api.Domains(s.ctx, s.app)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(list))
	}
	rows := [][]string{{"Domain Name", "DNS Target"}}
	for _, d := range list {
		if d.Kind == api.DomainOwn {
			s.header("%s Domain", appName(s.app))
			s.say("\n%s", printable(d.Hostname))
			continue
		}
		rows = append(rows, []string{d.Hostname, deref(d.CNAME)})
	}
	if len(rows) > 1 {
		s.say("")
		s.header("%s Custom Domains", appName(s.app))
		s.say("")
		table(s.out, rows)
	}
	return nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *session) addDomain(host string, asJSON bool) error {
	var d api.Domain
	err := s.action("Adding "+printable(host)+" to "+appName(s.app), func() (_ string, err error) {
		d, err = s.api.AddDomain(s.ctx, s.app, host)
		return "", err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(d)
	}
	s.say("Configure your app's DNS provider to point %s to the DNS Target %s.", printable(d.Hostname), printable(deref(d.CNAME)))
	return nil
}

func (s *session) appErrors(hours int, asJSON bool) error {
	list, err := s.api.AppErrors(s.ctx, s.app, hours)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(list))
	}
	if len(list) == 0 {
		s.say("No errors on %s in the last %d hours", appName(s.app), hours)
		return nil
	}
	s.header("Errors on %s in the last %d hours", appName(s.app), hours)
	s.say("")
	rows := [][]string{{"Name", "Description", "Count", "Last", "Dyno"}}
	for _, e := range list {
		rows = append(rows, []string{e.Code, e.Text, strconv.Itoa(e.Count), when(e.Last, time.Now()), deref(e.Dyno)})
	}
	table(s.out, rows)
	return nil
}
