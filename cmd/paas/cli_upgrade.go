package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paas/server"
	"paas/server/api"
)

// upgradeFlags are the flags of `paas hosts:upgrade`.
type upgradeFlags struct {
	all            bool
	deadline, wait time.Duration
}

func (c *cli) upgradeCommand() *cobra.Command {
	var f upgradeFlags
	cmd := &cobra.Command{
		Use: "hosts:upgrade [HOST]...", Short: "empty hosts one after the other, for work on the machines (admin)", Args: takes(0, -1),
		Long: "Empty hosts one after the other: drain one, wait until somebody has upgraded or rebooted the machine, let it take dynos\n" +
			"again, wait until it does, then the next. That the machine is done is seen by another version of its agent or Docker\n" +
			"Engine, by a reboot, or by paas hosts:uncordon, typed elsewhere. It stops at the first that does not come back, and\n" +
			"says how to go on; nothing is run on the machines.",
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.all, "all", false, "all hosts but the control plane's own machine")
	fl.DurationVar(&f.deadline, "deadline", 0, "stop what is left on a host after this time, as in 10m (default: wait)")
	fl.DurationVar(&f.wait, "wait", time.Hour, "how long the work on one machine may take")
	c.asOperator(cmd, func(s *session, args []string) error { return s.upgrade(args, f) })
	return cmd
}

func (s *session) upgrade(names []string, f upgradeFlags) error {
	switch {
	case f.all == (len(names) > 0):
		return usagef(s.cmd, "Which hosts? Name them, or give --all. Nothing was changed.")
	case f.deadline < 0 || f.deadline > 0 && f.deadline < time.Second:
		return usagef(s.cmd, "The deadline %s is none: it must be a second or more. Nothing was changed.", f.deadline)
	case f.wait < time.Second:
		return usagef(s.cmd, "--wait %s: must be a second or more. Nothing was changed.", f.wait)
	}
	hosts, err := s.toUpgrade(names)
	if err != nil {
		return err
	}
	for i, h := range hosts {
		fmt.Fprintf(s.err, "%d of %d: %s\n", i+1, len(hosts), printable(h.Name))
		if err := s.upgradeOne(h, f); err != nil {
			var rest []string
			for _, o := range hosts[i:] {
				rest = append(rest, o.Name)
			}
			s.warn("Go on with: paas hosts:upgrade " + strings.Join(rest, " "))
			return err
		}
	}
	fmt.Fprintf(s.err, "Done: %d hosts take dynos again. To spread the load anew: paas hosts:rebalance\n", len(hosts))
	return nil
}

// toUpgrade finds the hosts before anything is done to one.
func (s *session) toUpgrade(names []string) ([]api.Host, error) {
	all, err := s.api.Hosts(s.ctx)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		all = slices.DeleteFunc(all, func(h api.Host) bool { return h.Local || h.State == api.HostInvited })
		if len(all) == 0 {
			return nil, tell("There is no host but the control plane's own machine. Nothing was changed.", "")
		}
		return all, nil
	}
	var hosts []api.Host
	for _, name := range names {
		i := slices.IndexFunc(all, func(h api.Host) bool { return h.Name == name })
		switch {
		case i < 0:
			return nil, tell("Couldn't find the host "+printable(name)+". Nothing was changed.", "See which there are: paas hosts")
		case all[i].Local:
			return nil, tell(printable(name)+" is the control plane's own machine. Nothing was changed.", "Drain it, work on it and take it back: paas hosts:drain "+printable(name))
		case all[i].State == api.HostInvited:
			return nil, tell(printable(name)+" has not joined yet. Nothing was changed.", "")
		case slices.ContainsFunc(hosts, func(h api.Host) bool { return h.Name == name }):
			return nil, usagef(s.cmd, "%s is named twice. Nothing was changed.", printable(name))
		}
		hosts = append(hosts, all[i])
	}
	return hosts, nil
}

// upgradeOne goes on with a host from where it is.
func (s *session) upgradeOne(h api.Host, f upgradeFlags) error {
	if h.State == api.HostLost {
		return tell(printable(h.Name)+" is lost. It is left as it is.", "")
	}
	if h.State != api.HostDraining && h.State != api.HostDrained {
		if err := s.drainHost(h.Name, f.deadline); err != nil {
			return err
		}
	}
	if err := s.awaitEmpty(h.Name); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%[1]s is empty. Work on it now. It goes on when the machine is back with another agent, engine or after a reboot, or with: paas hosts:uncordon %[1]s\n", printable(h.Name))
	now, err := s.awaitHost(h.Name, f.wait, "has not come back otherwise than it was", func(now api.Host) bool {
		return inUse(now) || !now.Silent && now.State != api.HostLost && changed(h, now)
	})
	if err != nil {
		return err
	}
	if !inUse(now) {
		if err := s.takeBack(now, h); err != nil {
			return err
		}
	}
	const settles = 6 * time.Minute // a host that was lost again and again takes nothing for five
	_, err = s.awaitHost(h.Name, settles, "does not take dynos again", func(now api.Host) bool { return now.State == api.HostReady && !now.Silent })
	return err
}

// takeBack says what is other than before, and uncordons.
func (s *session) takeBack(now, was api.Host) error {
	what := "the machine was rebooted"
	switch {
	case now.Agent != was.Agent:
		what = "its agent is " + now.Agent + ", and was " + was.Agent
	case now.Engine != was.Engine:
		what = "its Docker Engine is " + now.Engine + ", and was " + was.Engine
	}
	fmt.Fprintf(s.err, "%s is back: %s\n", printable(now.Name), printable(what))
	off := false
	return s.careForHost("Uncordoning", now.Name, api.ChangeHost{Cordoned: &off, Draining: &off})
}

func changed(a, b api.Host) bool {
	return a.Boot != b.Boot || a.Agent != b.Agent || a.Engine != b.Engine
}

// inUse says that a host takes dynos, or will without anybody's help.
func inUse(h api.Host) bool { return h.State == api.HostReady || h.State == api.HostSettling }

// awaitEmpty waits as long as the drain does.
func (s *session) awaitEmpty(host string) error {
	left := -1
	_, err := s.awaitHost(host, 7*24*time.Hour, "is not empty", func(h api.Host) bool {
		if n := len(h.Dynos) + h.Others; n != left && n > 0 {
			left = n
			fmt.Fprintf(s.err, "%d dynos are left on %s\n", n, printable(host))
		}
		return h.State != api.HostDraining
	})
	return err
}

// awaitHost polls until a host is as it is to be; a control plane that is away
// for a while is waited for.
func (s *session) awaitHost(host string, limit time.Duration, not string, is func(api.Host) bool) (api.Host, error) {
	for began := time.Now(); ; {
		h, err := s.api.Host(s.ctx, host)
		var told *api.Error
		switch {
		case err == nil && is(h):
			return h, nil
		case errors.As(err, &told) && told.ID != string(server.ErrUnavailable):
			return h, err
		case time.Since(began) > limit:
			return h, tell(fmt.Sprintf("%s %s after %s. It stays as it is, and no other host is touched.", printable(host), not, limit), "")
		case !pause(s.ctx, drillPoll):
			return h, tell("Interrupted. "+printable(host)+" stays as it is.", "")
		}
	}
}
