package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	lineBytes = 100 // of a line's text
	warmUp    = "warm"
	theEnd    = "end"
	tick      = 2 * time.Millisecond // how often lines that are due are written
)

func appName(n int) string { return fmt.Sprintf("bench-%d", n) }

// lineText is "l <due, Unix ns> <number> xxxx…": lineBytes long.
func lineText(b []byte, due time.Time, n int) []byte {
	b = append(b, "l "...)
	b = strconv.AppendInt(b, due.UnixNano(), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, ' ')
	for len(b) < lineBytes {
		b = append(b, 'x')
	}
	return b
}

// load writes each app's lines as they are due, and one at the end.
func load(ctx context.Context, apps, rate int, length time.Duration, write func(app int, texts []string) error) (sent int, err error) {
	per := rate / apps
	total := int(float64(per) * length.Seconds())
	errs := make([]error, apps)
	begin := time.Now().Add(10 * time.Millisecond)
	var wg sync.WaitGroup
	for app := range apps {
		wg.Go(func() { errs[app] = loadOne(ctx, app, per, total, begin, write) })
	}
	wg.Wait()
	for _, e := range errs {
		if e != nil {
			return 0, e
		}
	}
	return total * apps, ctx.Err()
}

func loadOne(ctx context.Context, app, per, total int, begin time.Time, write func(int, []string) error) error {
	var batch []string
	var b []byte
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for n := 0; n < total; {
		select {
		case <-clock.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		due := min(total, int(time.Since(begin).Seconds()*float64(per)))
		batch = batch[:0]
		for ; n < due; n++ {
			b = lineText(b[:0], begin.Add(time.Duration(float64(n)/float64(per)*1e9)), n)
			batch = append(batch, string(b))
		}
		if len(batch) == 0 {
			continue
		}
		if err := write(app, batch); err != nil {
			return err
		}
	}
	// Who does not keep up may lose the end as well: it is said again.
	for range 20 {
		if err := write(app, []string{theEnd}); err != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// reader measures the lines of one app as they are read.
type reader struct {
	part    []byte
	delays  []int32 // µs
	worst   int32
	next    int
	missing int
	warm    func()
	end     func()
}

func (r *reader) Write(p []byte) (int, error) {
	now := time.Now().UnixNano()
	r.part = append(r.part, p...)
	rest := string(r.part)
	for {
		line, after, ok := strings.Cut(rest, "\n")
		if !ok {
			break
		}
		r.line(line, now)
		rest = after
	}
	r.part = append(r.part[:0], rest...)
	return len(p), nil
}

func (r *reader) line(line string, now int64) {
	_, text, ok := strings.Cut(line, "]: ")
	switch {
	case !ok:
	case text == warmUp:
		r.warm()
	case text == theEnd:
		r.end()
	case strings.HasPrefix(text, "l "):
		due, rest, _ := strings.Cut(text[2:], " ")
		number, _, _ := strings.Cut(rest, " ")
		at, err1 := strconv.ParseInt(due, 10, 64)
		n, err2 := strconv.Atoi(number)
		if err1 != nil || err2 != nil || len(text) != lineBytes {
			r.missing++
			return
		}
		r.missing += n - r.next
		r.next = n + 1
		delay := int32(min((now-at)/1000, 1<<31-1))
		r.delays = append(r.delays, delay)
		r.worst = max(r.worst, delay)
	}
}
