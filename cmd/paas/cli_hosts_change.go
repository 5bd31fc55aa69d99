package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
)

// hostJoinCommands add and remove hosts.
func (c *cli) hostJoinCommands() []*cobra.Command {
	add := &cobra.Command{
		Use: "hosts:add NAME", Short: "add a machine (admin)", Args: takes(1, 1),
		Long: "Add a machine. Prints the command that is run on it, as root: it works once. The machine needs Docker, the paas\n" +
			"program and a way to this server; nothing needs a way to it but the router, on its private address.",
	}
	labels := add.Flags().StringSliceP("label", "l", nil, "label of the host, as in zone=a; may be repeated")
	addJSON := add.Flags().Bool("json", false, "print JSON")
	c.asOperator(add, func(s *session, args []string) error { return s.addHost(args[0], *labels, *addJSON) })

	remove := &cobra.Command{
		Use: "hosts:remove HOST", Short: "take a machine out (admin)", Args: takes(1, 1),
		Long: "Take a machine out: its agent is not listened to any more. Refused while the host has dynos, unless --force:\n" +
			"then they are started elsewhere; a machine that is heard of stops its own, one that comes back later runs them on.",
	}
	force := remove.Flags().Bool("force", false, "also with dynos on it")
	c.asOperator(remove, func(s *session, args []string) error {
		err := s.action("Removing host "+printable(args[0]), func() (string, error) {
			_, err := s.api.RemoveHost(s.ctx, args[0], *force)
			return "", err
		})
		if err == nil && *force {
			s.warn("A machine that was heard of stops its dynos now. One that comes back later runs them on: stop paas agent there, then what docker ps shows.")
		}
		return err
	})
	return []*cobra.Command{add, remove}
}

func (s *session) addHost(name string, labels []string, asJSON bool) error {
	set, err := s.parseLabels(labels)
	if err != nil {
		return err
	}
	var i api.HostInvitation
	err = s.action("Adding host "+printable(name), func() (_ string, err error) {
		i, err = s.api.AddHost(s.ctx, api.AddHost{Name: name, Labels: set})
		return "", err
	})
	if err != nil {
		return err
	}
	if asJSON {
		return s.json(i)
	}
	fmt.Fprintf(s.err, "Run this on the new machine, as root. It works once, until %s, and is not shown again:\n", stamp(i.ExpiresAt))
	s.say("%s", printable(i.Command))
	fmt.Fprintf(s.err, "Then start the agent there with: paas agent – and see it here with: paas hosts:info %s\n", printable(i.Host))
	if i.Replaces {
		s.warn("The command that was printed for " + i.Host + " before is void, with the labels it had.")
	}
	return nil
}

// parseLabels reads NAME=VALUE; the server says which of them it takes.
func (s *session) parseLabels(args []string) (map[string]string, error) {
	labels := make(map[string]string, len(args))
	for _, a := range args {
		name, value, ok := strings.Cut(a, "=")
		if !ok || name == "" {
			return nil, usagef(s.cmd, "%s is invalid: a label is like zone=a. Nothing was changed.", printable(a))
		}
		if _, twice := labels[name]; twice {
			return nil, usagef(s.cmd, "The label %s is given twice. Nothing was changed.", printable(name))
		}
		labels[name] = value
	}
	return labels, nil
}

// hostChangeCommands say what a host is.
func (c *cli) hostChangeCommands() []*cobra.Command {
	label := &cobra.Command{
		Use: "hosts:label HOST [NAME=VALUE]...", Short: "set a host's labels (admin)", Args: takes(1, -1),
		Long: "Set labels of a host, which constraints of apps name. Dynos whose constraints the host does not meet any more\nmove away, the new ones started first.",
	}
	unset := label.Flags().StringSlice("unset", nil, "label to take away; may be repeated")
	c.asOperator(label, func(s *session, args []string) error { return s.labelHost(args[0], args[1:], *unset) })

	keep := &cobra.Command{
		Use: "hosts:keep HOST", Short: "keep a part of a host from dynos (admin)", Args: takes(1, 1),
		Long: "Keep CPU and memory of a host for what else it does: dynos do not get them. What is there already stays.",
	}
	cpu := keep.Flags().String("cpu", "", "CPUs, as in 0.5")
	memory := keep.Flags().String("memory", "", "memory, as in 512M or 2G")
	c.asOperator(keep, func(s *session, args []string) error { return s.keepOfHost(args[0], *cpu, *memory) })
	return []*cobra.Command{label, keep}
}

func (s *session) labelHost(host string, args, unset []string) error {
	set, err := s.parseLabels(args)
	if err != nil {
		return err
	}
	if len(set)+len(unset) == 0 {
		return usagef(s.cmd, "Which label? As in: paas hosts:label %s zone=a. Nothing was changed.", printable(host))
	}
	patch := make(map[string]*string, len(set)+len(unset))
	for name, value := range set {
		patch[name] = &value
	}
	for _, name := range unset {
		if _, both := set[name]; both {
			return usagef(s.cmd, "The label %s is both set and unset. Nothing was changed.", printable(name))
		}
		patch[name] = nil
	}
	names := strings.Join(slices.Sorted(maps.Keys(patch)), ", ")
	var h api.Host
	err = s.action(fmt.Sprintf("Labelling host %s with %s", printable(host), printable(names)), func() (_ string, err error) {
		h, err = s.api.ChangeHost(s.ctx, host, api.ChangeHost{Labels: patch})
		return "", err
	})
	if err == nil {
		pairs(s.out, h.Labels)
	}
	return err
}

func (s *session) keepOfHost(host, cpu, memory string) error {
	part := &api.ChangedPart{}
	if cpu != "" {
		n, err := strconv.ParseFloat(cpu, 64)
		const most = 10000
		if err != nil || !(n >= 0 && n <= most) {
			return usagef(s.cmd, "%s is no number of CPUs. Nothing was changed.", printable(cpu))
		}
		milli := int64(n*1000 + 0.5)
		part.MilliCPU = &milli
	}
	if memory != "" {
		n, ok := parseMemory(memory)
		if !ok {
			return usagef(s.cmd, "%s is no size: it must be like 512M or 2G. Nothing was changed.", printable(memory))
		}
		part.Memory = &n
	}
	if *part == (api.ChangedPart{}) {
		return usagef(s.cmd, "How much? Give --cpu or --memory. Nothing was changed.")
	}
	return s.action("Keeping a part of host "+printable(host), func() (string, error) {
		h, err := s.api.ChangeHost(s.ctx, host, api.ChangeHost{Kept: part})
		return fmt.Sprintf("now %s CPU and %s", cpus(h.Kept.MilliCPU), size(h.Kept.Memory)), err
	})
}

// parseMemory reads "512M" as bytes; "0" is nothing.
func parseMemory(text string) (int64, bool) {
	number, shift := strings.ToUpper(text), 0
	if number != "" {
		if i := strings.IndexByte("KMGT", number[len(number)-1]); i >= 0 {
			number, shift = number[:len(number)-1], 10*(i+1)
		}
	}
	const digits = 1 << 22 // of terabytes it is no overflow yet
	n, err := strconv.ParseInt(number, 10, 64)
	return n << shift, err == nil && n >= 0 && (n == 0 || shift > 0) && n < digits
}
