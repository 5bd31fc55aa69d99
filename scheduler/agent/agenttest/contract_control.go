package agenttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/scheduler/agent"
)

// TestControl checks what an agent may rely on in its control plane,
// whatever lies between the two. connect gives the agent's side of plane for a
// host of that name.
func TestControl(t *testing.T, connect func(t *testing.T, plane *Control, host string) agent.Control) {
	for name, test := range map[string]func(*testing.T, *wire){
		"sets":                     setsArrive,
		"reports":                  reportsAreTaken,
		"lines":                    linesArrive,
		"figures":                  figuresArrive,
		"session":                  sessionEchoes,
		"session without input":    sessionWithoutInput,
		"session that fails":       sessionFails,
		"half an input":            brokenInput,
		"input nobody reads":       unreadInput,
		"output nobody takes":      untakenOutput,
		"input nobody wants":       unwantedInput,
		"the window size":          sizesArrive,
		"many sessions":            manySessions,
		"a client that has gone":   goneBefore,
		"much output":              muchOutput,
		"words after the farewell": wordsAfterEnd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plane := NewControl()
			w := &wire{plane: plane, host: "host-1"}
			w.agent = connect(t, plane, w.host)
			w.sets = w.agent.Watch(t.Context(), w.host)
			w.sessions = w.agent.Sessions(t.Context(), w.host)
			test(t, w)
		})
	}
}

// wire is a control plane and what an agent has of it.
type wire struct {
	plane    *Control
	host     string
	agent    agent.Control
	sets     <-chan []agent.Assignment
	sessions <-chan agent.Session
}

const wireLimit = 20 * time.Second

func next[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(wireLimit):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// own gives the host an instance, which it may then speak of.
func (w *wire) own(t *testing.T, id string) agent.Assignment {
	a := agent.Assignment{ID: id, AppID: "app-1", App: "shop", Name: "web.1", Image: "127.0.0.1:5500/app-1@sha256:00"}
	w.plane.Set(a)
	next(t, w.sets, "the set")
	return a
}

func setsArrive(t *testing.T, w *wire) {
	a := agent.Assignment{
		ID: "1", AppID: "app-1", App: "shop", Name: "web.1", Release: 3, Image: "127.0.0.1:5500/app-1@sha256:00", Command: []string{},
		Env: map[string]string{"PORT": "8080", "RAW": "\xff\x00\n"}, Port: 8080,
		Probe:   agent.Probe{Path: "/health", Host: "shop.example", Deadline: time.Minute},
		Network: agent.Network{Name: "net", Subnet: "10.1.2.0/26"}, Limits: agent.Limits{Memory: 1 << 40, MilliCPU: 500, Pids: 9},
		Grace: 30 * time.Second, Files: []agent.File{{Path: "/etc/x", Content: []byte{0, 255}}},
	}
	b := agent.Assignment{ID: "2", Stop: true, OneOff: true, Attach: true, TTY: true, Limit: time.Hour, Command: []string{"a\xfe", ""}}
	w.plane.Set(a, b)
	got := next(t, w.sets, "the set")
	if want := []agent.Assignment{a, b}; len(got) != 2 || !alike(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
	if got[0].Command == nil || got[1].Env != nil {
		t.Error("what is empty and what is not there are not kept apart")
	}
	w.plane.Set()
	if got := next(t, w.sets, "the empty set"); len(got) != 0 {
		t.Errorf("%#v", got)
	}
}

// alike compares but for the registry's address, which is each host's own.
func alike(got, want []agent.Assignment) bool {
	for i := range got {
		_, image, _ := strings.Cut(got[i].Image, "/")
		_, wanted, _ := strings.Cut(want[i].Image, "/")
		g, w := got[i], want[i]
		g.Image, w.Image = image, wanted
		if fmt.Sprintf("%#v", g) != fmt.Sprintf("%#v", w) {
			return false
		}
	}
	return true
}

func reportsAreTaken(t *testing.T, w *wire) {
	w.own(t, "1")
	// A control plane may want to know the machine first: what is said before is said again.
	sayAgain(t, w, agent.Status{ID: "1", State: agent.Starting, Addr: "10.0.0.1:80"})
	w.plane.Refuse(1)
	s := agent.Status{ID: "1", State: agent.Crashed, Addr: "10.0.0.1:80", ExitCode: 137, OOM: true, Reason: "why", Platform: true, Notes: "a\nb", Halted: true, At: time.Now().Round(0)}
	if err := w.agent.Report(t.Context(), w.host, []agent.Status{s}); err == nil {
		t.Error("a report that was not stored was taken")
	}
	if err := w.agent.Report(t.Context(), w.host, []agent.Status{s, {ID: "1", State: agent.Stopped}}); err != nil {
		t.Fatal(err)
	}
	got := w.plane.Statuses("1")[1:]
	if len(got) != 2 || got[1].State != agent.Stopped || !got[0].At.Equal(s.At) {
		t.Fatalf("%+v", got)
	}
	got[0].At, s.At = time.Time{}, time.Time{}
	if got[0] != s {
		t.Errorf("got  %+v\nwant %+v", got[0], s)
	}
}

// sayAgain reports until it is stored, as an agent does.
func sayAgain(t *testing.T, w *wire, s agent.Status) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		err := w.agent.Report(t.Context(), w.host, []agent.Status{s})
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the first report:", err)
		}
	}
}

func linesArrive(t *testing.T, w *wire) {
	a := w.own(t, "1")
	if at := w.agent.LogCursor("1"); !at.IsZero() {
		t.Error("a cursor before the first line:", at)
	}
	began := time.Now().Round(0)
	var list []agent.Line
	for i := range 5000 {
		list = append(list, agent.Line{AppID: a.AppID, Instance: "1", Name: a.Name, At: began.Add(time.Duration(i)), Text: fmt.Sprintf("line %06d \xff", i), Platform: i%2 == 0})
	}
	for part := range slices.Chunk(list, 1024) {
		w.agent.Log(part)
	}
	got := w.plane.Lines("1")
	InOrder(t, got)
	if len(got) != len(list) || got[7].Text != list[7].Text || got[7].AppID != a.AppID || got[7].Name != a.Name || !got[8].Platform || got[7].Platform {
		t.Fatalf("%d lines, %+v", len(got), got[7])
	}
	if at := w.agent.LogCursor("1"); !at.Equal(list[4999].At) {
		t.Error("the cursor is at", at)
	}
}

func figuresArrive(t *testing.T, w *wire) {
	a := w.own(t, "1")
	u := agent.Usage{Instance: "1", AppID: a.AppID, Name: a.Name, CPU: time.Second, MilliCPU: 5, Memory: 6, MemoryLimit: 7}
	w.agent.Usage(w.host, time.Now(), []agent.Usage{u})
	if got := w.plane.AwaitUsage(t, "1", func(agent.Usage) bool { return true }); got != u {
		t.Errorf("%+v", got)
	}
	w.agent.Beat(w.host, agent.Beat{At: time.Now(), Engine: true})
	w.plane.Await(t, "a beat", func() bool {
		return slices.ContainsFunc(w.plane.Beats(), func(b agent.Beat) bool { return b.Engine })
	})
}
