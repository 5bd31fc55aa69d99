package server

import (
	"strings"
	"testing"
	"time"

	"paas/builder"
)

func TestCheckManifest(t *testing.T) {
	p := &Pipeline{cfg: PipelineConfig{Sizes: DefaultSizes()}}
	ok := builder.Manifest{Processes: map[string]string{"web": "x", "worker": "y"},
		Formation: map[string]builder.FormationSpec{"web": {Quantity: new(MaxQuantity), Size: "standard-2x"}},
		Env:       map[string]builder.EnvSpec{"A": {}}}
	if err := p.checkManifest(ok); err != nil || ok.Formation["web"].Size != "Standard-2X" {
		t.Errorf("%+v, %v", ok, err)
	}
	for want, m := range map[string]builder.Manifest{
		"app.json: formation.web.quantity is 101":           {Formation: map[string]builder.FormationSpec{"web": {Quantity: new(101)}}},
		`formation.web.size: there is no size "Huge"`:       {Formation: map[string]builder.FormationSpec{"web": {Size: "Huge"}}},
		`app.json: env: The config var name "PORT"`:         {Env: map[string]builder.EnvSpec{"PORT": {}}},
		`app.json: env: The config var name "__X"`:          {Env: map[string]builder.EnvSpec{"__X": {}}},
		"Procfile: the command of worker has no word in it": {Processes: map[string]string{"worker": `""`}},
	} {
		err := p.checkManifest(m)
		if !IsID(err, ErrInvalid) || !strings.HasPrefix(err.Error(), "Push rejected: ") || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "Nothing was changed") { // the deploy's end says it
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestEnvOfManifest(t *testing.T) {
	env := map[string]builder.EnvSpec{"SET": {Value: new("default")}, "VALUE": {Value: new("v")}, "SECRET": {Generator: "secret"},
		"KEPT": {Generator: "secret"}, "OPTIONAL": {}}
	config := map[string]string{"SET": "mine", "KEPT": "k", "OTHER": "o"}
	var c Content
	got, err := c.takeManifest(builder.Manifest{Env: env}, config, "shop")
	if err != nil || got["SET"] != "mine" || got["VALUE"] != "v" || got["KEPT"] != "k" || got["OTHER"] != "o" || len(got["SECRET"]) != 64 || len(got) != 5 {
		t.Errorf("%q, %v", got, err)
	}
	if len(config) != 3 {
		t.Errorf("the current config was changed: %q", config)
	}
	again, _ := c.takeManifest(builder.Manifest{Env: env}, config, "shop")
	if again["SECRET"] == got["SECRET"] {
		t.Error("a secret came twice")
	}
	_, err = c.takeManifest(builder.Manifest{Env: map[string]builder.EnvSpec{"B": {Required: true}, "A": {Required: true}, "SET": {Required: true}}}, config, "shop")
	if err == nil || !strings.Contains(err.Error(), "requires A, B, not set") || !strings.Contains(err.Error(), "paas config:set A=… B=… -a shop") {
		t.Error(err)
	}
	if _, err = c.takeManifest(builder.Manifest{Env: map[string]builder.EnvSpec{"A": {Value: new(strings.Repeat("x", MaxConfigBytes))}}}, config, "shop"); !IsID(err, ErrInvalid) {
		t.Error("a config over its limit:", err)
	}
}

func TestProcessesOfManifest(t *testing.T) {
	var c Content
	m := builder.Manifest{Processes: map[string]string{"web": "bin/web -p $PORT", "release": "bin/migrate up"},
		Health: map[string]builder.HealthSpec{"web": {Path: "/up", Timeout: 90}}, Crons: []builder.CronSpec{{Command: "x", Schedule: "@daily"}}}
	if _, err := c.takeManifest(m, nil, "shop"); err != nil {
		t.Fatal(err)
	}
	web, release := c.Processes["web"], c.Processes["release"]
	if web.Line != "bin/web -p $PORT" || len(web.Command) != 3 || web.Health.Path != "/up" || len(release.Command) != 2 || len(c.Crons) != 1 {
		t.Errorf("%+v", c)
	}
	if _, err := c.takeManifest(builder.Manifest{}, nil, "shop"); err != nil || len(c.Processes) != 1 || c.Processes["web"].Command != nil {
		t.Errorf("without a Procfile: %+v, %v", c.Processes, err)
	}
	r := Release{Image: Image{Entrypoint: []string{"/app"}, Cmd: []string{"serve"}}, Processes: map[string]Process{"web": web, "plain": {}}}
	if CommandLine(r, "web") != "bin/web -p $PORT" || CommandLine(r, "plain") != "/app serve" {
		t.Error(CommandLine(r, "web"), CommandLine(r, "plain"))
	}
}

func TestTimeouts(t *testing.T) {
	s := AppSettings{BootTimeout: 20, StopTimeout: 40}
	for got, want := range map[time.Duration]time.Duration{
		bootTimeout(builder.HealthSpec{Timeout: 10}, s, time.Minute):  10 * time.Second,
		bootTimeout(builder.HealthSpec{}, s, time.Minute):             20 * time.Second,
		bootTimeout(builder.HealthSpec{}, AppSettings{}, time.Minute): time.Minute,
		stopTimeout(s, 30*time.Second):                                40 * time.Second,
		stopTimeout(AppSettings{}, 30*time.Second):                    30 * time.Second,
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestStateLines(t *testing.T) {
	web := Instance{Type: "web", Ordinal: 1, Command: "bin/web -p $PORT", Reason: "a short reason"}
	again := web
	again.Crashes = 2
	once := web
	once.Type, once.Ordinal, once.OneOff = "run", 1001, true
	for _, c := range []struct {
		t    Transition
		want string
	}{
		{Transition{Instance: web, From: "assigned", To: "starting"}, "Starting process with command `bin/web -p $PORT`"},
		{Transition{Instance: again, From: "assigned", To: "starting"}, "State changed from crashed to starting|Starting process with command `bin/web -p $PORT`"},
		{Transition{Instance: web, From: "starting", To: "up"}, "State changed from starting to up"},
		{Transition{Instance: once, From: "assigned", To: "up"}, "Starting process with command `bin/web -p $PORT`|State changed from starting to up"},
		{Transition{Instance: web, From: "up", To: "crashed", Notes: "Process exited with status 1"}, "Process exited with status 1|State changed from up to crashed"},
		{Transition{Instance: web, From: "starting", To: "crashed"}, "a short reason|State changed from starting to crashed"},
		{Transition{Instance: web, From: "stopping", To: "stopping", Notes: "Stopping all processes with SIGTERM"}, "Stopping all processes with SIGTERM"},
		{Transition{Instance: web, From: "stopping", To: "down", Notes: "a\nb"}, "a|b"},
		{Transition{Instance: once, From: "up", To: "down", Notes: "Process exited with status 0"}, "Process exited with status 0|State changed from up to complete"},
	} {
		var got []string
		for _, l := range stateLines(c.t) {
			if l.Source != "paas" || l.Dyno != instanceName(c.t.Instance.Type, c.t.Instance.Ordinal) {
				t.Errorf("%+v", l)
			}
			got = append(got, l.Text)
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s to %s: %q, want %q", c.t.From, c.t.To, got, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	sizes, err := Sizes([]string{"Large=4G,4,1", "standard-1x=256M,0.5", "Tiny=16m,0.001"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Size{{"Standard-1X", 256 << 20, 500, 25}, DefaultSizes()[1], DefaultSizes()[2], {"Large", 4 << 30, 4000, 1000}, {"Tiny", 16 << 20, 1, 1}}
	if len(sizes) != len(want) {
		t.Fatalf("%+v", sizes)
	}
	for i := range want {
		if sizes[i] != want[i] {
			t.Errorf("%+v, want %+v", sizes[i], want[i])
		}
	}
	for text, want := range map[string]string{
		"Large": "NAME=MEMORY,CPU", "Large=4G": "NAME=MEMORY,CPU", "Large=4G,1,1,1": "NAME=MEMORY,CPU", "La rge=4G,1": "may hold only",
		"=4G,1": "may hold only", "L=4,1": "with K, M, G or T", "L=1K,1": "16M to 64T", "L=999999999T,1": "16M to 64T", "L=65T,1": "16M to 64T", "L=1G,-1": "number of CPUs",
		"L=1G,0": "must be 0.001", "L=1G,0.0001": "number of CPUs", "L=1G,1,2": "cannot reserve more", "L=1G,9999": "must be 0.001 to 1024",
	} {
		if _, err := Sizes([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if _, err := Sizes([]string{"L=1G,1", "l=2G,1"}); err == nil {
		t.Error("a name twice")
	}
}
