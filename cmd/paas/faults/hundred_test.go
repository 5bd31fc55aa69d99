package faults

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/bench/report"
	"paas/cmd/paas/platformtest"
	"paas/scheduler/agent/machinetest"
)

const many = 100 // dynos on three hosts

// A hundred dynos on three hosts, from the word to the last that serves. As a
// benchmark (make bench-hosts) three times, and next to each what the engines
// take for as many containers of the same kind when nobody else is at work: what
// no control plane can go below.
func TestHundredDynos(t *testing.T) {
	platformtest.Thorough(t)
	s := newScene(t, 3)
	s.app(t, "shop", 3) // the image is on every host
	s.scale(t, 3)
	path := os.Getenv("PAAS_BENCH")
	if path == "" {
		s.hundred(t)
		return
	}
	var list series
	for range 3 {
		for _, n := range []int{1, 2, 4, 8} {
			list.alone(n, s.floor(t, "shop", many, n))
		}
		list.ours(s.hundred(t))
		s.scale(t, 3)
	}
	if err := report.Write(path, list.result(s)); err != nil {
		t.Error(err)
	}
}

// work is what one of the tasks took.
type work struct{ running, routed, cpu time.Duration }

// hundred makes no dynos a hundred and says when all ran and when all had
// answered through the router.
func (s *scene) hundred(t *testing.T) (w work) {
	t.Helper()
	s.scale(t, 0)
	began, cpu := time.Now(), busy()
	s.must(t, "ps:scale", fmt.Sprintf("web=%d:Tiny", many), "-a", "shop")
	machinetest.Await(t, 3*time.Minute, "100 containers", func() bool { return s.containers() >= many })
	w.running = time.Since(began)
	lives := map[string]bool{}
	machinetest.Await(t, 2*time.Minute, "100 dynos routed", func() bool {
		s.meet("shop", lives)
		return len(lives) >= many
	})
	w.routed, w.cpu = time.Since(began), busy()-cpu
	fmt.Printf("BENCH hundred-dynos running=%s routed=%s cpu=%s\n", ms(w.running), ms(w.routed), ms(w.cpu))
	return w
}

// meet asks a hundred times, four at once, and adds who answered. The router
// picks at random: all of a hundred dynos are met after some five hundred requests.
func (s *scene) meet(app string, lives map[string]bool) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			met := s.lives(app, many/4)
			mu.Lock()
			defer mu.Unlock()
			for _, life := range met {
				lives[life] = true
			}
		})
	}
	all.Wait()
}

// scale leaves n small dynos, and waits for that.
func (s *scene) scale(t *testing.T, n int) {
	t.Helper()
	s.must(t, "ps:scale", fmt.Sprintf("web=%d:Tiny", n), "-a", "shop")
	// Those of another size are replaced one after the other: old and new are more than n.
	machinetest.Await(t, 3*time.Minute, fmt.Sprint(n, " dynos"), func() bool {
		return s.containers() == n && (n == 0 || len(s.lives("shop", 4*n)) == n)
	})
}

// containers are those that run on all hosts.
func (s *scene) containers() (n int) {
	for _, h := range s.hosts {
		n += h.Containers()
	}
	return n
}

// series are the measurements of a benchmark.
type series struct {
	running, routed, cpu []time.Duration
	floors               map[int][]time.Duration // by how many each engine was asked for at once
	floorCPU             map[int][]time.Duration
}

func (l *series) ours(w work) {
	l.running, l.routed, l.cpu = append(l.running, w.running), append(l.routed, w.routed), append(l.cpu, w.cpu)
}

func (l *series) alone(atOnce int, w work) {
	if l.floors == nil {
		l.floors, l.floorCPU = map[int][]time.Duration{}, map[int][]time.Duration{}
	}
	l.floors[atOnce], l.floorCPU[atOnce] = append(l.floors[atOnce], w.running), append(l.floorCPU[atOnce], w.cpu)
	fmt.Printf("BENCH engines-alone at-once=%d running=%s cpu=%s\n", atOnce, ms(w.running), ms(w.cpu))
}

// result is what is kept.
func (l *series) result(s *scene) map[string]any {
	alone, aloneCPU := map[string]report.Spread{}, map[string]report.Spread{}
	for n, took := range l.floors {
		alone[strconv.Itoa(n)], aloneCPU[strconv.Itoa(n)] = report.SpreadOf(took), report.SpreadOf(l.floorCPU[n])
	}
	engine, _ := s.hosts[0].Docker("version", "--format", "{{.Server.Version}}")
	return map[string]any{
		"running_ms": report.SpreadOf(l.running), "routed_ms": report.SpreadOf(l.routed), "machine_cpu_ms": report.SpreadOf(l.cpu),
		"engines_alone_ms": alone, "engines_alone_machine_cpu_ms": aloneCPU,
		"hosts": len(s.hosts), "dynos": many, "docker": engine,
		"machine": report.Machine(), "at": time.Now().UTC().Format(time.RFC3339),
	}
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// busy is the time that the machine's cores have worked, for whomever.
func busy() (sum time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	platformtest.Must(err)
	line, _, _ := strings.Cut(string(text), "\n") // "cpu user nice system idle iowait irq softirq steal …"
	const tick = 10 * time.Millisecond
	for i, word := range strings.Fields(line) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err == nil && i > 0 && i < 8 && i != 4 && i != 5 { // not idle, not waiting for a disk
			sum += time.Duration(n) * tick
		}
	}
	return sum
}
