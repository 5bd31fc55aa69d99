package web

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"paas/server"
)

// wantedConfig is a change of config as it was previewed: confirming it does
// that and nothing else.
type wantedConfig struct {
	App, Account string
	Type         string
	Vars         map[string]*string
	Version      int       // of the release it was seen against
	StagedAt     time.Time // of what waited then, and would go with it
	At           time.Time

	typed  string
	remove []string
}

// previews seals changes between the preview and its confirmation: the values
// are in the browser meanwhile, but the page does not hold them.
type previews struct{ box cipher.AEAD }

// previewLife is how long a preview can be confirmed.
const previewLife = time.Hour

func newPreviews() *previews {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // of 32 bytes it always is one
	}
	box, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &previews{box}
}

func (p *previews) seal(w wantedConfig) (string, error) {
	b, err := json.Marshal(w)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(p.box.Seal(nil, nil, b, []byte(w.App+"/"+w.Account))), nil
}

func (p *previews) open(sealed, app, account string) (w wantedConfig, err error) {
	gone := &server.Error{ID: server.ErrConflict, Message: "This preview is too old, or the platform was restarted since. Nothing was changed.", Next: "paas config:edit   # or begin again on the page"}
	b, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return w, gone
	}
	if b, err = p.box.Open(nil, nil, b, []byte(app+"/"+account)); err != nil {
		return w, gone
	}
	if err := json.Unmarshal(b, &w); err != nil || time.Since(w.At) > previewLife {
		return w, gone
	}
	return w, nil
}

// restarts is what a new release does to what runs.
type restarts struct {
	Version int // that it will have, if no other comes first
	Types   []server.Formation
	Dynos   int
	NoCode  bool // nothing runs yet
}

func (s *Server) restarts(v *visit, sheet server.ConfigSheet) (restarts, error) {
	r := restarts{Version: sheet.Newest + 1, NoCode: sheet.Release.Image.Digest == ""}
	list, err := s.svc.Formation(v.ctx(), v.actor(), v.app().ID)
	for _, f := range list {
		if f.Quantity > 0 && !r.NoCode {
			r.Types = append(r.Types, f)
			r.Dynos += f.Quantity
		}
	}
	return r, err
}

// previewView is what will be, before it is.
type previewView struct {
	Type     string
	Release  server.Release
	Steps    []configStep
	Same     []string // given, but so already
	Staged   []configStep
	Restarts restarts
	Sealed   string
	Problem  string // why it is shown again
	Command  string
	Later    string // the command that restarts nothing
}

// previewConfig shows what a change would do.
func (s *Server) previewConfig(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	w, err := s.wanted(v)
	if err == nil {
		r := server.ConfigRequest{Type: w.Type, Vars: w.Vars}
		if len(w.Vars) == 0 {
			err = server.Errorf(server.ErrInvalid, "There is nothing to change: write KEY=value lines, or mark what to remove.")
		} else {
			err = s.svc.RehearseConfig(v.ctx(), v.actor(), v.app().ID, r)
		}
	}
	if e := told(err); e != nil && e.ID == server.ErrInvalid {
		return s.showConfigAgain(v, w, e)
	}
	if err != nil {
		return err
	}
	return s.showPreview(v, w, http.StatusOK, "")
}

// wanted reads the form.
func (s *Server) wanted(v *visit) (wantedConfig, error) {
	w := wantedConfig{App: v.app().ID, Account: v.actor().ID, Type: v.field("type"), Vars: map[string]*string{}, typed: v.field("set"), remove: v.r.PostForm["remove"]}
	if len(w.typed) > server.MaxSettings {
		return w, server.Errorf(server.ErrInvalid, "That is more than %s. Nothing was changed.", bytesText(server.MaxSettings))
	}
	vars, err := server.ParseSettings(w.typed)
	if err != nil {
		return w, server.Errorf(server.ErrInvalid, "What you wrote cannot be read: %v. Nothing was changed.", err)
	}
	for name, value := range vars {
		w.Vars[name] = &value
	}
	for _, name := range w.remove {
		if _, both := vars[name]; both {
			return w, server.Errorf(server.ErrInvalid, "%s is both set and removed. Nothing was changed.", name)
		}
		w.Vars[name] = nil
	}
	return w, nil
}

// showPreview compares what is wanted with what is, and binds the one to the
// other.
func (s *Server) showPreview(v *visit, w wantedConfig, status int, problem string) error {
	sheet, err := s.svc.ConfigSheet(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	p := previewView{Type: w.Type, Release: sheet.Release, Staged: stagedSteps(sheet.Staged), Problem: problem}
	p.Steps, p.Same = compareConfig(sheet.Next(w.Type), w.Vars)
	for _, name := range p.Same {
		delete(w.Vars, name)
	}
	if p.Restarts, err = s.restarts(v, sheet); err != nil {
		return err
	}
	w.Version, w.StagedAt, w.At = sheet.Release.Version, sheet.Staged.UpdatedAt, time.Now()
	if p.Sealed, err = s.previews.seal(w); err != nil {
		return err
	}
	p.Command = configCommand(v.app().Name, w.Type, "", p.Steps)
	p.Later = configCommand(v.app().Name, w.Type, " --no-restart", p.Steps)
	return v.showStatus(status, "config_preview", "config", "What will change", p)
}

// compareConfig says what a change makes of the vars there will be without it.
func compareConfig(have map[string]string, vars map[string]*string) (steps []configStep, same []string) {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		old, had := have[name]
		switch value := vars[name]; {
		case value == nil && had:
			steps = append(steps, step(name, "removed"))
		case value == nil, had && old == *value:
			same = append(same, name)
		case had:
			steps = append(steps, step(name, "changed"))
		default:
			steps = append(steps, step(name, "added"))
		}
	}
	return steps, same
}

// configCommand is the command line that does the same, without the values.
func configCommand(app, typ, flags string, steps []configStep) string {
	var set, removed []string
	for _, st := range steps {
		if st.What == "removed" {
			removed = append(removed, st.Name)
		} else {
			set = append(set, st.Name+"=…")
		}
	}
	end := " -a " + app
	if typ != "" {
		end += " -p " + typ
	}
	var lines []string
	end += flags
	if len(set) > 0 {
		lines = append(lines, "paas config:set "+strings.Join(set, " ")+end)
	}
	if len(removed) > 0 {
		lines = append(lines, "paas config:unset "+strings.Join(removed, " ")+end)
	}
	return strings.Join(lines, " && ")
}

// changeConfig does what was previewed. When the config is another by now,
// the preview is shown again.
func (s *Server) changeConfig(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	w, err := s.previews.open(v.field("change"), v.app().ID, v.actor().ID)
	if err != nil {
		return err
	}
	sheet, err := s.svc.ConfigSheet(v.ctx(), v.actor(), v.app().ID)
	if err != nil {
		return err
	}
	if sheet.Release.Version != w.Version || !sheet.Staged.UpdatedAt.Equal(w.StagedAt) {
		return s.changedMeanwhile(v, w, sheet.Release)
	}
	r := server.ConfigRequest{Type: w.Type, Vars: w.Vars, Expect: w.Version}
	names := strings.Join(slices.Sorted(maps.Keys(w.Vars)), ", ")
	if v.field("how") == "stage" {
		if _, err := s.svc.StageConfig(v.ctx(), v.actor(), v.app().ID, r); err != nil {
			return s.orMeanwhile(v, w, err)
		}
		return v.done(v.appPath("config"), names+": kept for the next release. Nothing was restarted.")
	}
	d, err := s.svc.ChangeConfig(v.ctx(), v.actor(), v.app().ID, r)
	if err != nil {
		return s.orMeanwhile(v, w, err)
	}
	return v.done(v.appPath("deploys", d.ID), "Changed "+names+": the release is on its way.")
}

// orMeanwhile tells a refusal that comes from another's change apart.
func (s *Server) orMeanwhile(v *visit, w wantedConfig, err error) error {
	if !server.IsID(err, server.ErrConflict) {
		return err
	}
	sheet, err2 := s.svc.ConfigSheet(v.ctx(), v.actor(), v.app().ID)
	if err2 != nil || sheet.Release.Version == w.Version {
		return err
	}
	return s.changedMeanwhile(v, w, sheet.Release)
}

func (s *Server) changedMeanwhile(v *visit, w wantedConfig, now server.Release) error {
	text := "What is staged for the next release was changed meanwhile. Nothing was changed by you yet: look again."
	if now.Version != w.Version {
		text = fmt.Sprintf("The config was changed meanwhile: you looked at v%d, and v%d (%s, by %s) serves now. Nothing was changed by you yet: look again.",
			w.Version, now.Version, now.Description, now.User)
	}
	return s.showPreview(v, w, http.StatusConflict, text)
}
