package server

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"paas/builder"
)

type sayingBuilder struct{ err error }

func (b sayingBuilder) Build(_ context.Context, _ builder.Request, out io.Writer) (builder.Image, error) {
	for _, s := range []string{"#1 load", " Dockerfile\n\n", "10%\r20%\r\n#2 \x1b[31mred\x1b[0m\r\n", "no line end"} {
		fmt.Fprint(out, s)
	}
	return builder.Image{}, b.err
}

type keptLines struct {
	Logs
	lines []string
}

func (k *keptLines) Append(lines ...LogLine) {
	for _, l := range lines {
		l.At = time.Time{}
		k.lines = append(k.lines, strings.TrimPrefix(FormatLogLine(l), "0001-01-01T00:00:00.000000+00:00 "))
	}
}

// TestBuildsAreLogged: what a build prints goes to the pusher as it is, and as
// lines into the app's log, with why it failed.
func TestBuildsAreLogged(t *testing.T) {
	logs, out := &keptLines{}, &strings.Builder{}
	fail := &builder.Failure{Reason: "RUN make failed", Detail: "make: no rule\n"}
	_, err := loggedBuilds{sayingBuilder{fail}, logs}.Build(t.Context(), builder.Request{AppID: "a"}, out)
	if err != fail || out.String() != "#1 load Dockerfile\n\n10%\r20%\r\n#2 \x1b[31mred\x1b[0m\r\nno line end" {
		t.Errorf("%v, %q", err, out)
	}
	want := "app[build]: #1 load Dockerfile|app[build]: 20%|app[build]: #2 \x1b[31mred\x1b[0m|app[build]: no line end|app[build]: make: no rule|app[build]: RUN make failed"
	if got := strings.Join(logs.lines, "|"); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
