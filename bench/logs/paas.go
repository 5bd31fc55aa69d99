package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"time"

	"paas/server"
	"paas/server/httpd"
	"paas/server/logd"
)

// rows are the accounts and apps of the measurement. Nothing of what is
// measured is in a database, so there is none.
type rows struct {
	server.Store
	account server.Account
}

func (r rows) EnsureAccount(context.Context, string, bool) (server.Account, error) {
	return r.account, nil
}
func (r rows) Account(context.Context, string) (server.Account, error) { return r.account, nil }
func (r rows) AccountByToken(context.Context, []byte) (server.Account, server.Token, error) {
	return r.account, server.Token{AccountID: r.account.ID}, nil
}
func (r rows) CreateToken(_ context.Context, t server.Token) (server.Token, error) { return t, nil }
func (r rows) TokenLives(context.Context, string) (bool, error)                    { return true, nil }
func (r rows) App(_ context.Context, ident string) (server.App, error) {
	return server.App{ID: ident, Name: ident, OwnerID: r.account.ID}, nil
}

// paas measures the platform.
func (b *bench) paas(ctx context.Context, rate int, length time.Duration, profile string) (m measured, err error) {
	dir, err := os.MkdirTemp("", "paas-bench-")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	quiet := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	logs, err := logd.New(logd.Config{Dir: filepath.Join(dir, "logs")}, quiet)
	if err != nil {
		return m, err
	}
	store := rows{account: server.Account{ID: "00000000-0000-4000-8000-000000000001", Email: "bench@localhost", Admin: true}}
	svc, err := server.NewService(ctx, server.ServiceConfig{TokenLife: time.Hour}, store, nil, nil, server.NewBell(), server.NewSessions(), logs, nil, quiet)
	if err != nil {
		return m, err
	}
	secret, _, err := svc.Login(ctx, svc.Operator())
	if err != nil {
		return m, err
	}
	name := func(app string) string { return app }
	api, err := httpd.New(httpd.Config{Addr: "127.0.0.1:0", WebURL: name, GitURL: name}, svc, quiet)
	if err != nil {
		return m, err
	}
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, part := range []func(context.Context) error{logs.Run, api.Run} {
		wg.Go(func() { _ = part(running) })
	}
	defer wg.Wait()
	defer stop()
	warmed := make([]server.LogLine, b.apps)
	for n := range b.apps {
		warmed[n] = entry(n, warmUp)
	}
	logs.Append(warmed...)
	var use usage
	m, err = b.child(ctx, "http://"+api.Addr().String()+" "+secret, func() (err error) {
		defer begun(profile)(&err)
		use = used(os.Getpid())
		m.Sent, err = load(ctx, b.apps, rate, length, func(app int, texts []string) error {
			lines := make([]server.LogLine, len(texts))
			for i, t := range texts {
				lines[i] = entry(app, t)
			}
			logs.Append(lines...)
			return nil
		})
		use = used(os.Getpid()).since(use)
		return err
	})
	m.finish(fmt.Sprintf("paas at %d/s", rate), int(float64(rate/b.apps)*length.Seconds())*b.apps, use, length)
	return m, err
}

func entry(app int, text string) server.LogLine {
	return server.LogLine{AppID: appName(app), At: time.Now(), Source: "app", Dyno: "web.1", Instance: "i-" + appName(app), Text: text}
}

// begun starts a CPU profile, if one is wanted, and gives what ends it.
func begun(path string) func(*error) {
	if path == "" {
		return func(*error) {}
	}
	f, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	return func(to *error) {
		pprof.StopCPUProfile()
		*to = errors.Join(*to, err, f.Close())
	}
}
