package server

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"
)

func TestOneOffAssignment(t *testing.T) {
	k, err := NewKeyring(make([]byte, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.NewDataKey("app")
	if err != nil {
		t.Fatal(err)
	}
	config, err := k.SealConfig(key, "app", "rel", map[string]string{"A": "config", "B": "config"})
	if err != nil {
		t.Fatal(err)
	}
	env, err := k.SealEnv(key, "app", "run", map[string]string{"B": "run"})
	if err != nil {
		t.Fatal(err)
	}
	c := NewControl(ControlConfig{Image: func(app, digest string) string { return app + "@" + digest }, Subnets: netip.MustParsePrefix("10.0.0.0/16"), SubnetBits: 24},
		nil, k, NewBell(), NewSessions(), nil, slog.New(slog.DiscardHandler))
	pl := Placed{Instance: Instance{ID: "run", AppID: "app", App: "shop", Type: "run", Ordinal: 1001, OneOff: true, State: "assigned"},
		DataKey: key, Config: config, RunEnv: env, Memory: 1 << 30, MilliCPU: 2000, Release: Release{ID: "rel", Version: 7, Image: Image{Digest: "sha256:x"}},
		Run: &Run{ID: "run", Command: "rake", Argv: []string{"rake"}, Attach: true, TTY: true, TimeLimit: time.Hour}}
	a, err := c.assignment(pl)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(a.Name, a.Command, a.OneOff, a.Attach, a.TTY, a.Limit, a.Port, a.Env["A"], a.Env["B"], a.Env["DYNO"], a.Env["PORT"], a.Limits.Memory>>20, a.Limits.MilliCPU)
	if want := "run.1001 [rake] true true true 1h0m0s 0 config run run.1001  1024 2000\n"; got != want {
		t.Errorf("assignment %s, want %s", got, want)
	}
	pl.Run.Argv = []string{}
	if a, err = c.assignment(pl); err != nil || a.Command != nil {
		t.Errorf("the image's own command: %v, %v", a.Command, err)
	}
	pl.Run.ID = "other"
	if _, err = c.assignment(pl); err == nil {
		t.Error("variables sealed for another run were opened")
	}
}
