package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"paas/server"
	"paas/server/fleet"
	"paas/server/httpd"
)

// startPatience is how long the start of a server waits for a database that
// takes no writes.
const startPatience = 30 * time.Second

// openServers tells the other servers on the database of this one.
func (h *house) openServers(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("name of this machine: %w", err)
	}
	h.servers = server.NewServers(server.ServerEntry{ID: h.data.cluster, Name: cmp.Or(h.s.name, host), Seat: bootID() + " " + h.data.path,
		Addr: h.s.fleet.reach(h.s.fleet.addr, h.s.domain)}, h.store, h.log)
	patience := time.Duration(0)
	if h.s.serverOnly { // nothing can do without it here: the database may be on its way back
		patience = startPatience
	}
	err = server.Patiently(ctx, patience, func() error { return h.servers.Beat(ctx) })
	switch {
	case err == nil:
	case h.s.serverOnly || server.IsID(err, server.ErrConflict):
		return fmt.Errorf("tell the other servers of this one: %w", err)
	default: // it is alone, most likely, and its router is to serve whatever the disk is like
		h.log.Warn("tell the other servers of this one; trying on", "err", err)
	}
	if h.s.serverOnly { // no dyno runs beside this one: not those either that ran beside it until now
		if err := server.Patiently(ctx, patience, func() error { return h.store.DisownHosts(ctx) }); err != nil {
			return fmt.Errorf("make this machine a host like others: %w", err)
		}
	}
	h.services.run("servers", h.servers.Run)
	return nil
}

// before gives a secret that this installation kept in a file before there were
// several servers; one that has no such file makes it. A file that is damaged is
// found before what it holds becomes everybody's.
func (h *house) before(file string, first func() ([]byte, error), check func([]byte) error) func() ([]byte, error) {
	return func() ([]byte, error) {
		path := h.data.join(file)
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return first()
		}
		if err == nil {
			err = check(text)
		}
		if err != nil {
			return nil, fmt.Errorf("take over %s: %w; nothing was changed: restore that file from your backup and start again", path, err)
		}
		return text, nil
	}
}

// openDashboardDoor serves the dashboard where no router leads to it.
func (h *house) openDashboardDoor(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return portHint(err, "--dashboard", addr)
	}
	ln = httpd.Limited(ln)
	srv := &http.Server{Handler: soonRead(h.forward().Handler(fleet.DoorDashboard, &h.front)), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)}
	if h.s.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(h.s.tlsCert, h.s.tlsKey)
		if err != nil {
			return errors.Join(fmt.Errorf("dashboard: load certificate: %w", err), ln.Close())
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	h.services.run("dashboard's door", func(ctx context.Context) error { return serveUntil(ctx, srv, ln) })
	return nil
}

// soonRead gives a request's body a minute to come.
func soonRead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute)) // without it the body is bounded in size all the same
		}
		next.ServeHTTP(w, r)
	})
}

// serveUntil serves until ctx ends; what is under way then has a moment.
func serveUntil(ctx context.Context, srv *http.Server, ln net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := srv.Shutdown(limited)
	if err != nil {
		err = srv.Close()
	}
	<-served
	return err
}

// randomKey is what servers sign with.
func randomKey() ([]byte, error) {
	key := make([]byte, 32)
	rand.Read(key)
	return key, nil
}

// forward gives what this server does not do itself to the one that leads.
func (h *house) forward() *fleet.Forward {
	if h.fleet.forward == nil {
		h.fleet.forward = fleet.NewForward(fleet.NewPeers(h.servers.Self(), h.fleet.auth), h.servers, h.fleet.leader.Epoch, h.log)
	}
	return h.fleet.forward
}

// forwardAPI is nil where there is one server only.
func (h *house) forwardAPI() func(operator bool, local http.Handler) http.Handler {
	if !h.s.serverOnly {
		return nil
	}
	return func(operator bool, local http.Handler) http.Handler {
		door := fleet.DoorAPI
		if operator {
			door = fleet.DoorOperator
		}
		return h.forward().Handler(door, local)
	}
}

// behind is what other servers, and routers that ask for the dashboard, find
// behind this one's doors while it leads.
func (h *house) behind() func(door string) http.Handler {
	if h.s.serverOnly {
		h.fleet.logDoor = fleet.LogDoor(h.logs)
	}
	return func(door string) http.Handler {
		api := h.fleet.api.Load()
		switch {
		case door == fleet.DoorDashboard:
			return &h.front
		case door == fleet.DoorLogs:
			return h.fleet.logDoor
		case api == nil || !h.s.serverOnly:
			return nil
		}
		return api.Handler(door == fleet.DoorOperator)
	}
}
