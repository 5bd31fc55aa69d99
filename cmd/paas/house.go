package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/google/uuid"

	"paas/builder/buildkit"
	"paas/router"
	"paas/scheduler/agent/docker"
	"paas/server"
	"paas/server/child"
	"paas/server/drain"
	"paas/server/failpoint"
	"paas/server/gitd"
	"paas/server/httpd"
	"paas/server/logd"
	"paas/server/postgres"
)

// house is the whole platform in one process. Two floors: the services, which
// stop first, and below them the children they need until the end.
type house struct {
	s    settings
	data *dataDir
	log  *slog.Logger

	services *floor
	ground   *floor

	bell     *server.Bell
	sessions *server.Sessions
	traffic  *server.Traffic
	ahead    *server.Ahead
	meter    *server.Meter
	router   *router.Router
	front    frontDoor
	images   images
	builder  *buildkit.Builder
	// buildkitReady waits for the private buildkitd; nil when it is another's.
	buildkitReady func(context.Context) error

	store   *postgres.Store
	keyring *server.Keyring
	logs    *logd.Store
	repos   *gitd.Repos
	service *server.Service
	ssh     *gitd.Server
	api     *httpd.Server
	runtime *docker.Runtime
	control *server.Control
	fleet   fleetParts
	servers *server.Servers
}

func newHouse(ctx context.Context, s settings, data *dataDir, log *slog.Logger) *house {
	h := &house{s: s, data: data, log: log, bell: server.NewBell(), sessions: server.NewSessions()}
	h.services = newFloor(ctx)
	h.ground = newFloor(context.WithoutCancel(ctx))
	h.traffic, h.meter, h.ahead = server.NewTraffic(h.bell), server.NewMeter(log), server.NewAhead(h.bell)
	failpoint.Enable(s.failpoint)
	return h
}

// open starts everything, the router first: from its snapshot it serves apps
// while the rest is still starting.
func (h *house) open() error {
	steps := []func(context.Context) error{h.tryAddresses, h.openLogs, h.openRouter, h.openRegistry, h.openPostgres, h.openStore, h.openLeader,
		h.openBuilder, h.openServer, h.openControl, h.competeToLead, h.openAgent, h.openDoors, h.openDashboard}
	if h.s.serverOnly {
		steps = []func(context.Context) error{h.tryAddresses, h.openLogs, h.openRegistry, h.openStore, h.openLeader,
			h.openBuilder, h.openServer, h.openControl, h.competeToLead, h.openDoors, h.openDashboard}
	}
	for _, step := range steps {
		if err := step(h.services.ctx); err != nil {
			h.services.cancel(err)
			return err
		}
	}
	return nil
}

// tryAddresses finds one that is taken before anything is started.
func (h *house) tryAddresses(ctx context.Context) error {
	addrs := map[string]string{"--http": h.s.http, "--https": h.s.https, "--registry": h.s.registry}
	if h.s.serverOnly {
		addrs = map[string]string{"--dashboard": h.s.dashboard}
	}
	if h.s.externalRegistry != "" {
		delete(addrs, "--registry")
	}
	addrs["--ssh"], addrs["--api"], addrs["--fleet"] = h.s.ssh, h.s.api, h.s.fleet.addr
	for flag, addr := range addrs {
		if addr == "" {
			continue
		}
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			return portHint(err, flag, addr)
		}
		l.Close()
	}
	return nil
}

// wait blocks until the process is told to stop or a part failed, then stops
// floor by floor.
func (h *house) wait() error {
	<-h.services.ctx.Done()
	h.log.Info("stopping")
	h.services.wg.Wait()
	h.flushMeter()
	if h.store != nil {
		h.store.Close()
	}
	if h.builder != nil {
		_ = h.builder.Close()
	}
	if h.runtime != nil {
		_ = h.runtime.Close()
	}
	h.ground.cancel(nil)
	h.ground.wg.Wait()
	return errors.Join(h.services.failure(), h.ground.failure())
}

func (h *house) openLogs(context.Context) (err error) {
	if h.logs, err = logd.New(logd.Config{Dir: h.data.join("logs"), MaxAge: time.Duration(h.s.logDays) * 24 * time.Hour,
		MaxBytes: int64(h.s.logMB) << 20, TotalBytes: int64(h.s.logTotalMB) << 20}, h.log); err != nil {
		return err
	}
	h.ground.run("logs", h.logs.Run)
	return nil
}

func (h *house) openRouter(context.Context) (err error) {
	h.router, err = router.New(router.Config{
		ID: h.routerID(), HTTPAddr: h.s.http, HTTPSAddr: h.s.https, CertFile: h.s.tlsCert, KeyFile: h.s.tlsKey,
		SnapshotFile: h.data.join("router", "table.json"), Domain: h.s.domain, PlatformHost: h.s.dashboardHost(), Fallback: &h.front,
		Log: func(appID string, at time.Time, line string) {
			h.logs.Append(server.LogLine{AppID: appID, At: at, Source: "paas", Dyno: "router", Text: line})
		},
		Observe: h.meter.Observe,
		Limits:  router.Limits{DrainTimeout: h.s.drainTimeout},
	}, h.traffic, h.log)
	if err != nil {
		return portHint(err, "--http", h.s.http)
	}
	h.services.run("router", h.router.Run)
	return nil
}

func (h *house) openPostgres(ctx context.Context) error {
	if h.s.postgres != "" {
		return nil
	}
	pg, err := child.NewPostgres(ctx, child.PostgresConfig{DataDir: h.data.join("postgres")}, h.log)
	if err != nil {
		return err
	}
	h.ground.run("postgres", pg.Run)
	h.s.postgres = pg.DSN()
	// Whatever keeps it from starting (a full disk), the router serves on.
	for told := ""; ; {
		err := pg.WaitReady(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if err.Error() != told {
			told = err.Error()
			h.log.Error("PostgreSQL does not start; apps are served on, everything else waits for it", "err", err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *house) openStore(ctx context.Context) (err error) {
	h.store, err = postgres.Open(ctx, postgres.Config{DSN: h.s.postgres, Sizes: h.s.sizes, Lease: 9 * time.Second, Server: h.data.cluster})
	if err != nil {
		return err
	}
	// Before the master key is looked at: who changes it then sees this server.
	if err := h.openServers(ctx); err != nil {
		return err
	}
	const name = "master-key-check"
	have, err := h.store.Setting(ctx, name)
	if err != nil {
		return err
	}
	k, check, err := h.data.keyring(have)
	if err != nil {
		return err
	}
	if check != nil {
		err := h.store.SetSetting(ctx, name, check)
		if errors.Is(err, server.ErrStale) {
			return fmt.Errorf("another server was the first on this database; nothing was started.\nReplace %s by that server's, and start this one again", h.data.keyFile().path)
		}
		if err != nil {
			return fmt.Errorf("note the master key: %w", err)
		}
	}
	if err := k.FinishRotation(ctx, h.store, h.data.keyFile()); err != nil {
		return fmt.Errorf("finish the rotation of the master key: %w", err)
	}
	h.keyring = k
	h.services.run("listen", func(ctx context.Context) error { return h.store.Listen(ctx, h.bell.Ring) })
	return nil
}

func (h *house) openServer(ctx context.Context) (err error) {
	if h.repos, err = gitd.NewRepos(h.data.join("repos"), h.store, gitd.Options{Log: h.log}); err != nil {
		return err
	}
	h.services.run("repositories", h.repos.Run)
	p := server.NewPipeline(server.PipelineConfig{Owner: uuid.NewString(), Shared: h.s.serverOnly, BuildTimeout: h.s.buildTimeout,
		BootTimeout: h.s.bootTimeout, MaxBuilds: h.s.maxBuilds, MaxAttempts: 3, Sizes: h.s.sizes, URL: h.s.webURL},
		h.store, h.repos, h, h.keyring, h.traffic, h.bell, h.allLogs(), h.log)
	h.services.run("pipeline", p.Run)
	r := server.NewReconciler(server.ReconcilerConfig{DrainLimit: h.s.drainTimeout + 5*time.Second, Tick: 5 * time.Second,
		Hosts: func(app string) []string { return []string{app + "." + h.s.domain} }, Epoch: h.fleet.leader.Epoch, Say: h.logs.Append, Ahead: h.ahead}, h.store, h.keyring, h.traffic, h.bell, h.log)
	h.services.run("meter", func(ctx context.Context) error { return h.meter.Run(ctx, h.store) })
	crons := server.NewScheduler(server.SchedulerConfig{Size: h.s.sizes[0].Name, Tick: time.Second,
		Late: 5 * time.Minute}, h.store, h.bell, h.log)
	drills := server.NewDrills(h.store, h.traffic, h.meter, h.bell, h.log)
	h.leading(h.fleet.routers.Lead(r.Run), crons.Run, drills.Run, p.Lead)
	h.service, err = server.NewService(ctx, server.ServiceConfig{TokenLife: 90 * 24 * time.Hour,
		MaxSlots: server.Slots(h.s.pool, subnetBits), Domain: h.s.domain, Sizes: h.s.sizes,
		DiskUsed: func() (int, error) { return diskUsed(h.data.path) }, Keys: h.data.keyFile(), Drains: &drain.Guard{Allow: h.s.drainNets}, Meter: h.meter,
		Fleet: h.fleetAddress, Server: h.data.cluster, Reach: h.s.fleet.publish, Routers: h.fleet.routers, VolumeDrivers: h.s.fleet.drivers},
		h.store, h.repos, h.keyring, h.bell, h.sessions, h.allLogs(), p, h.log)
	if err != nil {
		return err
	}
	return h.openDrains(ctx)
}

// openControl makes what agents speak to, in this process and on other machines.
func (h *house) openControl(context.Context) error {
	h.control = server.NewControl(server.ControlConfig{
		Image:   func(appID, digest string) string { return h.images.addr + "/" + appID + "@" + digest },
		Subnets: h.s.pool, SubnetBits: subnetBits, BootTimeout: h.s.bootTimeout, Grace: h.s.stopTimeout, Epoch: h.fleet.leader.Epoch,
		Host: func(app string) string { return app + "." + h.s.domain }, Meter: h.meter, Placed: h.traffic.Place, Ahead: h.ahead,
	}, h.store, h.keyring, h.bell, h.sessions, h.allLogs(), h.log)
	return h.openFleet(h.control)
}

func (h *house) openDoors(ctx context.Context) (err error) {
	push := pusher{service: h.service, store: h.store, apiURL: h.s.clientURL(nil), socket: h.data.join("run", "paas.sock"), log: h.log}
	logKey, err := h.keyring.Shared(ctx, h.store, "log-session-key", randomKey)
	if err != nil {
		return err
	}
	api, err := httpd.New(httpd.Config{Addr: h.s.api, LogKey: logKey, Forward: h.forwardAPI(), CertFile: h.s.tlsCert, KeyFile: h.s.tlsKey, SocketPath: h.data.join("run", "paas.sock"),
		APIURL: h.s.apiURL, DashboardURL: h.s.dashboardURL(), WebURL: h.s.webURL, GitURL: func(app string) string { return h.s.gitURL(h.ssh.Addr(), app) },
		Version: versionInfo(), Sizes: h.s.sizes, Ready: h.store.Ping}, h.service, h.log)
	if err != nil {
		return portHint(err, "--api", h.s.api)
	}
	h.api = api
	h.fleet.api.Store(api)
	push.apiURL = h.s.clientURL(api.Addr())
	key, err := h.keyring.Shared(ctx, h.store, "ssh-host-key", h.before("ssh_host_ed25519_key", gitd.NewHostKey, gitd.CheckHostKey))
	if err != nil {
		return err
	}
	h.ssh, err = gitd.New(gitd.Config{Addr: h.s.ssh, HostKey: key}, h.repos, push, h.log)
	if err != nil {
		_ = api.Close()
		return portHint(err, "--ssh", h.s.ssh)
	}
	h.services.run("ssh", h.ssh.Run)
	h.services.run("api", h.api.Run)
	return nil
}

// portHint says what to do about an address that is taken.
func portHint(err error, flag, addr string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("the address %s is in use by another program; nothing was started.\nFind it with: ss -ltnp, or choose another address with %s: %w", addr, flag, err)
	}
	return err
}
