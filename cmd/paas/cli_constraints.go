package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paas/server/api"
)

func (c *cli) constraintCommands() []*cobra.Command {
	list := &cobra.Command{Use: "constraints", Short: "show where an app's dynos may be", Args: takes(0, 0)}
	listJSON := list.Flags().Bool("json", false, "print JSON")
	c.onApp(list, func(s *session, _ []string) error {
		p, err := s.api.Placement(s.ctx, s.app)
		if err != nil {
			return err
		}
		if *listJSON {
			return s.json(p)
		}
		s.showPlacement(p)
		return nil
	})

	set := &cobra.Command{
		Use: "constraints:set [LABEL=VALUE | LABEL!=VALUE]...", Short: "say where an app's dynos may be", Args: takes(0, -1),
		Long: "Say on which hosts an app's dynos may be, by the hosts' labels (paas hosts). All constraints must hold; those given\n" +
			"take the place of what was said of the same label. Dynos elsewhere are replaced, the new ones started first; where no\nhost fits, they stay and paas why tells.",
	}
	spread := set.Flags().String("spread", "", "spread the dynos of each type over the values of this label first")
	unique := set.Flags().Bool("unique", false, "no two dynos of a type on one host")
	force := set.Flags().Bool("force", false, "also when no host meets them now")
	c.onApp(set, func(s *session, args []string) error {
		return s.setConstraints(args, *spread, *unique, *force)
	})

	unset := &cobra.Command{Use: "constraints:unset [LABEL]...", Short: "take constraints away", Args: takes(0, -1)}
	noSpread := unset.Flags().Bool("spread", false, "do not spread over a label any more")
	noUnique := unset.Flags().Bool("unique", false, "let dynos of a type share hosts again")
	c.onApp(unset, func(s *session, args []string) error { return s.unsetConstraints(args, *noSpread, *noUnique) })
	return []*cobra.Command{list, set, unset}
}

// anywhere says that there is no constraint.
func anywhere(p api.Placement) bool { return len(p.Constraints) == 0 && p.Spread == "" && !p.Unique }

func (s *session) showPlacement(p api.Placement) {
	if anywhere(p) {
		s.say("%s has no constraints: its dynos may be on any host.", appName(s.app))
		return
	}
	s.header("%s Constraints", appName(s.app))
	s.say("")
	for _, c := range p.Constraints {
		s.say("%s", printable(c.String()))
	}
	if p.Spread != "" {
		s.say("spread over %s", printable(p.Spread))
	}
	if p.Unique {
		s.say("unique: no two dynos of a type on one host")
	}
}

// parseConstraint reads zone=a and disk!=slow.
func parseConstraint(text string) (api.Constraint, bool) {
	label, value, ok := strings.Cut(text, "=")
	label, not := strings.CutSuffix(label, "!")
	return api.Constraint{Label: label, Value: value, Not: not}, ok && label != "" && value != ""
}

func (s *session) setConstraints(args []string, spread string, unique, force bool) error {
	var given []api.Constraint
	for _, a := range args {
		c, ok := parseConstraint(a)
		if !ok {
			return usagef(s.cmd, "%s is invalid: a constraint is like zone=a or disk!=slow. Nothing was changed.", printable(a))
		}
		if !c.Not && slices.ContainsFunc(given, func(g api.Constraint) bool { return g.Label == c.Label && !g.Not }) {
			return usagef(s.cmd, "No host has two values of the label %s. Nothing was changed.", printable(c.Label))
		}
		given = append(given, c)
	}
	flags := s.cmd.Flags()
	if len(given) == 0 && !flags.Changed("spread") && !flags.Changed("unique") {
		return usagef(s.cmd, "Which constraint? As in: paas constraints:set zone=a. Nothing was changed.")
	}
	return s.changePlacement("Setting constraints", force, func(p *api.Placement) error {
		p.Constraints = slices.DeleteFunc(p.Constraints, func(old api.Constraint) bool {
			return slices.ContainsFunc(given, func(g api.Constraint) bool { return g.Label == old.Label })
		})
		p.Constraints = append(p.Constraints, given...)
		if flags.Changed("spread") {
			p.Spread = spread
		}
		if flags.Changed("unique") {
			p.Unique = unique
		}
		return nil
	})
}

func (s *session) unsetConstraints(labels []string, spread, unique bool) error {
	if len(labels) == 0 && !spread && !unique {
		return usagef(s.cmd, "Which constraint? As in: paas constraints:unset zone. Nothing was changed.")
	}
	for _, label := range labels {
		if strings.Contains(label, "=") {
			return usagef(s.cmd, "Name the label only, without its value: %s. Nothing was changed.", printable(label))
		}
	}
	return s.changePlacement("Unsetting constraints", true, func(p *api.Placement) error {
		for _, label := range labels {
			if !slices.ContainsFunc(p.Constraints, func(c api.Constraint) bool { return c.Label == label }) {
				return tell(fmt.Sprintf("There is no constraint on the label %s. Nothing was changed.", label), "See which there are: paas constraints -a "+s.app)
			}
		}
		p.Constraints = slices.DeleteFunc(p.Constraints, func(c api.Constraint) bool { return slices.Contains(labels, c.Label) })
		if spread {
			p.Spread = ""
		}
		p.Unique = p.Unique && !unique
		return nil
	})
}

func (s *session) changePlacement(what string, force bool, change func(*api.Placement) error) error {
	p, err := s.api.Placement(s.ctx, s.app)
	if err != nil {
		return err
	}
	had := p
	had.Constraints = slices.Clone(p.Constraints)
	if err := change(&p); err != nil {
		return err
	}
	err = s.action(what+" on "+appName(s.app), func() (_ string, err error) {
		p, err = s.api.SetPlacement(s.ctx, s.app, api.ChangePlacement{Placement: p, Had: &had, Force: force})
		return "", err
	})
	if err == nil {
		s.showPlacement(p)
	}
	if err == nil && !anywhere(p) {
		s.tellReach(p)
		s.warn("Dynos on other hosts are replaced, the new ones before the old. See how far it is: paas ps -a " + s.app)
	}
	return err
}

// tellReach says on which hosts an app may be now, and what cannot be spread.
// The change is made: when the hosts cannot be asked nothing is said.
func (s *session) tellReach(p api.Placement) {
	hosts, err := s.api.Hosts(s.ctx)
	if err != nil {
		return
	}
	var fit []string
	spreads := false
	for _, h := range hosts {
		if meets(h, p) {
			fit = append(fit, h.Name)
			spreads = spreads || h.Labels[p.Spread] != ""
		}
	}
	const most = 5
	names := strings.Join(fit[:min(len(fit), most)], ", ")
	if len(fit) > most {
		names += ", …"
	}
	s.warn(strings.TrimSuffix(fmt.Sprintf("Hosts that meet this: %d of %d: %s", len(fit), len(hosts), names), ": "))
	if p.Spread != "" && !spreads {
		s.warn(fmt.Sprintf("None of them has the label %s yet, over which to spread: paas hosts:label HOST %s=…", p.Spread, p.Spread))
	}
}

// meets says that a host's labels are as all constraints ask.
func meets(h api.Host, p api.Placement) bool {
	return !slices.ContainsFunc(p.Constraints, func(c api.Constraint) bool { return (h.Labels[c.Label] == c.Value) == c.Not })
}
