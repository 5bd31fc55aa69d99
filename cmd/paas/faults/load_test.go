package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// answer is what became of one request.
type answer struct {
	began time.Time
	took  time.Duration
	life  string // of the process that answered
	err   error  // of the first try
	again error  // of the second, when the first failed
}

// load asks an app all the time, each time on a new connection, as many people
// with browsers do that try again once.
type load struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
	began  time.Time

	mu  sync.Mutex
	all []answer
}

const slow = 500 * time.Millisecond // an answer that people notice

func (p *platform) load(t *testing.T, app string, people int) *load {
	return newLoad(t, people, func() (string, error) { return p.get(app) })
}

// newLoad is one of people that ask by get.
func newLoad(t *testing.T, people int, get func() (life string, err error)) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel, began: time.Now()}
	for range people {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				l.ask(get)
				select {
				case <-time.After(20 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); l.wg.Wait() })
	return l
}

func (l *load) ask(get func() (string, error)) {
	a := answer{began: time.Now()}
	a.life, a.err = get()
	a.took = time.Since(a.began)
	if a.err != nil {
		a.life, a.again = get()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, a)
}

func (p *platform) get(app string) (life string, err error) { return get(p.http, app) }

// get asks a router once, for an app or, as in "shop/ask/billing", a path of one;
// an error is also an answer that is not the app's.
func get(router, app string) (life string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	app, path, _ := strings.Cut(app, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+router+"/"+path, nil)
	if err != nil {
		return "", err
	}
	req.Host, req.Close = app+".localhost", true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(body))
	if resp.StatusCode != http.StatusOK || len(words) != 3 {
		return "", fmt.Errorf("status %d: %.200s", resp.StatusCode, body)
	}
	return words[2], nil
}

// lives are the processes that answer n requests.
func (p *platform) lives(app string, n int) []string {
	var out []string
	for range n {
		if life, err := p.get(app); err == nil && !slices.Contains(out, life) {
			out = append(out, life)
		}
	}
	return out
}

// newcomer is the time until a process answered that had not before.
func (l *load) newcomer(since time.Time, known []string) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.all {
		if a.life != "" && a.began.After(since) && !slices.Contains(known, a.life) {
			return a.began.Add(a.took).Sub(since), true
		}
	}
	return 0, false
}

// seen are all processes that answered so far.
func (l *load) seen() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, a := range l.all {
		if a.life != "" && !slices.Contains(out, a.life) {
			out = append(out, a.life)
		}
	}
	return out
}

// toll is what an event cost.
type toll struct {
	asked, failed, failedTwice, slow int
	worst                            time.Duration
	last                             time.Duration // from the event to the beginning of the last request that failed or was slow
	example                          error
}

func (c toll) String() string {
	return fmt.Sprintf("%d requests, %d failed, %d of them twice, %d took more than %s, the slowest %s; the last such began %s after the event",
		c.asked, c.failed, c.failedTwice, c.slow, slow, c.worst.Round(time.Millisecond), c.last.Round(time.Millisecond))
}

// end stops asking and counts from the event on.
func (l *load) end(event time.Time) toll {
	l.cancel()
	l.wg.Wait()
	var c toll
	for _, a := range l.all {
		if a.began.Add(a.took).Before(event) {
			continue
		}
		c.asked++
		c.worst = max(c.worst, a.took)
		if a.took > slow {
			c.slow++
		}
		if a.err != nil {
			c.failed, c.example = c.failed+1, a.err
		}
		if a.again != nil {
			c.failedTwice++
			c.example = a.again
		}
		if a.err != nil || a.took > slow {
			c.last = max(c.last, a.began.Sub(event))
		}
	}
	return c
}

// lastAnswer is the time until the app answered last.
func (l *load) lastAnswer(since time.Time) (last time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.all {
		if a.err == nil {
			last = max(last, a.began.Add(a.took).Sub(since))
		}
	}
	return last
}
