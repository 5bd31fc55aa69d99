package web

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// Configs reads and changes config.
type Configs interface {
	ConfigSheet(ctx context.Context, actor server.Actor, app string) (server.ConfigSheet, error)
	RehearseConfig(ctx context.Context, actor server.Actor, app string, r server.ConfigRequest) error
	ChangeConfig(ctx context.Context, actor server.Actor, app string, r server.ConfigRequest) (server.Deploy, error)
	StageConfig(ctx context.Context, actor server.Actor, app string, r server.ConfigRequest) (server.StagedConfig, error)
	Unstage(ctx context.Context, actor server.Actor, app string, names []string) (server.StagedConfig, error)
	ApplyStaged(ctx context.Context, actor server.Actor, app string) (server.Deploy, error)
}

// ConfigRecords says who changed which key when.
type ConfigRecords interface {
	History(ctx context.Context, actor server.Actor, app, name string, releases int) ([]server.ConfigChange, error)
}

func (s *Server) configRoutes(r chi.Router) {
	r.Get("/config", s.page(s.configPage))
	r.Post("/config", s.patient(s.changeConfig))
	r.Post("/config/preview", s.page(s.previewConfig))
	r.Post("/config/reveal", s.page(s.revealConfig))
	r.Post("/config/apply", s.patient(s.applyStaged))
	r.Post("/config/unstage", s.page(s.unstage))
}

// historyReleases is how many releases the page looks back over.
const historyReleases = 30

// configView is what the page of the config shows: names, never values.
type configView struct {
	Type     string // process type whose own vars are shown; empty: what all get
	Types    []configType
	Release  server.Release
	Vars     []configVar
	Files    []configFile
	Staged   []configStep
	StagedBy server.StagedConfig
	Restarts restarts
	History  []server.ConfigChange
	Key      string // whose history it is; empty: of all

	// What was typed, when it could not be taken.
	Problem string
	Typed   string
	Remove  map[string]bool
}

type configType struct {
	Name  string // empty: all
	Count int
}

type configVar struct {
	Name   string
	Staged string // what waits for the next release: "set" or "removed"
}

type configFile struct {
	Path  string
	Bytes int64
	Raw   bool
}

// configStep is what becomes of one var or file.
type configStep struct {
	Name string // "KEY", "type/KEY" or a path
	What string // "added", "changed", "removed"
	Mark string // the same as one character
}

func step(name, what string) configStep {
	return configStep{name, what, map[string]string{"added": "+", "changed": "~", "removed": "−", "set": "~"}[what]}
}

func (s *Server) configPage(v *visit) error {
	c, err := s.configView(v, v.query("type"))
	if err != nil {
		return err
	}
	return v.show("config", "config", "Config", c)
}

func (s *Server) configView(v *visit, typ string) (*configView, error) {
	sheet, err := s.svc.ConfigSheet(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return nil, err
	}
	c := &configView{Type: typ, Release: sheet.Release, StagedBy: sheet.Staged, Key: v.query("key"), Remove: map[string]bool{}}
	if c.Types, err = configTypes(v, sheet, typ); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(sheet.Vars[typ])) {
		c.Vars = append(c.Vars, configVar{Name: name, Staged: stagedOf(sheet.Staged, typ, name)})
	}
	for _, path := range slices.Sorted(maps.Keys(sheet.Files)) {
		c.Files = append(c.Files, configFile{path, int64(len(sheet.Files[path].Content)), sheet.Files[path].Raw})
	}
	c.Staged = stagedSteps(sheet.Staged)
	if c.Restarts, err = s.restarts(v, sheet); err != nil {
		return nil, err
	}
	c.History, err = s.svc.History(v.ctx(), v.actor(), v.app().ID, c.Key, historyReleases)
	return c, err
}

// configTypes are the process types that can have vars of their own.
func configTypes(v *visit, sheet server.ConfigSheet, chosen string) ([]configType, error) {
	names := map[string]bool{server.RunType: true, server.SchedulerType: true}
	for name := range sheet.Release.Processes {
		names[name] = true
	}
	for name := range sheet.Vars {
		names[name] = true
	}
	delete(names, "")
	if chosen != "" && !names[chosen] {
		return nil, &server.Error{ID: server.ErrNotFound, Message: fmt.Sprintf("%s has no process type %s.", v.app().Name, plain(chosen)), Next: "paas ps:scale -a " + v.app().Name}
	}
	list := []configType{{"", len(sheet.Vars[""])}}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list = append(list, configType{name, len(sheet.Vars[name])})
	}
	return list, nil
}

// typedName is how a var of a process type alone is called: "web/KEY".
func typedName(typ, name string) string {
	if typ == "" {
		return name
	}
	return typ + "/" + name
}

func stagedOf(st server.StagedConfig, typ, name string) string {
	switch value, waits := st.Patch.Vars[typedName(typ, name)]; {
	case !waits:
		return ""
	case value == nil:
		return "removed"
	}
	return "set"
}

func stagedSteps(st server.StagedConfig) []configStep {
	var list []configStep
	for _, name := range slices.Sorted(maps.Keys(st.Patch.Vars)) {
		list = append(list, step(name, map[bool]string{true: "removed", false: "set"}[st.Patch.Vars[name] == nil]))
	}
	for _, path := range slices.Sorted(maps.Keys(st.Patch.Files)) {
		list = append(list, step(path, map[bool]string{true: "removed", false: "set"}[st.Patch.Files[path] == nil]))
	}
	return list
}

// revealed is one value, for who asked to see it.
type revealed struct {
	Name, Type, Value string
	File              bool
}

// revealConfig shows one value. It is a POST, so that no link and no history
// of a browser leads to it; nothing keeps the answer.
func (s *Server) revealConfig(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	sheet, err := s.svc.ConfigSheet(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	r := revealed{Name: v.field("name"), Type: v.field("type"), File: v.field("file") != ""}
	var ok bool
	if r.File {
		var f server.ConfigFile
		f, ok = sheet.Files[r.Name]
		r.Value = strings.ToValidUTF8(string(f.Content), "�")
	} else {
		r.Value, ok = sheet.Vars[r.Type][r.Name]
	}
	if !ok {
		return &server.Error{ID: server.ErrNotFound, Message: fmt.Sprintf("%s has no config var %s.", v.app().Name, plain(r.Name)), Next: "paas config -a " + v.app().Name}
	}
	if v.r.Header.Get("Accept") == "text/plain" { // a script of the page
		v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := v.w.Write([]byte(r.Value))
		return err
	}
	return v.show("config_value", "config", r.Name, r)
}

// applyStaged makes a release of what waits for one.
func (s *Server) applyStaged(v *visit) error {
	d, err := s.svc.ApplyStaged(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	return v.done(v.appPath("deploys", d.ID), "The staged config is on its way.")
}

// unstage drops what waits: one name, or all without one.
func (s *Server) unstage(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	names := v.r.PostForm["name"]
	if _, err := s.svc.Unstage(v.ctx(), v.actor(), v.app().ID, names); err != nil {
		return err
	}
	if len(names) == 0 {
		names = []string{"All of it"}
	}
	return v.done(v.appPath("config"), plain(strings.Join(names, ", "))+" is staged no more.")
}

// told is the text of an error made for people, nil for any other.
func told(err error) *server.Error {
	var e *server.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// showConfigAgain shows the page with what was typed and what is wrong with it.
func (s *Server) showConfigAgain(v *visit, wanted wantedConfig, e *server.Error) error {
	c, err := s.configView(v, wanted.Type)
	if err != nil {
		return err
	}
	c.Problem, c.Typed = e.Message, wanted.typed
	for _, name := range wanted.remove {
		c.Remove[name] = true
	}
	return v.showStatus(http.StatusUnprocessableEntity, "config", "config", "Config", c)
}
