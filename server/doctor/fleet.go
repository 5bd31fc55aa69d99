package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"paas/server/api"
)

// fleetFacts is what a control plane that runs says of the other machines.
type fleetFacts struct {
	hosts   []api.Host
	routers []api.Router
	servers []serverFacts
	err     error
}

// serverFacts is one of several control planes.
type serverFacts struct {
	api.Server
	asked bool // it is another one than the one on this machine
	ahead time.Duration
	err   error
}

// askFleet reads the lists over the operator's socket, and asks the other
// servers that are heard of for the time.
func askFleet(ctx context.Context, cfg Config, socket string) (f fleetFacts) {
	var servers []api.Server
	for path, into := range map[string]any{"/hosts": &f.hosts, "/routers": &f.routers, "/servers": &servers} {
		status, body, err := get(ctx, cfg, socket, path)
		if err == nil && status != http.StatusOK && status != http.StatusPartialContent {
			err = fmt.Errorf("GET %s answered %d", path, status)
		}
		if err == nil {
			err = json.Unmarshal(body, into)
		}
		if err != nil {
			f.err = cause(err)
			return f
		}
	}
	for _, s := range servers {
		one := serverFacts{Server: s}
		if cfg.Clock != nil && len(servers) > 1 && s.State != api.ServerSilent && s.Address != "" {
			limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
			one.asked = true
			one.ahead, one.err = cfg.Clock(limited, s.Address)
			cancel()
		}
		f.servers = append(f.servers, one)
	}
	return f
}

// checkFleet says of the other machines what is not in order there.
func checkFleet(f fleetFacts) []Result {
	if f.err != nil {
		return []Result{{Check: "hosts and routers", Status: Warn, Found: "unknown", Cause: "the control plane did not list them: " + f.err.Error(), Next: "look at its log"}}
	}
	return append([]Result{checkHosts(f.hosts), checkRouters(f.routers)}, checkServers(f.servers)...)
}

func checkHosts(hosts []api.Host) Result {
	var bad []string
	for _, h := range hosts {
		switch {
		case h.State == api.HostLost:
			bad = append(bad, h.Name+" is lost")
		case h.Silent:
			bad = append(bad, h.Name+" is silent")
		case len(h.Findings) > 0:
			bad = append(bad, fmt.Sprintf("%s: %s", h.Name, firstOf(h.Findings)))
		}
	}
	return checkMachines("hosts", len(hosts), "heard of", "paas hosts:info NAME says all of one", bad)
}

func checkRouters(routers []api.Router) Result {
	var bad []string
	for _, r := range routers {
		switch {
		case r.State != api.RouterReady:
			bad = append(bad, r.Name+" is "+r.State)
		case len(r.Findings) > 0:
			bad = append(bad, fmt.Sprintf("%s: %s", r.Name, firstOf(r.Findings)))
		}
	}
	return checkMachines("routers", len(routers), "serve from the newest table", "paas routers:info NAME says all of one", bad)
}

func firstOf(list []api.Finding) string {
	text := list[0].Check + " " + list[0].Found
	if n := len(list) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}

// checkMachines is one result for all machines of a kind.
func checkMachines(check string, n int, well, next string, bad []string) Result {
	const named = 5
	r := Result{Check: check, Status: OK, Found: fmt.Sprintf("%d, all %s", n, well)}
	switch {
	case n == 0:
		r.Found = "none"
	case len(bad) > 0:
		r.Status, r.Next = Warn, next
		r.Found = fmt.Sprintf("%d, of which %d with something to look at", n, len(bad))
		r.Cause = strings.Join(bad[:min(named, len(bad))], "; ")
		if more := len(bad) - named; more > 0 {
			r.Cause += fmt.Sprintf("; and %d more", more)
		}
	}
	return r
}

// checkServers says nothing when there is one.
func checkServers(servers []serverFacts) (list []Result) {
	if len(servers) < 2 {
		return nil
	}
	for _, s := range servers {
		r := Result{Check: "server " + s.Name, Status: OK, Found: s.State}
		switch {
		case s.State == api.ServerSilent:
			r.Status, r.Cause = Warn, "it was not heard of for some seconds"
			r.Next = "look at it there: paas doctor"
		case s.asked && s.err != nil:
			r.Status, r.Found = Warn, s.State+", but "+s.Address+" was not reached from here"
			r.Cause, r.Next = s.err.Error(), "let the servers reach each other, and see that their clocks agree"
		case s.asked:
			clock := checkClock(s.ahead, nil)
			clock.Check, clock.Found = r.Check, strings.ReplaceAll(s.State+", the clock here is "+clock.Found, "the control plane's", "its")
			clock.Cause = strings.ReplaceAll(clock.Cause, "this host", "this machine")
			r = clock
		}
		list = append(list, r)
	}
	return list
}
