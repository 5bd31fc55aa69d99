package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
	"paas/server/api"
)

// Logs reads an app's log. With q.Tail it goes on until ctx ends or the actor
// may not see it any more, which is its error then.
type Logs interface {
	Logs(ctx context.Context, actor server.Actor, app string, q server.LogQuery, line func(server.LogLine) error) error
}

func (s *Server) logRoutes(r chi.Router) {
	r.Get("/logs", s.page(s.logPage))
	r.Get("/logs/stream", s.stream(s.logStream))
	r.Get("/logs/download", s.stream(s.logDownload))
}

// logPage is what the template shows.
type logPage struct {
	logFilter
	Shown    []logLine
	Around   string // query of a line's permalink, up to its time
	Stream   string // where new lines come from; empty: there will be none
	Download string
	Plain    string // the same page with the lines as they are, or in parts
	Everyone string // the same moment without choosing
	Live     string // the same choice, newest lines
	CLI      string
	Names    []string // of dynos in what is shown
	Problem  *problem
	Marked   *logLine // the line that a permalink is about
	MarkRaw  string
	Older    string // lines around the first shown
	Newer    string
	Keep     int // lines that a page keeps
	Levels   []string
	Counts   []int
}

// keepLines is how many lines a page that follows keeps: older ones go.
const keepLines = 2000

// logPage shows the newest lines, or those around a time.
func (s *Server) logPage(v *visit) error {
	now := time.Now()
	p := logPage{logFilter: logFilterOf(v.r.URL.Query()), Keep: keepLines,
		Levels: []string{"error", "warn", "info"}, Counts: []int{100, pageOfLines, 500, maxPageLines}}
	lines, err := s.pageOfLog(v, p.logFilter, now)
	var told *server.Error
	if err != nil && !(errors.As(err, &told) && told.ID == server.ErrInvalid) {
		return err
	}
	p.links(v.app().Name)
	last := p.show(lines, v.app().Name, now)
	if told != nil {
		pr := s.explain(v.r, err)
		p.Problem, p.Stream = &pr, ""
		return v.showStatus(pr.Status, "logs", "logs", "Logs", p)
	}
	if p.Stream != "" && len(lines) > 0 {
		p.Stream += joint(p.Stream) + "after=" + last.String()
	}
	return v.show("logs", "logs", "Logs", p)
}

// show takes the lines; it gives the cursor behind them.
func (p *logPage) show(lines []server.LogLine, app string, now time.Time) logCursor {
	view, marks := newLogView(p.Raw, now), cursors{}
	at, _ := server.Moment("at", zoned(p.At), now)
	for _, l := range lines {
		marks.pass(l)
		shown := view.line(l)
		shown.Link = p.Around + url.QueryEscape(shown.Stamp) + "#marked"
		if p.At != "" && l.At.Equal(at) && p.Marked == nil { // the first of those of one moment
			shown.Marked = true
			p.Marked, p.MarkRaw = &shown, server.FormatLogLine(printableLine(l))
		}
		p.Shown = append(p.Shown, shown)
	}
	p.Names = dynoNames(p.Shown)
	n := len(lines)
	if n > 0 && (p.At != "" || n == p.Lines) {
		p.Older = p.Shown[0].Link
	}
	if n > 0 && p.At != "" { // the same lines, as a command can ask for them
		p.Newer = p.Shown[n-1].Link
		f := p.logFilter
		f.At, f.Since, f.Until, f.Lines = "", lines[0].At.UTC().Format(time.RFC3339Nano), lines[n-1].At.Add(time.Microsecond).UTC().Format(time.RFC3339Nano), n
		p.CLI = f.cli(app)
	}
	return marks.last
}

// links are the addresses on the page.
func (p *logPage) links(app string) {
	here := appPath(app, "logs")
	with := func(path string, change func(f *logFilter)) string {
		f := p.logFilter
		change(&f)
		if q := f.values().Encode(); q != "" {
			return path + "?" + q
		}
		return path
	}
	p.Around = p.around()
	p.Download = with(here+"/download", func(f *logFilter) { f.At, f.Lines, f.Raw = "", pageOfLines, false })
	p.Plain = with(here, func(f *logFilter) { f.Raw = !f.Raw })
	p.Live = with(here, func(f *logFilter) { f.At, f.Until = "", "" })
	p.Everyone = with(here, func(f *logFilter) { f.Source, f.Process, f.Level, f.Text = "", "", "", "" })
	p.CLI = p.cli(app)
	if p.live() {
		p.Stream = with(here+"/stream", func(*logFilter) {})
	}
}

func joint(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

func dynoNames(lines []logLine) []string {
	var names []string
	seen := map[string]bool{}
	for _, l := range lines {
		name := strings.TrimRight(l.Name, " ")
		if l.Kind == "paas" {
			name = strings.TrimSuffix(strings.TrimPrefix(name, "paas["), "]")
		}
		for _, n := range []string{server.DynoType(name), name} {
			if l.Kind != "router" && !seen[n] && len(names) < 50 {
				seen[n] = true
				names = append(names, n)
			}
		}
	}
	return names
}

// errEnough ends a reading that has what it came for.
var errEnough = errors.New("enough")

// pageOfLog reads the lines of a page.
func (s *Server) pageOfLog(v *visit, f logFilter, now time.Time) ([]server.LogLine, error) {
	q, err := f.query(now)
	if err != nil {
		return nil, err
	}
	var lines []server.LogLine
	keep := func(l server.LogLine) error { lines = append(lines, l); return nil }
	if f.At == "" {
		err := s.svc.Logs(v.ctx(), v.actor(), v.app().ID, q, keep)
		return lines, err
	}
	at, err := server.Moment("at", zoned(f.At), now)
	if err != nil {
		return nil, err
	}
	before := q
	before.Since, before.Until, before.Lines = time.Time{}, at, max(1, f.Lines/2)
	if err := s.svc.Logs(v.ctx(), v.actor(), v.app().ID, before, keep); err != nil {
		return nil, err
	}
	most := len(lines) + max(1, f.Lines-f.Lines/2)
	behind := q
	behind.Since, behind.Until, behind.Lines = at, time.Time{}, 0
	err = s.svc.Logs(v.ctx(), v.actor(), v.app().ID, behind, func(l server.LogLine) error {
		if len(lines) >= most {
			return errEnough
		}
		return keep(l)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return lines, err
}

func printableLine(l server.LogLine) server.LogLine {
	l.Text = api.Printable(l.Text, false)
	return l
}

// logDownload is all that the choice chooses, as paas logs prints it.
func (s *Server) logDownload(v *visit) error {
	f, now := logFilterOf(v.r.URL.Query()), time.Now()
	f.At = ""
	f.Lines = server.MaxLogLines
	q, err := f.query(now)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+v.app().Name+now.UTC().Format("-20060102-150405")+`.log"`)
	rc := http.NewResponseController(v.w)
	pump := server.PumpLog(v.ctx(), server.LogSink{
		Encode: func(dst []byte, l server.LogLine) []byte {
			return append(server.AppendLogLine(dst, printableLine(l)), '\n')
		},
		Write: func(batch []byte) error {
			_ = rc.SetWriteDeadline(time.Now().Add(writeLimit))
			_, err := v.w.Write(batch)
			return err
		},
	})
	err = s.svc.Logs(v.ctx(), v.actor(), v.app().ID, q, pump.Line)
	if err = errors.Join(err, pump.End()); err != nil {
		if v.ctx().Err() == nil {
			s.log.Warn("the download of a log broke", "app", v.app().Name, "err", err)
		}
		panic(http.ErrAbortHandler) // a clean end would look complete
	}
	return nil
}
