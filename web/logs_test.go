package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"paas/server"
	"paas/server/logd"
)

// logFake is a platform with the real log and nothing else.
type logFake struct {
	*fake
	store *logd.Store

	mu   sync.Mutex
	ends []context.CancelCauseFunc // of readings that follow
}

func newLogFake(t testing.TB) *logFake {
	t.Helper()
	store, err := logd.New(logd.Config{Dir: t.TempDir(), FlushEvery: time.Millisecond}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = store.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
	return &logFake{fake: newFake("shop"), store: store}
}

func (f *logFake) Logs(ctx context.Context, _ server.Actor, app string, q server.LogQuery, line func(server.LogLine) error) error {
	q.AppID = app
	if !q.Tail {
		return f.store.Read(ctx, q, line)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	f.mu.Lock()
	f.ends = append(f.ends, end)
	f.mu.Unlock()
	err := f.store.Read(ctx, q, line)
	var gone *server.Error
	if errors.As(context.Cause(ctx), &gone) {
		return gone
	}
	return err
}

var logStart = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// say appends lines, each a second after the one before, "source dyno text".
func (f *logFake) say(from time.Time, lines ...string) {
	for i, l := range lines {
		part := strings.SplitN(l, " ", 3)
		f.store.Append(server.LogLine{AppID: "id-shop", At: from.Add(time.Duration(i) * time.Second), Source: part[0], Dyno: part[1], Text: part[2]})
	}
}

const aRequest = `at=info method=GET path="/cart?x=1" host=shop.example.com request_id=8f fwd="1.2.3.4" dyno=web.1 connect=0ms service=12ms status=503 bytes=5 protocol=http`

func TestLogPageWithoutScript(t *testing.T) {
	f := newLogFake(t)
	f.say(logStart, "app web.1 hello", "app web.1 \x1b[31mred\x1b[0m <script>alert(1)</script>", "paas router "+aRequest, "paas web.1 State changed from up to crashed")
	b := newBrowser(t, f)
	w := b.get("/apps/shop/logs")
	body := w.Body.String()
	if w.Code != http.StatusOK {
		t.Fatal(w.Code, body)
	}
	for _, want := range []string{
		"hello", `<span class="a-fg1">red</span> &lt;script&gt;`, `<span class="m">GET   </span> <span class="s s5">503</span> <span class="v">    12 ms</span> <span class="p">/cart?x=1</span>`,
		`data-raw="2026-05-01T12:00:02.000000&#43;00:00 paas[router]: at=info`, `paas[web.1]`, `<div class="l paas error"`,
		`href="?at=2026-05-01T12%3A00%3A00Z#marked"`, `paas logs -n 200 --tail -a shop`, `href="/apps/shop/logs/download"`, `role="log" aria-live="off"`, `/apps/shop/logs/stream?after=`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	if strings.Contains(body, "<script>alert") {
		t.Error("a line became a script")
	}
}

// shown are the texts of the lines on a page.
func shown(body string) string {
	var got []string
	for _, m := range regexp.MustCompile(`<span class="x">(.*?)</span></div>`).FindAllStringSubmatch(body, -1) {
		got = append(got, m[1])
	}
	return strings.Join(got, "|")
}

func TestLogFilters(t *testing.T) {
	f := newLogFake(t)
	f.say(logStart, "app web.1 one", "app worker.1 ERROR two", "app web.2 Three", "paas web.1 State changed from starting to up", "paas router x", "app web.1 level=warn five")
	b := newBrowser(t, f)
	for _, c := range []struct{ query, want, cli string }{
		{"source=app", "one|ERROR two|Three|level=warn five", "paas logs -s app -n 200 --tail -a shop"},
		{"source=router", "x", "paas logs -d router -n 200 --tail -a shop"},
		{"source=paas", "State changed from starting to up|x", "paas logs -s paas -n 200 --tail -a shop"},
		{"source=app&ps=web", "one|Three|level=warn five", "paas logs -p web -s app -n 200 --tail -a shop"},
		{"ps=web.2", "Three", "paas logs -d web.2 -n 200 --tail -a shop"},
		{"level=error", "ERROR two", "paas logs --level error -n 200 --tail -a shop"},
		{"level=warn&q=/five$/", "level=warn five", "paas logs --level warn --regex 'five$' -n 200 --tail -a shop"},
		{"q=three", "Three", "paas logs -g three -i -n 200 --tail -a shop"},
		{"q=/^three|^one/i", "one|Three", "paas logs --regex '^three|^one' -i -n 200 --tail -a shop"},
		{"q=it's+not", "", `paas logs -g 'it'\''s not' -i -n 200 --tail -a shop`},
		{"since=2026-05-01T12:00:04Z", "x|level=warn five", "paas logs --since 2026-05-01T12:00:04Z -n 200 --tail -a shop"},
		{"since=2026-05-01T12:00:01&until=2026-05-01+12:00:03", "ERROR two|Three", "paas logs --since 2026-05-01T12:00:01Z --until 2026-05-01T12:00:03Z -n 200 -a shop"},
		{"n=1", "level=warn five", "paas logs -n 1 --tail -a shop"},
	} {
		w := b.get("/apps/shop/logs?" + c.query)
		body := strings.NewReplacer("&#39;", "'", "&#43;", "+", "&#34;", `"`).Replace(w.Body.String())
		if got := shown(body); w.Code != http.StatusOK || got != c.want {
			t.Errorf("%s: %d %q, want %q", c.query, w.Code, got, c.want)
		}
		if !strings.Contains(body, "<code>"+c.cli+"</code>") {
			t.Errorf("%s: no %s in %q", c.query, c.cli, regexp.MustCompile(`<code>paas.*?</code>`).FindString(body))
		}
	}
}

func TestBadLogFilterKeepsTheForm(t *testing.T) {
	b := newBrowser(t, newLogFake(t))
	for query, want := range map[string]string{"q=/((/": "no regular expression", "since=yesterday": "Field since must be", "source=router&ps=web": "belong to no process",
		"at=soon": "Field at must be", "level=bad": "Field level", "source=x": "Field source", "ps=../x": "no name of a dyno"} {
		w := b.get("/apps/shop/logs?" + query)
		if body := w.Body.String(); w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, want) || !strings.Contains(body, `id="choose"`) {
			t.Errorf("%s: %d, want %q", query, w.Code, want)
		}
		if w := b.get("/apps/shop/logs/download?" + query); query[:2] != "at" && w.Code != http.StatusUnprocessableEntity {
			t.Errorf("download %s: %d", query, w.Code)
		}
		if w := b.get("/apps/shop/logs/stream?" + query); w.Code != http.StatusUnprocessableEntity {
			t.Errorf("stream %s: %d", query, w.Code)
		}
	}
}

func TestPermalinkOfALine(t *testing.T) {
	f := newLogFake(t)
	for i := range 500 {
		f.say(logStart.Add(time.Duration(i)*time.Second+time.Duration(i)), fmt.Sprintf("app web.1 line %d", i))
	}
	b := newBrowser(t, f)
	body := b.get("/apps/shop/logs?n=100&at=" + url.QueryEscape(logStart.Add(250*time.Second+250).Format(time.RFC3339Nano))).Body.String()
	got := strings.Split(shown(body), "|")
	if len(got) != 100 || got[0] != "line 200" || got[99] != "line 299" {
		t.Fatalf("%d lines, %q to %q", len(got), got[0], got[len(got)-1])
	}
	if !regexp.MustCompile(`class="l app marked" id="marked" aria-current="true">.*line 250<`).MatchString(body) || strings.Count(body, "aria-current=\"true\"") != 1 {
		t.Error("line 250 is not marked")
	}
	if want := "paas logs --since 2026-05-01T12:03:20.0000002Z --until 2026-05-01T12:04:59.000001299Z -n 100 -a shop</code>"; !strings.Contains(body, want) {
		t.Errorf("no %s", want)
	}
	if !strings.Contains(body, "app[web.1]: line 250</code>") || strings.Contains(body, "data-stream") {
		t.Error("the page of a moment shows the line whole and does not follow")
	}
}

func TestLogDownload(t *testing.T) {
	f := newLogFake(t)
	f.say(logStart, "app web.1 \x1b[31mone\x1b[0m\x07", "app web.2 two", "paas router "+aRequest)
	w := newBrowser(t, f).get("/apps/shop/logs/download?n=1&q=o")
	want := "2026-05-01T12:00:00.000000+00:00 app[web.1]: one\\x07\n2026-05-01T12:00:01.000000+00:00 app[web.2]: two\n2026-05-01T12:00:02.000000+00:00 paas[router]: " + aRequest + "\n"
	if got := w.Body.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if h := w.Header(); h.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.HasPrefix(h.Get("Content-Disposition"), `attachment; filename="shop-20`) {
		t.Error(h)
	}
}

// logEvent is one event of a stream.
type logEvent struct {
	name, id string
	data     []string
}

// follow opens the stream; next gives its events.
func follow(t *testing.T, b *browser, path, lastID string) (next func() logEvent, hangUp func()) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host = "paas.example.com"
		b.web.ServeHTTP(w, r)
	}))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: b.web.cookieName(), Value: b.secret})
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	hangUp = sync.OnceFunc(func() { cancel(); resp.Body.Close(); srv.CloseClientConnections(); srv.Close() })
	t.Cleanup(hangUp)
	in := bufio.NewReader(resp.Body)
	return func() logEvent {
		t.Helper()
		var e logEvent
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("the stream ended: %v", err)
			}
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch field {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data = append(e.data, value)
			case "":
				return e
			}
		}
	}, hangUp
}

// texts are the texts of an event's lines.
func (e logEvent) texts(t *testing.T) []string {
	t.Helper()
	var got []string
	for _, d := range e.data {
		var l struct {
			Spans []any `json:"x"`
		}
		if err := json.Unmarshal([]byte(d), &l); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		text := ""
		for _, s := range l.Spans {
			switch s := s.(type) {
			case string:
				text += s
			case []any:
				text += s[1].(string)
			}
		}
		got = append(got, text)
	}
	return got
}

// want reads lines until there are n of them.
func wantLines(t *testing.T, next func() logEvent, n int) (texts []string, id string) {
	t.Helper()
	for len(texts) < n {
		if e := next(); e.name == "lines" {
			texts, id = append(texts, e.texts(t)...), e.id
		}
	}
	return texts, id
}

func TestLogStreamGoesOnBehindThePage(t *testing.T) {
	f := newLogFake(t)
	now := time.Now()
	f.say(now.Add(-3*time.Second), "app web.1 one", "app web.1 two")
	b := newBrowser(t, f)
	stream := regexp.MustCompile(`data-stream="([^"]+)"`).FindStringSubmatch(b.get("/apps/shop/logs").Body.String())[1]
	f.say(now, "app web.1 \x1b[1mthree", "app web.1 four")
	next, _ := follow(t, b, stream, "")
	if got, _ := wantLines(t, next, 2); strings.Join(got, "|") != "three|four" {
		t.Fatal(got)
	}
}

// TestLogStreamResumes cuts a stream at many places, while lines come, of
// hosts whose clocks differ: every line arrives once.
func TestLogStreamResumes(t *testing.T) {
	f := newLogFake(t)
	b := newBrowser(t, f)
	const all = 2000
	now := time.Now().Add(-time.Second)
	appendSome := func(from, to int) {
		for i := from; i < to; i++ {
			at := now.Add(time.Duration(i) * time.Microsecond)
			if i%3 == 0 {
				at = at.Add(-2 * time.Second) // another host's
			}
			f.store.Append(server.LogLine{AppID: "id-shop", At: at.Truncate(10 * time.Microsecond), Source: "app", Dyno: "web." + strconv.Itoa(i%3), Text: strconv.Itoa(i / 6)})
		}
	}
	appendSome(0, 10)
	next, hangUp := follow(t, b, "/apps/shop/logs/stream", "")
	got, id := wantLines(t, next, 10)
	hangUp()
	var appending sync.WaitGroup
	appending.Go(func() { appendSome(10, all) })
	for len(got) < all {
		next, hangUp := follow(t, b, "/apps/shop/logs/stream?n=1500", id)

		first, last := wantLines(t, next, 1)
		got, id = append(got, first...), last
		hangUp()
	}
	appending.Wait()
	if len(got) != all {
		t.Fatalf("%d lines, want %d", len(got), all)
	}
	seen := map[string]int{}
	for _, text := range got {
		seen[text]++
	}
	for i := range all / 6 {
		if n := seen[strconv.Itoa(i)]; n != 6 {
			t.Fatalf("%d came %d times", i, n)
		}
	}
}

func TestLogStreamTellsWhatItLeavesOut(t *testing.T) {
	f := newLogFake(t)
	b := newBrowser(t, f)
	now := time.Now().Add(-time.Minute)
	var c cursors
	for i := range maxBehind + 501 {
		l := server.LogLine{AppID: "id-shop", At: now.Add(time.Duration(i) * time.Millisecond), Source: "app", Dyno: "web.1", Text: strconv.Itoa(i)}
		f.store.Append(l)
		if i == 0 {
			c.pass(l)
		}
	}
	next, _ := follow(t, b, "/apps/shop/logs/stream", c.last.String())
	next() // hello
	if e := next(); e.name != "gap" || e.data[0] != "500" {
		t.Fatal(e)
	}
	if got, _ := wantLines(t, next, maxBehind); got[0] != "501" || len(got) != maxBehind {
		t.Fatalf("%d lines from %s on", len(got), got[0])
	}
	old := logCursor{at: now.Add(-time.Hour), hash: 1, nth: 1}
	next, _ = follow(t, b, "/apps/shop/logs/stream", old.String())
	next()
	if e := next(); e.name != "gap" || e.data[0] != "-1" {
		t.Fatal(e)
	}
}

func TestLogStreamEndsWithThePermission(t *testing.T) {
	f := newLogFake(t)
	f.say(time.Now(), "app web.1 one")
	next, _ := follow(t, newBrowser(t, f), "/apps/shop/logs/stream", "")
	wantLines(t, next, 1)
	f.mu.Lock()
	f.ends[0](server.Errorf(server.ErrNotFound, "You have no access to it \"any more\"."))
	f.mu.Unlock()
	if e := next(); e.name != "end" || e.data[0] != `"You have no access to it \"any more\"."` {
		t.Fatal(e)
	}
}

func TestCursorIsReadStrictly(t *testing.T) {
	c := logCursor{time.Unix(1, 5).UTC(), 0xabc, 2}
	if got, ok := parseCursor(c.String()); !ok || got != c {
		t.Fatal(got, ok)
	}
	for _, s := range []string{"", "1", "1.2", "1.2.0", "-1.2.1", "1.2.1x", "1.g.1", "01.2.1", strings.Repeat("9", 100), "99999999999999999999.1.1"} {
		if _, ok := parseCursor(s); ok {
			t.Errorf("%q is a cursor", s)
		}
	}
}

func TestRouterLinesInParts(t *testing.T) {
	got := routerLine(aRequest)
	if want := (routed{Method: "GET   ", Path: "/cart?x=1", Status: "503", Class: "s5", Service: "    12 ms", Dyno: "→ web.1"}); got == nil || *got != want {
		t.Fatalf("%+v", got)
	}
	got = routerLine(`at=error code=H12 desc="Request timeout" method=POST path="/" host=x dyno=web.1 connect= service= status=503 bytes=0 protocol=http`)
	if got == nil || got.Problem != "H12 Request timeout" || strings.TrimSpace(got.Service) != "" {
		t.Fatalf("%+v", got)
	}
	for _, s := range []string{"", "x", "at=info", `at=info method=GET path="/`, "at=info method=GET status=abc", "at=info method=GET status=200 and more words"} {
		if got := routerLine(s); got != nil {
			t.Errorf("%q: %+v", s, got)
		}
	}
}

func FuzzRouterLine(f *testing.F) {
	f.Add(aRequest)
	f.Add(`at=info method="x" path=" status=200`)
	f.Fuzz(func(t *testing.T, text string) {
		r := routerLine(text)
		if r == nil {
			return
		}
		if r.Class != "" && !slices.Contains([]string{"s2", "s3", "s4", "s5"}, r.Class) || r.Method == "" {
			t.Fatalf("%+v", r)
		}
		for _, s := range []string{r.Method, r.Path, r.Service, r.Problem, r.Dyno} {
			if s != visible(s) {
				t.Fatalf("%q", s)
			}
		}
	})
}

func FuzzLogFilter(f *testing.F) {
	f.Add("source=app&ps=web.1&q=/x/i&since=2h")
	f.Add("q=%27;rm+-rf+/&at=2026-05-01")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		filter := logFilterOf(v)
		if again := logFilterOf(filter.values()); again != filter {
			t.Fatalf("%+v is not %+v", again, filter)
		}
		_, _ = filter.query(logStart)
	})
}
