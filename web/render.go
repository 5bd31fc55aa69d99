package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"paas/server"
)

//go:embed templates
var templateFiles embed.FS

// frame is what every page's template gets; what the page itself is about is Data.
type frame struct {
	Title   string
	Theme   string
	Path    string // of this page, with its query
	Said    string // what the action before did
	Who     *who   // nil: nobody is signed in
	App     *server.App
	May     map[string]bool // "view", "deploy", "operate", "manage"
	Tab     string          // of the app's tabs, the name of its template
	Version string
	Now     time.Time
	Data    any
}

// tab is one of an app's pages, in the order of the row.
type tab struct{ Name, Path, Text string }

func tabs() []tab {
	return []tab{{"overview", "", "Overview"}, {"deploys", "deploys", "Deploys"}, {"releases", "releases", "Releases"}, {"logs", "logs", "Logs"},
		{"metrics", "metrics", "Metrics"}, {"processes", "processes", "Processes"}, {"config", "config", "Config"}, {"domains", "domains", "Domains"}, {"volumes", "volumes", "Volumes"},
		{"access", "access", "Access"}, {"activity", "activity", "Activity"}, {"settings", "settings", "Settings"}}
}

// loadPages reads one template a page, each with the base and the parts.
func (s *Server) loadPages() (map[string]*template.Template, error) {
	base, err := template.New("base").Funcs(s.funcs()).ParseFS(templateFiles, "templates/base.html", "templates/parts/*.html")
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	names, err := fs.Glob(templateFiles, "templates/pages/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		t, err := template.Must(base.Clone()).ParseFS(templateFiles, name)
		if err != nil {
			return nil, fmt.Errorf("dashboard: %w", err)
		}
		pages[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return pages, nil
}

// show renders a page. Tab is the page of the app it belongs to, empty for
// the others.
func (v *visit) show(name, tab, title string, data any) error {
	return v.showStatus(http.StatusOK, name, tab, title, data)
}

func (v *visit) showStatus(status int, name, tab, title string, data any) error {
	t := v.s.pages[name]
	if t == nil {
		return fmt.Errorf("there is no template %s", name)
	}
	f := frame{Title: title, Theme: theme(v.r), Path: v.r.URL.RequestURI(), Who: v.who, Tab: tab, Version: v.s.cfg.Version, Now: time.Now(), Data: data, May: map[string]bool{}}
	if v.here != nil {
		f.App = &v.here.App
		for _, p := range v.here.may {
			f.May[string(p)] = true
		}
	}
	if v.r.Method == http.MethodGet {
		f.Said = v.said()
	} else {
		f.Path = "/"
	}
	var b bytes.Buffer // so that an error does not come after half a page
	if err := t.ExecuteTemplate(&b, "base", f); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = b.WriteTo(v.w)
	return nil
}

// problem is what the error page shows.
type problem struct {
	Status  int
	Message string
	Next    string
}

// explain is an error as a person sees it; what is not made for people is the
// platform's fault, and the log has it.
func (s *Server) explain(r *http.Request, err error) problem {
	var e *server.Error
	if errors.As(err, &e) {
		return problem{Status: e.ID.Status(), Message: e.Message, Next: e.Next}
	}
	if errors.Is(r.Context().Err(), context.DeadlineExceeded) && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return problem{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("This took longer than %d seconds and was given up. Nothing was changed.", requestTimeout/time.Second),
			Next: "Ask for less: a shorter time, or fewer lines."}
	}
	if r.Context().Err() == nil {
		s.log.Error("a page failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	return problem{Status: http.StatusInternalServerError, Message: "The platform could not answer. Whether something was changed is on the app's activity page.", Next: "paas doctor   # on the server"}
}

// fail answers with the error page.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.explain(r, err)
	v := &visit{s: s, w: w, r: r, who: whoOf(r.Context()), here: hereOf(r.Context())}
	if err := v.showStatus(p.Status, "error", "", http.StatusText(p.Status), p); err != nil {
		s.log.Error("the error page failed", "err", err)
		http.Error(w, p.Message, p.Status)
	}
}

func (s *Server) funcs() template.FuncMap {
	return template.FuncMap{
		"asset": s.assets.url, "has": s.assets.has, "tabs": tabs, "url": appPath, "hosturl": hostPath, "contains": slices.Contains[[]string],
		"ago": ago, "clock": clock, "stamp": stamp, "bytes": bytesText, "short": shortCommit, "digest": shortDigest, "plain": plain, "state": stateOf, "dict": dict,
		"webURL": s.cfg.WebURL, "gitURL": s.cfg.GitURL, "join": strings.Join, "duration": durationText, "cpus": cpusText, "scaleLine": scaleLine, "took": tookText, "count": countText, "add": addInts, "addf": addFloats, "ansi": ansi,
		"deployTook": tookOf, "lasted": lasted, "word": shellWord, "goback": mayGoBack, "long": func(n int) int64 { return int64(n) },
	}
}

// dict makes a map of pairs, for parts that take more than one value.
func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict wants pairs")
	}
	for i := 0; i < len(pairs); i += 2 {
		k, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("a key of dict is a string")
		}
		m[k] = pairs[i+1]
	}
	return m, nil
}
