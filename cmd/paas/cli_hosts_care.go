package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"paas/server/api"
)

// hostCareCommands say what a host may take.
func (c *cli) hostCareCommands() []*cobra.Command {
	cordon := &cobra.Command{
		Use: "hosts:cordon HOST", Short: "let a host take no new dynos (admin)", Args: takes(1, 1),
		Long: "Let a host take no new dynos. What runs on it runs on; to move it away: paas hosts:drain.",
	}
	c.asOperator(cordon, func(s *session, args []string) error {
		on := true
		return s.careForHost("Cordoning", args[0], api.ChangeHost{Cordoned: &on})
	})
	uncordon := &cobra.Command{Use: "hosts:uncordon HOST", Short: "let a host take new dynos again, and end its drain (admin)", Args: takes(1, 1)}
	c.asOperator(uncordon, func(s *session, args []string) error {
		off := false
		return s.careForHost("Uncordoning", args[0], api.ChangeHost{Cordoned: &off, Draining: &off})
	})
	drain := &cobra.Command{
		Use: "hosts:drain HOST", Short: "move a host's dynos away (admin)", Args: takes(1, 1),
		Long: "Move a host's dynos away: each new one is started elsewhere before the old one stops, so nothing is missed. Those that\n" +
			"no other host takes stay, unless a deadline is given: what is left then is stopped.",
	}
	deadline := drain.Flags().Duration("deadline", 0, "stop what is left after this time, as in 10m (default: wait)")
	c.asOperator(drain, func(s *session, args []string) error { return s.drainHost(args[0], *deadline) })
	return []*cobra.Command{cordon, uncordon, drain}
}

func (s *session) careForHost(what, host string, change api.ChangeHost) error {
	return s.action(what+" host "+printable(host), func() (string, error) {
		h, err := s.api.ChangeHost(s.ctx, host, change)
		return "now " + printable(h.State), err
	})
}

func (s *session) drainHost(host string, deadline time.Duration) error {
	if deadline < 0 || deadline > 0 && deadline < time.Second {
		return usagef(s.cmd, "The deadline %s is none: it must be a second or more. Nothing was changed.", deadline)
	}
	on := true
	var h api.Host
	err := s.action("Draining host "+printable(host), func() (_ string, err error) {
		h, err = s.api.ChangeHost(s.ctx, host, api.ChangeHost{Draining: &on, Deadline: int(deadline.Seconds())})
		return "now " + printable(h.State), err
	})
	if err != nil {
		return err
	}
	staying := stayWithData(h.Dynos)
	if n := len(h.Dynos) + h.Others - len(staying); n > 0 {
		s.warn(fmt.Sprintf("Dynos to move: %d, the new ones before the old; what no other host takes stays. See how far it is: paas hosts:info %s", n, h.Name))
	}
	s.tellStaying(h, staying)
	if h.DrainUntil != nil {
		s.warn("What is left at " + stamp(*h.DrainUntil) + " is stopped.")
	}
	s.warn("To take it back: paas hosts:uncordon " + h.Name)
	return nil
}

// stayWithData are the dynos whose data is on their host alone.
func stayWithData(dynos []api.HostDyno) []api.HostDyno {
	return slices.DeleteFunc(slices.Clone(dynos), func(d api.HostDyno) bool { return d.Volume == "" })
}

// tellStaying says which dynos a drain does not move, and what may be done.
func (s *session) tellStaying(h api.Host, staying []api.HostDyno) {
	if len(staying) == 0 {
		return
	}
	s.warn("These stay, for the data of their volume is on " + printable(h.Name) + " and nowhere else:")
	const most = 20
	for _, d := range staying[:min(len(staying), most)] {
		s.warn(fmt.Sprintf("  %s of %s, volume %s", printable(d.Name), printable(d.App), printable(d.Volume)))
	}
	if n := len(staying) - most; n > 0 {
		s.warn(fmt.Sprintf("  and %d more", n))
	}
	if h.DrainUntil == nil {
		s.warn("They run on here. Leave them, or stop them at a time (--deadline 10m): they wait for the host then. What an app can do without goes by paas volumes:detach VOLUME -a APP.")
		return
	}
	s.warn("They are stopped at the deadline, and wait for the host to be taken back. Their data stays.")
}
