package logd_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"paas/server"
	"paas/server/logd"
)

func fill(b *testing.B, s *logd.Store, apps, lines int) {
	b.Helper()
	for a := range apps {
		for n := range lines {
			l := line(n)
			l.AppID = fmt.Sprintf("app-%d", a)
			l.Text = fmt.Sprintf(`at=info method=GET path="/" host=hello.example.com request_id=%d status=200 bytes=13`, n)
			s.Append(l)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, followers := range []int{0, 1} {
		b.Run(fmt.Sprintf("followers=%d", followers), func(b *testing.B) {
			s, _ := open(b, logd.Config{Dir: b.TempDir()})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for range followers {
				go func() {
					_ = s.Read(ctx, server.LogQuery{AppID: "app-1", Tail: true}, func(server.LogLine) error { return nil })
				}()
			}
			l := line(1)
			l.Text = `at=info method=GET path="/" host=hello.example.com request_id=0 status=200 bytes=13`
			b.SetBytes(int64(len(l.Text)))
			b.ReportAllocs()
			for b.Loop() {
				s.Append(l)
			}
		})
	}
}

func BenchmarkReadNewest100(b *testing.B) {
	s, _ := open(b, logd.Config{Dir: b.TempDir()})
	fill(b, s, 1, 50_000)
	for b.Loop() {
		n := 0
		err := s.Read(context.Background(), server.LogQuery{AppID: "app-0", Lines: 100}, func(server.LogLine) error {
			n++
			return nil
		})
		if err != nil || n != 100 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkOpen is what a restart costs: 100 apps with full segments.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s, stop := open(b, logd.Config{Dir: dir})
	fill(b, s, 100, 12_000)
	stop()
	for b.Loop() {
		if _, err := logd.New(logd.Config{Dir: dir}, slog.New(slog.DiscardHandler)); err != nil {
			b.Fatal(err)
		}
	}
}
