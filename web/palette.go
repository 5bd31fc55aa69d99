package web

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

func (s *Server) paletteRoutes(r chi.Router) {
	r.Get("/palette.json", s.page(s.paletteItems))
}

// paletteItem is one place or action that the palette leads to.
type paletteItem struct {
	Text  string `json:"t"`
	Hint  string `json:"h,omitempty"`
	URL   string `json:"u"`
	Press bool   `json:"p,omitempty"` // the URL is of a form in the page's head, whose button is pressed
}

// paletteItems is all that the person may reach, from the page of an app or
// from another. Browsers ask again whether it is still so.
func (s *Server) paletteItems(v *visit) error {
	apps, err := s.svc.Apps(v.ctx(), v.actor())
	if err != nil {
		return err
	}
	var list []paletteItem
	if name := v.query("app"); name != "" {
		app, may, err := s.svc.Allowed(v.ctx(), v.actor(), name)
		if err != nil && !server.IsID(err, server.ErrNotFound) {
			return err
		}
		if err == nil {
			list = append(s.appPlaces(app), appActions(app, may, v.who.Admin || v.who.ID == app.OwnerID)...)
		}
	}
	for _, a := range apps {
		list = append(list, paletteItem{Text: a.Name, Hint: appHint(a, v.who), URL: appPath(a.Name)})
	}
	body, err := json.Marshal(append(list, places(v.who)...))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Cookie")
	// Weak: the answer may be compressed.
	h.Set("ETag", `W/"`+hex.EncodeToString(sum[:12])+`"`)
	if v.r.Header.Get("If-None-Match") == h.Get("ETag") {
		v.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, _ = v.w.Write(body)
	return nil
}

func appHint(a server.App, who *who) string {
	hint := "app"
	if a.OwnerID != who.ID {
		hint += " of " + plain(a.OwnerEmail)
	}
	if a.Maintenance {
		hint += ", in maintenance"
	}
	return hint
}

// places are those that belong to no app.
func places(who *who) []paletteItem {
	list := []paletteItem{{Text: "Apps", Hint: "page", URL: "/"}, {Text: "Hosts", Hint: "page", URL: "/hosts"}, {Text: "Account", Hint: "keys, passkeys, sessions", URL: "/account"}}
	list = append(list, paletteItem{Text: "Create an app…", Hint: "action", URL: "/#new-app"})
	if who.Admin {
		list = append(list, paletteItem{Text: "Add a machine…", Hint: "action", URL: "/hosts#add"})
		list = append(list, paletteItem{Text: "Audit", Hint: "page", URL: "/audit"}, paletteItem{Text: "Verify the audit log…", Hint: "action", URL: "/audit#verify"})
	}
	return append(list, paletteItem{Text: "Theme: dark or light", Hint: "action", URL: "/theme", Press: true}, paletteItem{Text: "Sign out", Hint: "action", URL: "/sign-out", Press: true})
}

// appPlaces are the app's pages.
func (s *Server) appPlaces(app server.App) []paletteItem {
	var list []paletteItem
	for _, t := range tabs() {
		to := appPath(app.Name)
		if t.Path != "" {
			to = appPath(app.Name, t.Path)
		}
		list = append(list, paletteItem{Text: t.Text, Hint: "page of " + app.Name, URL: to})
	}
	for _, p := range [][2]string{{"Builds", "builds"}, {"Cron jobs", "crons"}} {
		list = append(list, paletteItem{Text: p[0], Hint: "page of " + app.Name, URL: appPath(app.Name, p[1])})
	}
	return append(list, paletteItem{Text: "Errors in the last 24 h", Hint: "page of " + app.Name, URL: appPath(app.Name, "activity", "errors")},
		paletteItem{Text: "Open " + app.Name, Hint: "the app itself", URL: s.cfg.WebURL(app.Name)})
}

// action is something that can be done on a page of an app.
type action struct {
	need         server.Permission
	text         string
	page, anchor string
}

func actions() []action {
	return []action{
		{server.PermDeploy, "Roll back…", "releases", ""},
		{server.PermDeploy, "Compare releases…", "releases", "compare"},
		{server.PermDeploy, "Terminal…", "terminal", ""},
		{server.PermDeploy, "Run a command…", "processes", "run-command"},
		{server.PermOperate, "Scale…", "processes", "scale"},
		{server.PermOperate, "Restart…", "processes", "dynos"},
		{server.PermOperate, "Say where dynos may be…", "processes", "placement"},
		{server.PermOperate, "Set a config var…", "config", "set"},
		{server.PermOperate, "Add a domain…", "domains", "add"},
		{server.PermOperate, "Make a volume…", "volumes", "create"},
		{server.PermOperate, "Begin or end maintenance…", "settings", "maintenance"},
		{server.PermOperate, "Change limits…", "settings", "limits"},
		{server.PermOperate, "Add a log drain…", "settings", "drains"},
		{server.PermManage, "Give somebody access…", "access", "add"},
		{server.PermManage, "Rename…", "settings", "rename"},
		{server.PermManage, "Lock or unlock…", "settings", "lock"},
		{server.PermManage, "Give the app away…", "access", "transfer"},
		{server.PermManage, "Destroy…", "settings", "destroy"},
	}
}

// appActions are those that the person may do with the app as it is now.
func appActions(app server.App, may []server.Permission, owns bool) []paletteItem {
	has := map[server.Permission]bool{}
	for _, p := range may {
		has[p] = true
	}
	var list []paletteItem
	for _, a := range actions() {
		fixed := a.anchor == "rename" || a.anchor == "transfer" || a.anchor == "destroy"
		if !has[a.need] || fixed && app.Locked || a.anchor == "transfer" && !owns {
			continue
		}
		to := appPath(app.Name, a.page)
		if a.anchor != "" {
			to += "#" + a.anchor
		}
		list = append(list, paletteItem{Text: a.text, Hint: app.Name + ", " + a.page, URL: to})
	}
	return list
}
