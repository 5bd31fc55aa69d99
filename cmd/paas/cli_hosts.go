package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) hostCommands() []*cobra.Command {
	list := &cobra.Command{Use: "hosts", Short: "list the machines that dynos run on", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.asOperator(list, func(s *session, _ []string) error { return s.listHosts(*listJSON) })

	info := &cobra.Command{Use: "hosts:info HOST", Short: "show a host and what is on it", Args: takes(1, 1)}
	infoJSON := info.Flags().Bool("json", false, "print JSON")
	c.asOperator(info, func(s *session, args []string) error { return s.hostInfo(args[0], *infoJSON) })

	all := append([]*cobra.Command{list, info}, c.hostJoinCommands()...)
	return append(append(all, c.hostChangeCommands()...), c.hostCareCommands()...)
}

func (s *session) listHosts(asJSON bool) error {
	hosts, err := s.api.Hosts(s.ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(notNil(hosts))
	}
	if len(hosts) == 0 {
		s.say("There are no hosts. Add one with: paas hosts:add NAME")
		return nil
	}
	s.header("Hosts")
	s.say("")
	rows := [][]string{{"Host", "State", "Dynos", "CPU reserved", "Memory reserved", "Labels", "Heard of"}}
	for _, h := range hosts {
		if h.State == api.HostInvited {
			rows = append(rows, []string{h.Name, hostWord(h), "-", "-", "-", labelText(h.Labels), heardOf(h)})
			continue
		}
		free := forDynos(h)
		rows = append(rows, []string{h.Name, hostWord(h), strconv.Itoa(len(h.Dynos) + h.Others), cpus(h.Reserved.MilliCPU) + " of " + cpus(free.MilliCPU),
			size(h.Reserved.Memory) + " of " + size(free.Memory), labelText(h.Labels), heardOf(h)})
	}
	table(s.out, rows)
	s.hostNotes(hosts)
	return nil
}

// hostNotes says what there is to know beyond the states.
func (s *session) hostNotes(hosts []api.Host) {
	const most = 5
	told := 0
	for _, h := range hosts {
		if h.Note == "" {
			continue
		}
		if told++; told <= most {
			s.warn(h.Name + ": " + h.Note)
		}
	}
	if told > most {
		s.warn(fmt.Sprintf("There is more to say of %d others: paas hosts:info HOST", told-most))
	}
}

// hostWord is a host's state in one word.
func hostWord(h api.Host) string {
	if h.Silent && h.State != api.HostLost {
		return "silent"
	}
	return h.State
}

// forDynos is what of a host dynos may reserve.
func forDynos(h api.Host) api.HostPart {
	return api.HostPart{MilliCPU: max(0, h.Capacity.MilliCPU-h.Kept.MilliCPU), Memory: max(0, h.Capacity.Memory-h.Kept.Memory)}
}

// labelText is "disk=ssd zone=a".
func labelText(labels map[string]string) string {
	words := make([]string, 0, len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return strings.Join(words, " ")
}

func heardOf(h api.Host) string { return heardAt(h.SeenAt) }

func heardAt(at *time.Time) string {
	if at == nil {
		return "never"
	}
	const now = 5 * time.Second // agents and routers speak up far more often
	if age := time.Since(*at); age >= now {
		return cmp.Or(ago(age), stamp(*at))
	}
	return "just now"
}

func (s *session) hostInfo(name string, asJSON bool) error {
	h, err := s.api.Host(s.ctx, name)
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(h)
	}
	s.header("%s", printable(h.Name))
	s.say("")
	address := "told to admins only"
	switch {
	case h.Local:
		address = "this is the control plane's own machine"
	case h.State == api.HostInvited:
		address = "known when it has joined"
	case h.Address != nil:
		address = *h.Address
	}
	rows := [][2]string{{"State", hostState(h)}, {"Address", address}, {"Arch", h.Arch}}
	if h.Address != nil { // the control plane's own machine tells neither
		rows = append(rows, [2]string{"Agent", h.Agent}, [2]string{"Docker Engine", h.Engine})
	}
	rows = append(rows, [][2]string{
		{"Labels", labelText(h.Labels)},
		{"CPU", partText(h, cpus, func(p api.HostPart) int64 { return p.MilliCPU })},
		{"Memory", partText(h, size, func(p api.HostPart) int64 { return p.Memory })},
	}...)
	if h.Disk != nil {
		rows = append(rows, [2]string{"Disk", size(h.Disk.Free) + " free of " + size(h.Disk.Total)})
	}
	fields(s.out, append(rows, [2]string{"Heard of", heardOf(h)}, [2]string{"Dynos", strconv.Itoa(len(h.Dynos) + h.Others)}))
	s.hostDynos(h)
	s.findings(h.Findings)
	s.hostNotes([]api.Host{h})
	if h.State == api.HostDraining && len(h.Dynos) > 0 {
		s.warn(fmt.Sprintf("Why one is still here: paas why %s -a %s", h.Dynos[0].Name, h.Dynos[0].App))
	}
	if next := hostNext(h); next != "" {
		s.warn(next)
	}
	return nil
}

// hostState is the state with what is to come of it.
func hostState(h api.Host) string {
	switch {
	case h.State == api.HostLost && h.LostAt != nil:
		return "lost since " + when(*h.LostAt, time.Now())
	case h.State == api.HostSettling && h.SteadyAt != nil:
		return "settling: takes new dynos from " + stamp(*h.SteadyAt) + " on"
	case h.State == api.HostDraining && h.DrainUntil != nil:
		return "draining: what is left at " + stamp(*h.DrainUntil) + " is stopped"
	case h.State == api.HostDraining:
		return "draining: waits until everything has moved"
	}
	return hostWord(h)
}

// hostNext is what people go on with.
func hostNext(h api.Host) string {
	switch h.State {
	case api.HostDrained:
		return "Nothing is left on it. Take it out: paas hosts:remove " + h.Name + " – or back into use: paas hosts:uncordon " + h.Name
	case api.HostCordoned, api.HostDraining:
		return "Let it take dynos again: paas hosts:uncordon " + h.Name
	case api.HostLost:
		return "Its dynos were started elsewhere. If it does not come back: paas hosts:remove " + h.Name + " --force"
	}
	return ""
}

// partText is "0.15 reserved, 0.7 used of 2, 0.5 of it kept".
func partText(h api.Host, text func(int64) string, of func(api.HostPart) int64) string {
	line := text(of(h.Reserved)) + " reserved"
	if h.Used != nil {
		line += ", " + text(of(*h.Used)) + " used"
	}
	line += " of " + text(of(h.Capacity))
	if kept := of(h.Kept); kept > 0 {
		line += ", " + text(kept) + " kept from dynos"
	}
	return line
}

func (s *session) hostDynos(h api.Host) {
	if len(h.Dynos) > 0 {
		s.say("")
		rows := [][]string{{"App", "Dyno", "State", "Release", "Size"}}
		for _, d := range h.Dynos {
			rows = append(rows, []string{d.App, d.Name, d.State, "v" + strconv.Itoa(d.Release), d.Size})
		}
		table(s.out, rows)
	}
	if h.Others > 0 {
		s.say("")
		s.say("%s", fmt.Sprintf("%d of apps you have no access to.", h.Others))
	}
}

// findings says what paas doctor found on a machine when its program began.
func (s *session) findings(list []api.Finding) {
	if len(list) == 0 {
		return
	}
	s.say("")
	s.say("What paas doctor found there:")
	s.say("")
	rows := [][]string{{"", "Check", "Found", "Why"}}
	for _, f := range list {
		rows = append(rows, []string{f.Status, f.Check, f.Found, f.Cause})
	}
	table(s.out, rows)
}
