package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// posts asks for a form that must be done: the way it leads to.
func (b *browser) posts(path string, pairs ...string) string {
	b.t.Helper()
	w := b.post(path, pairs...)
	if w.Code != http.StatusSeeOther {
		b.t.Fatalf("POST %s: %d\n%s", path, w.Code, w.Body)
	}
	return w.Header().Get("Location")
}

// refused asks for a form that must come back with the message and what was typed.
func (b *browser) refused(path, typed string, pairs ...string) {
	b.t.Helper()
	w := b.post(path, pairs...)
	body := w.Body.String()
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(body, `role="alert"`) || !strings.Contains(body, "That is wrong. Nothing was changed.") {
		b.t.Fatalf("POST %s: %d\n%s", path, w.Code, body)
	}
	if !strings.Contains(body, typed) || !strings.Contains(body, `aria-describedby="`) {
		b.t.Errorf("POST %s does not show %q again:\n%s", path, typed, body)
	}
}

var errWrong = server.Errorf(server.ErrInvalid, "That is wrong. Nothing was changed.")

func TestDomains(t *testing.T) {
	m := newManaged()
	m.domains = append(m.domains, server.Domain{ID: "1", App: "shop", Hostname: "www.example.org", Target: "shop.example.com", CreatedAt: time.Now()},
		server.Domain{ID: "2", App: "shop", Hostname: "example.co.uk", Target: "shop.example.com"}, server.Domain{ID: "3", App: "shop", Hostname: "*.example.net", Target: "shop.example.com"})
	b := newBrowser(t, m)
	body := b.page("/apps/shop/domains", `href="http://www.example.org/"`, `paas domains:add www.example.com -a shop`, `paas domains:remove www.example.org -a shop`)
	for host, record := range map[string]string{"www.example.org": "CNAME", "example.co.uk": "ALIAS", "*.example.net": "CNAME"} {
		row := body[strings.Index(body, ">"+host+"<"):]
		if row = row[:strings.Index(row, "</tr>")]; !strings.Contains(row, ">"+record+"<") || !strings.Contains(row, ">shop.example.com<") {
			t.Errorf("%s: %s", host, row)
		}
	}
	if to := b.posts("/apps/shop/domains", "hostname", "api.example.org"); to != "/apps/shop/domains" {
		t.Error(to)
	}
	b.posts("/apps/shop/domains/remove", "domain", "www.example.org")
	if want := []string{"add domain api.example.org to id-shop", "remove domain www.example.org of id-shop"}; !slices.Equal(m.did, want) {
		t.Error(m.did)
	}
	m.refuse = errWrong
	b.refused("/apps/shop/domains", `value="http://&lt;b&gt;"`, "hostname", "http://<b>")
}

// The page shows who reaches whom, and how either side ends it.
func TestLinksOnThePage(t *testing.T) {
	m := newManaged()
	b := newBrowser(t, m)
	b.page("/apps/shop/domains", "is linked with no app", "paas links:add APP -a shop")
	m.links = []server.Link{{App: "shop", Target: "billing", AddedBy: "ann@example.com"}, {App: "front", Target: "shop", AddedBy: "bob@example.com"}}
	b.page("/apps/shop/domains", "http://billing.internal", "http://shop.internal", "paas links:remove billing -a shop", "paas links:remove front --incoming -a shop")
}

func TestWhoOnlyViewsSeesNoForms(t *testing.T) {
	m := newManaged()
	m.may = []server.Permission{server.PermView}
	m.account.ID = "vic"
	m.drains = []server.Drain{{ID: "1", URL: "https://logs.example.org/", Token: "d.1"}}
	m.domains = append(m.domains, server.Domain{ID: "1", App: "shop", Hostname: "www.example.org", Target: "shop.example.com"})
	m.people = []server.Collaborator{{ID: "c", AccountID: "bob", Email: "bob@example.com", Permissions: []server.Permission{server.PermView}}}
	m.volumes = []server.Volume{{ID: "1", Name: "data"}}
	b := newBrowser(t, m)
	for _, page := range []string{"domains", "volumes", "access", "activity", "activity/errors", "settings"} {
		body := b.page("/apps/shop/" + page)
		_, main, _ := strings.Cut(body, "<main")
		if strings.Contains(main, `method="post"`) {
			t.Errorf("%s has a form:\n%s", page, main)
		}
	}
	// Everybody may give up their own access.
	m.people[0].AccountID = "vic"
	b.page("/apps/shop/access", "Give up my access to shop", "(you)")
}

func TestAccess(t *testing.T) {
	m := newManaged()
	m.people = []server.Collaborator{{ID: "c1", AccountID: "bob", Email: "bob@example.com", Permissions: []server.Permission{server.PermView, server.PermDeploy}, CreatedAt: time.Now()}}
	m.invited = []server.Invitation{{ID: "i1", Email: "eve@example.com", Inviter: hostile, Permissions: []server.Permission{server.PermView}, ExpiresAt: time.Now()}}
	b := newBrowser(t, m)
	b.page("/apps/shop/access", "Can push, roll back, run commands and read the config.", "paas access:update bob@example.com -p view,deploy -a shop", "eve@example.com", "Give shop away",
		"paas access:invitations:revoke eve@example.com -a shop")
	b.posts("/apps/shop/access", "email", " bob@example.com ", "permission", "deploy", "permission", "manage")
	b.posts("/apps/shop/access/update", "id", "c1", "permission", "operate")
	b.posts("/apps/shop/access/remove", "id", "c1")
	b.posts("/apps/shop/access/revoke", "id", "i1")
	if to := b.posts("/apps/shop/access/transfer", "recipient", "bob@example.com", "confirm", "shop"); to != "/" {
		t.Errorf("who gave the app away is led to %s", to)
	}
	want := []string{"give bob@example.com [view deploy manage] on id-shop", "update c1 [view operate]", "remove c1", "revoke i1", "transfer to bob@example.com false"}
	if !slices.Equal(m.did, want) {
		t.Errorf("%q", m.did)
	}
	if to := b.posts("/apps/shop/access/remove", "id", "ann"); to != "/" {
		t.Errorf("who gave up access is led to %s", to)
	}
	m.refuse = errWrong
	b.refused("/apps/shop/access", `value="&#34;&gt;x"`, "email", `">x`, "permission", "manage")
	b.refused("/apps/shop/access/update", `id="update-c1" open`, "id", "c1", "permission", "manage")
}

func TestInvitationIsShownOnce(t *testing.T) {
	m := newManaged()
	b := newBrowser(t, m)
	w := b.post("/apps/shop/access", "email", "new@example.com")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "paas join http://example.com:8081 the-code") || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
		t.Fatalf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
	if w.Header().Get("Set-Cookie") != "" {
		t.Error("the code may be in a cookie")
	}
	if body := b.page("/apps/shop/access"); strings.Contains(body, "the-code") {
		t.Error("it is shown again")
	}
}

func TestNothingIsDestroyedWithoutItsName(t *testing.T) {
	m := newManaged()
	b := newBrowser(t, m)
	for _, path := range []string{"/apps/shop/settings/destroy", "/apps/shop/access/transfer"} {
		for _, confirm := range []string{"", "Shop", "shop "} {
			w := b.post(path, "confirm", confirm, "recipient", "bob@example.com")
			if w.Code != http.StatusUnprocessableEntity || len(m.did) > 0 || !strings.Contains(w.Body.String(), "not the app&#39;s name") {
				t.Fatalf("%s %q: %d %v", path, confirm, w.Code, m.did)
			}
		}
	}
	if to := b.posts("/apps/shop/settings/destroy", "confirm", "shop"); to != "/" || m.did[0] != "destroy" {
		t.Fatal(to, m.did)
	}
}

func TestSettings(t *testing.T) {
	m := newManaged()
	m.apps[0].Settings = server.AppSettings{LogDays: 7, BootTimeout: 90}
	m.drains = []server.Drain{{ID: "x", URL: "https://****@logs.example.org/", Token: "d.7"}, {ID: "y", Token: "d.8"}}
	b := newBrowser(t, m)
	b.page("/apps/shop/settings", "5.0 MB", "70 MB", `name="log-days" type="number" min="1" max="365" step="1" placeholder="default" value="7"`,
		"https://****@logs.example.org/", "(its URL cannot be read)", "paas drains:remove d.7 -a shop", "paas maintenance:on -a shop", "paas apps:lock -a shop", "paas apps:destroy -a shop",
		"git remote add paas ssh://paas@example.com/shop.git", "https://pages.example.org/")
	if to := b.posts("/apps/shop/settings/rename", "name", "store"); to != "/apps/store/settings" {
		t.Error(to)
	}
	b.posts("/apps/shop/settings/maintenance", "maintenance", "on")
	b.posts("/apps/shop/settings/lock", "lock", "on")
	// Only what differs is changed; empty takes back.
	b.posts("/apps/shop/settings/limits", "log-days", "7", "boot-timeout", "", "log-mb", "50", "stop-timeout", "")
	b.posts("/apps/shop/settings/limits", "log-days", "7")
	b.posts("/apps/shop/settings/drains", "url", "https://logs.example.org/")
	b.posts("/apps/shop/settings/drains/remove", "drain", "x")
	want := []string{"rename store", "maintenance true", "lock true", "boot_timeout unset, log_mb=50", "drain to https://logs.example.org/", "end drain x"}
	if !slices.Equal(m.did, want) {
		t.Errorf("%q", m.did)
	}
	if w := b.post("/apps/shop/settings/limits", "log-mb", "1e3"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `value="1e3"`) {
		t.Errorf("%d\n%s", w.Code, w.Body)
	}
	m.refuse = errWrong
	b.refused("/apps/shop/settings/rename", `value="&lt;x&gt;"`, "name", "<x>")
	b.refused("/apps/shop/settings/limits", `value="99999"`, "log-mb", "99999")
	b.refused("/apps/shop/settings/drains", `value="ftp://x"`, "url", "ftp://x")
}

func TestLockedAppIsUnlockedHere(t *testing.T) {
	m := newManaged()
	m.apps[0].Locked = true
	m.may = []server.Permission{server.PermView, server.PermManage}
	b := newBrowser(t, m)
	body := b.page("/apps/shop/settings", "Unlock shop", "paas apps:unlock -a shop")
	for _, form := range []string{"rename", "limits", "drains", "destroy", "maintenance"} {
		if strings.Contains(body, "/apps/shop/settings/"+form) {
			t.Errorf("a locked app offers %s", form)
		}
	}
	if body := b.page("/apps/shop/access"); strings.Contains(body, "access/transfer") || strings.Contains(body, `value="deploy" disabled`) {
		t.Error(body)
	}
}

func TestActivity(t *testing.T) {
	m := newManaged()
	at := time.Date(2026, 11, 2, 23, 59, 0, 0, time.UTC)
	m.past = []server.Activity{
		{Event: server.Event{ID: 9, Actor: "ann@example.com", Kind: "release.created", Text: "v3 " + hostile, At: at.Add(time.Hour), Deploy: "d1"}, Via: "web", From: "192.0.2.7"},
		{Event: server.Event{ID: 8, Actor: "paas", Kind: "instance.crashed", Text: "web.1 v2 exit 1", At: at}},
		{Event: server.Event{ID: 7, Actor: hostile, Kind: "something.quite_new", Text: "x", At: at}},
	}
	b := newBrowser(t, m)
	b.page("/apps/shop/activity", "Tuesday, 3 November 2026", "Monday, 2 November 2026", "released", `href="/apps/shop/deploys/d1"`, "web 192.0.2.7", "the platform", "something quite new", "paas audit -a shop")
	for i := range 300 {
		m.past = append(m.past, server.Activity{Event: server.Event{ID: int64(1000 - i), Actor: "x", Kind: "config.set", At: at}})
	}
	b.page("/apps/shop/activity?who=a%26b&what=config&before=4000", "what=config&amp;who=a%26b", `value="a&amp;b"`, "Newest", "before="+fmt.Sprint(m.past[timelineLines-1].ID))
	if q := m.asked[1]; q.Person != "a&b" || !slices.Equal(q.Kinds, []string{"config"}) || q.Before != 4000 || q.Max != timelineLines+1 {
		t.Errorf("%+v", q)
	}
	m.may = []server.Permission{server.PermView}
	m.past = nil
	body := b.page("/apps/shop/activity?what=nonsense", "paas events -a shop")
	if strings.Contains(body, ">From<") {
		t.Error("a viewer is told from where")
	}
}

func TestErrorsPage(t *testing.T) {
	m := newManaged()
	b := newBrowser(t, m)
	b.page("/apps/shop/activity/errors", "No errors", "paas apps:errors --hours 24 -a shop")
	m.errors = []server.AppError{{Code: "H10", Text: hostile, Count: 12, Last: time.Now(), Dyno: "web.1"}}
	b.page("/apps/shop/activity/errors?hours=1", "H10", ">12<", "paas apps:errors --hours 1 -a shop")
}

func TestAudit(t *testing.T) {
	m := newManaged()
	m.account.Admin = true
	m.audit = []server.AuditEntry{{ID: 5, At: time.Now(), Actor: "bob@example.com", Via: "ssh", From: "192.0.2.9", App: "gone", Kind: "app.destroyed", Text: hostile}}
	b := newBrowser(t, m)
	b.page("/audit?app=gone&who=bob%40example.com", "192.0.2.9", "destroyed", "Everything", "paas audit:verify")
	if q := m.asked[0]; q.App != "gone" || q.Person != "bob@example.com" {
		t.Errorf("%+v", q)
	}
	m.state = server.AuditState{Rows: 12345, Head: "abcdef"}
	if w := b.post("/audit/verify"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Intact") || !strings.Contains(w.Body.String(), "abcdef") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	m.state = server.AuditState{Rows: 3, Broken: 2, Why: "it was altered"}
	if body := b.post("/audit/verify").Body.String(); !strings.Contains(body, "Row 2 is the first that does not fit: it was altered") {
		t.Error(body)
	}
	m.refuse = server.Errorf(server.ErrInvalid, "The head of an audit log is 64 hexadecimal digits.")
	if w := b.post("/audit/verify", "head", "<zz>"); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `value="&lt;zz&gt;"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.get("/audit/verify"); w.Code != http.StatusNotFound {
		t.Errorf("a link walks the log: %d", w.Code)
	}
}

// Whatever people and apps write stays text, and what the platform has checked
// already is not trusted to be other than text either.
func TestHostileTextStaysText(t *testing.T) {
	m := newManaged()
	checked := strings.NewReplacer("\u202e", "", "\x1b", "").Replace(hostile)
	m.account.Admin = true
	m.account.Email = hostile
	m.apps[0].OwnerEmail = hostile
	m.people = []server.Collaborator{{ID: checked, AccountID: "z", Email: checked}}
	m.invited = []server.Invitation{{ID: checked, Email: checked, Inviter: hostile}}
	m.domains = append(m.domains, server.Domain{ID: checked, App: "shop", Hostname: checked, Target: checked})
	m.links = []server.Link{{App: checked, Target: checked, AddedBy: hostile}}
	m.drains = []server.Drain{{ID: checked, URL: hostile, Token: checked}}
	m.past = []server.Activity{{Event: server.Event{Actor: hostile, Kind: checked, Text: hostile, Deploy: checked}, Via: checked, From: hostile}}
	m.audit = []server.AuditEntry{{Actor: hostile, App: hostile, Kind: checked, Text: hostile, Via: checked, From: hostile}}
	m.volumes = []server.Volume{{ID: checked, Name: checked, Host: hostile, HostID: "h", Mount: &server.Mount{Type: checked, Path: hostile}}, {Name: "b", Driver: hostile}}
	m.around.Dynos = []server.Instance{{Type: checked, State: "pending", Reason: hostile}}
	m.errors = []server.AppError{{Code: checked, Text: hostile, Dyno: hostile}}
	b := newBrowser(t, m)
	for _, page := range []string{"/apps/shop/domains", "/apps/shop/volumes", "/apps/shop/access", "/apps/shop/activity", "/apps/shop/activity/errors", "/apps/shop/settings", "/audit", "/palette.json?app=shop"} {
		t.Run(page, func(t *testing.T) { inert(t, b.page(page)) })
	}
}
