package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// RouterConfig says what is to be looked at on a router's machine.
type RouterConfig struct {
	DataDir string
	Joined  *Joined // nil: its own process asks
	Listen  []string
	// Clock gives how far this machine's clock is ahead of the control plane's.
	Clock func(ctx context.Context) (ahead time.Duration, err error)
	// Table is the routing table that is kept on disk, and the newest one; nil: it
	// is not looked at.
	Table func(ctx context.Context) (Table, error)
	// Timeout bounds each thing that is asked; 5 s.
	Timeout time.Duration
}

// Table is a router's routing table.
type Table struct {
	Have, Newest string   // versions; empty: none yet, not known
	Dynos        []string // host:port, one of each host
}

// RunRouter makes every check that matters for a router. It changes nothing.
func RunRouter(ctx context.Context, c RouterConfig) Report {
	cfg := Config{DataDir: c.DataDir, Timeout: c.Timeout}.withDefaults()
	data := statDataDir(cfg.DataDir)
	build := readBuild()
	results := c.Joined.checks(ctx, cfg)
	ahead, err := askClock(ctx, cfg, c.Clock)
	results = append(results, checkClock(ahead, err), checkKernel(readKernel()), ofRouter(checkDataDir(data)), ofRouter(checkDisk(statDisk(data.nearest))))
	if c.Table != nil {
		limited, cancel := context.WithTimeout(ctx, cfg.Timeout)
		t, err := c.Table(limited)
		cancel()
		results = append(results, checkTable(t, err), checkWays(len(t.Dynos), dialAll(ctx, cfg, t.Dynos)))
	}
	for _, addr := range c.Listen {
		results = append(results, ofRouter(checkPort(tryListen(ctx, addr), c.Joined == nil || isHeld(c.Joined.Lock))))
	}
	results = append(results, checkGo(build.goVersion))
	return report(append(results, checkModules(build)...))
}

// ofRouter says the same of a router's machine.
func ofRouter(r Result) Result {
	for _, s := range []*string{&r.Found, &r.Cause, &r.Next} {
		*s = strings.NewReplacer("standalone makes it", "joining makes it", "standalone keeps everything below it", "the router keeps there who it is",
			"keys and releases of every app lie below", "who can write there is this router", "standalone cannot", "the router cannot", "give standalone", "give the router",
			fmt.Sprintf("from %d %% on pushes are refused; apps go on running", diskFail), "a new routing table may find no room, and deploys wait for this router then",
			fmt.Sprintf("at %d %% pushes are refused", diskFail), "a routing table needs room to be kept", "docker image prune, or a larger disk", "a larger disk").Replace(*s)
	}
	return r
}

func checkTable(t Table, err error) Result {
	r := Result{Check: "routing table", Status: OK, Found: t.Have + ", the newest"}
	switch {
	case t.Have == "" && err == nil:
		r.Status, r.Found = Warn, "none yet"
		r.Cause, r.Next = "no app is reachable through this router", "paas router"
	case err != nil:
		r.Status, r.Found, r.Cause = Warn, "not known whether "+t.Have+" is the newest", err.Error()
		r.Next = "where paas is logged in: paas routers"
	case t.Newest == "":
		r.Found = t.Have
	case t.Have != t.Newest:
		r.Status, r.Found = Warn, fmt.Sprintf("%s, and the newest is %s", t.Have, t.Newest)
		r.Cause = "deploys wait for this router, or it serves from an older table when it does not run"
		r.Next = "look at the log of paas router; paas routers says since when"
	}
	return r
}

// checkWays: requests go straight to the hosts.
func checkWays(hosts int, silent []string) Result {
	r := Result{Check: "ways to hosts", Status: OK, Found: fmt.Sprintf("a dyno on each of %d answers", hosts)}
	switch {
	case hosts == 0:
		r.Found = "no dynos to reach"
	case len(silent) > 0:
		r.Status, r.Found = Warn, fmt.Sprintf("%d of %d do not answer: %s", len(silent), hosts, strings.Join(silent[:min(len(silent), 5)], ", "))
		r.Cause = "requests go to the other dynos of an app, or are answered with 503"
		r.Next = "let this machine reach the hosts' private addresses at ports 20000 to 31999"
	}
	return r
}

// dialed is how many addresses are tried.
const dialed = 50

// dialAll gives the addresses that take no connection. Nothing is sent.
func dialAll(ctx context.Context, cfg Config, addrs []string) (silent []string) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	for _, addr := range addrs[:min(len(addrs), dialed)] {
		all.Go(func() {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err == nil {
				_ = conn.Close()
				return
			}
			mu.Lock()
			defer mu.Unlock()
			silent = append(silent, addr)
		})
	}
	all.Wait()
	slices.Sort(silent)
	return silent
}
