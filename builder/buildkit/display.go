package buildkit

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	digest "github.com/opencontainers/go-digest"
)

const (
	indent = "       "
	// A step that ends sooner is shown when it has ended: only then is it known
	// whether it came from the cache.
	showAfter = 250 * time.Millisecond
	// A step that took longer gets a line with its time.
	worthTelling = time.Second
	maxStepName  = 160 // characters
)

// display turns BuildKit's progress into lines for the pusher, as they happen.
type display struct {
	mu    sync.Mutex
	out   io.Writer
	left  int64 // bytes until the marker
	steps map[digest.Digest]*step
	order []*step // started, not shown yet
	last  *step   // whose lines were written last
}

// step is one instruction of the Dockerfile.
type step struct {
	name  string // "[2/5] RUN go build"
	shown bool
	ended bool
	log   lineCutter
}

func newDisplay(out io.Writer, limit int64) *display {
	return &display{out: out, left: limit, steps: map[digest.Digest]*step{}}
}

// follow shows a solve until its channel is closed.
func (d *display) follow(status <-chan *client.SolveStatus) {
	tick := time.NewTicker(showAfter)
	defer tick.Stop()
	d.restart()
	for {
		select {
		case s, ok := <-status:
			if !ok {
				d.finish()
				return
			}
			d.update(s)
		case <-tick.C:
			d.showWaiting()
		}
	}
}

// restart forgets the steps of an attempt before.
func (d *display) restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.steps, d.order, d.last = map[digest.Digest]*step{}, nil, nil
}

// line writes a line of the builder's own.
func (d *display) line(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.print(text)
}

func (d *display) update(s *client.SolveStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range s.Vertexes {
		d.start(v)
	}
	for _, l := range s.Logs {
		if st := d.steps[l.Vertex]; st != nil {
			st.log.write(l.Data, func(line string) { d.logLine(st, line) })
		}
	}
	for _, v := range s.Vertexes {
		d.end(v)
	}
}

// start notes an instruction that has begun. What BuildKit does on its own
// account ("[internal] …", the export) is not shown.
func (d *display) start(v *client.Vertex) {
	if v.Started == nil || d.steps[v.Digest] != nil ||
		!strings.HasPrefix(v.Name, "[") || strings.HasPrefix(v.Name, "[internal]") {
		return
	}
	st := &step{name: stepName(v.Name)}
	d.steps[v.Digest] = st
	d.order = append(d.order, st)
}

func (d *display) end(v *client.Vertex) {
	st := d.steps[v.Digest]
	if st == nil || st.ended || v.Completed == nil {
		return
	}
	st.ended = true
	st.log.flush(func(line string) { d.logLine(st, line) })
	took := v.Completed.Sub(*v.Started)
	switch {
	case v.Cached && !st.shown:
		st.shown = true
		d.last = st
		d.print(st.name + " CACHED")
	default:
		d.show(st)
		if took >= worthTelling && v.Error == "" {
			d.print(fmt.Sprintf("%s done in %.1fs", tag(st.name), took.Seconds()))
		}
	}
}

// showWaiting shows the steps that have been running for a while.
func (d *display) showWaiting() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, st := range d.order {
		d.show(st)
	}
	d.order = nil
}

func (d *display) finish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, st := range d.steps {
		st.log.flush(func(line string) { d.logLine(st, line) })
	}
}

func (d *display) show(st *step) {
	if st.shown {
		return
	}
	st.shown = true
	d.last = st
	d.print(st.name)
}

// logLine writes what an instruction printed. Steps run side by side: when
// another one spoke in between, its name is repeated.
func (d *display) logLine(st *step, line string) {
	d.show(st)
	if d.last != st {
		d.last = st
		d.print(st.name + " (continued)")
	}
	d.print(line)
}

func (d *display) print(text string) {
	if d.left < 0 {
		return
	}
	line := indent + text + "\n"
	d.left -= int64(len(line))
	if d.left < 0 {
		line = indent + "[the rest of the build's output is not shown]\n"
	}
	// The pusher may be gone; the build goes on.
	_, _ = io.WriteString(d.out, line)
}

// tag is the "[2/5]" of a step's name.
func tag(name string) string {
	if i := strings.Index(name, "]"); i > 0 {
		return name[:i+1]
	}
	return name
}

func stepName(name string) string {
	name = strings.Join(strings.Fields(cleanLine(name)), " ")
	if runes := []rune(name); len(runes) > maxStepName {
		name = string(runes[:maxStepName-1]) + "…"
	}
	return name
}
