package buildkit_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"paas/builder"
	"paas/builder/buildkit"
)

// benchBuild times builds whose source is made anew by next(i).
func benchBuild(b *testing.B, cfg buildkit.Config, next func(i int) map[string]string) {
	bk, err := buildkit.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = bk.Close() }()
	repo := "bench-" + strings.ToLower(strings.NewReplacer("/", "-", "=", "-").Replace(b.Name()))
	one := func(i int) {
		req := builder.Request{AppID: repo, Commit: fmt.Sprintf("%040d", i), Source: tree(next(i))}
		if _, err := bk.Build(context.Background(), req, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	one(-1)
	b.ResetTimer()
	for i := range b.N {
		one(i)
	}
}

func BenchmarkNoChange(b *testing.B) {
	benchBuild(b, shared(b).config(), func(int) map[string]string { return map[string]string{"Dockerfile": hello, "run": "x"} })
}

func BenchmarkOneLineChange(b *testing.B) {
	benchBuild(b, shared(b).config(), func(i int) map[string]string {
		return map[string]string{"Dockerfile": hello, "run": "x", "line": fmt.Sprintf("%010d", i+rand.IntN(1<<30))}
	})
}

// BenchmarkOneLineChangeRun adds a RUN step, whose overhead is what runc and
// the network cost.
func BenchmarkOneLineChangeRun(b *testing.B) {
	benchBuild(b, shared(b).config(), func(i int) map[string]string {
		return map[string]string{
			"Dockerfile": "FROM tool:1\nCOPY . /app/\nRUN [\"/tool\", \"print\", \"x\"]\nCMD [\"/tool\"]\n",
			"line":       fmt.Sprintf("%010d", i+rand.IntN(1<<30)),
		}
	})
}

// BenchmarkBinaryChange is a changed static binary of 8 MiB, as compilers make.
func BenchmarkBinaryChange(b *testing.B) {
	body := []byte(strings.Repeat("0123456789abcdef", 512<<10))
	for i := range body {
		if i%3 == 0 {
			body[i] = byte(rand.IntN(256))
		}
	}
	for _, compression := range []string{"gzip", "uncompressed"} {
		b.Run(compression, func(b *testing.B) {
			cfg := shared(b).config()
			cfg.Compression = compression
			benchBuild(b, cfg, func(i int) map[string]string {
				return map[string]string{"Dockerfile": hello, "run": fmt.Sprintf("%010d", rand.IntN(1<<30)) + string(body)}
			})
		})
	}
}
