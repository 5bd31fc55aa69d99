package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"paas/server"
)

// hostFake has hosts. Changes are written down in did, or refused with refuse.
type hostFake struct {
	*fake
	hosts  []server.HostRow
	did    []string
	refuse error
	kept   string // of a host: milli-CPU and bytes

	routers []server.RouterRow
	servers []server.ServerEntry
}

func (f *hostFake) Routers(context.Context, server.Actor) ([]server.RouterRow, error) {
	return f.routers, nil
}

func (f *hostFake) ServerList(context.Context, server.Actor) ([]server.ServerEntry, error) {
	return f.servers, nil
}

func (f *hostFake) Hosts(context.Context, server.Actor) ([]server.HostRow, error) {
	return f.hosts, nil
}

func (f *hostFake) Host(_ context.Context, _ server.Actor, name string) (server.HostRow, error) {
	i := slices.IndexFunc(f.hosts, func(h server.HostRow) bool { return h.Name == name })
	if i < 0 {
		return server.HostRow{}, server.Errorf(server.ErrNotFound, "Couldn't find that host.")
	}
	return f.hosts[i], nil
}

func (f *hostFake) AddHost(_ context.Context, _ server.Actor, name string, labels map[string]string) (server.HostInvitation, error) {
	return server.HostInvitation{Host: name, Token: "the-token", Fleet: "paas.example.com:8443", CA: "c0ffee", ExpiresAt: time.Now()}, f.change("add %s %s", name, labelLine(labels))
}

func (f *hostFake) ChangeHost(ctx context.Context, actor server.Actor, name string, c server.HostChange) (server.HostRow, error) {
	h, err := f.Host(ctx, actor, name)
	if err != nil {
		return h, err
	}
	if c.KeptCPU != nil && c.KeptMemory != nil {
		f.kept = fmt.Sprint(*c.KeptCPU, *c.KeptMemory)
	}
	words := []string{labelLine(c.Labels), strings.Join(c.Unset, " "), c.Deadline.String()}
	for _, flag := range []*bool{c.Cordon, c.Drain} {
		if flag == nil {
			words = append(words, "-")
			continue
		}
		words = append(words, fmt.Sprint(*flag))
	}
	return h, f.change("change %s %s", name, strings.Join(words, ","))
}

func (f *hostFake) RemoveHost(ctx context.Context, actor server.Actor, name string, force bool) (server.HostRow, error) {
	h, err := f.Host(ctx, actor, name)
	if err != nil {
		return h, err
	}
	return h, f.change("remove %s %v", name, force)
}

func (f *hostFake) change(format string, args ...any) error {
	if f.refuse != nil {
		return f.refuse
	}
	f.did = append(f.did, fmt.Sprintf(format, args...))
	return nil
}

func newHosts() *hostFake {
	now := time.Now()
	return &hostFake{fake: newFake("shop"), hosts: []server.HostRow{
		{ID: "h1", Name: "host-1", State: server.HostReady, Local: true, Arch: "amd64", MilliCPU: 4000, Memory: 9 << 30, KeptMemory: 1 << 30, ReservedCPU: 150, ReservedBytes: 3 << 30,
			SeenAt: now, Used: &server.HostUse{MilliCPU: 700, Memory: 1 << 30}, DiskFree: 31 << 30, DiskTotal: 80 << 30, Others: 2, Labels: map[string]string{"zone": "a", "disk": "ssd"},
			Dynos: []server.HostDyno{{App: "blog", Type: "web", Ordinal: 1, State: "up", Release: 3, Memory: 512 << 20}, {App: "shop", Type: "web", Ordinal: 1, State: "crashed", Release: 12}, {App: "shop", Type: "web", Ordinal: 2, State: "up", Release: 12}}},
		{ID: "h2", Name: hostile, Arch: hostile, State: server.HostReady, Note: hostile, MilliCPU: 1, Memory: 1, SeenAt: now.Add(-time.Hour), Addr: hostile, Agent: hostile, Engine: hostile,
			Labels: map[string]string{hostile: hostile}, Dynos: []server.HostDyno{{App: hostile, Type: hostile, State: "up"}}},
		{ID: "h3", Name: "empty", State: server.HostDrained, SeenAt: now},
		{ID: "h4", Name: "away", State: server.HostLost, LostAt: now.Add(-time.Minute), SeenAt: now.Add(-time.Minute), Note: "half of the hosts are not heard of"},
		{ID: "h5", Name: "again", State: server.HostSettling, SteadyAt: now.Add(time.Minute), SeenAt: now, Note: "half of the hosts are not heard of"},
		{ID: "h6", Name: "going", State: server.HostDraining, SeenAt: now, DrainUntil: now.Add(time.Minute), Addr: "10.91.6.2"},
		{ID: "h7", Name: "kept", State: server.HostCordoned, SeenAt: now},
	}}
}

func TestHostsPage(t *testing.T) {
	f := newHosts()
	b := newBrowser(t, f)
	body := b.page("/hosts", `<a href="/hosts/host-1">host-1</a>`, "amd64", "0.15 CPU</span> reserved", "0.7 CPU</span> used", "4 CPU</span>", "3.0 GB</span> reserved", "1.0 GB</span> used", "8.0 GB</span>",
		`<td class="number">5</td>`, `<a href="/apps/shop">shop</a>`, "And 2 dynos of apps you have no access to.", "1 h ago", "Nothing runs here.", ">disk=ssd</code> <code", ">zone=a<",
		"●</span> ready", "✕</span> silent", "○</span> drained", "✕</span> lost", "◌</span> settling", "◑</span> draining", "‖</span> cordoned", "paas hosts</code>")
	inert(t, body)
	if strings.Count(body, `<a href="/apps/shop">`) != 1 || strings.Count(body, "</a>: half of the hosts") != 2 {
		t.Error("the dynos of an app are not together, or a note is missing")
	}
	_, main, _ := strings.Cut(body, "<main")
	if strings.Contains(main, "paas doctor") || strings.Contains(main, `method="post"`) {
		t.Error("forms and paas doctor are for admins")
	}
	f.account.Admin = true
	b.page("/hosts", "paas doctor", "paas hosts:add host-2 --label zone=a")
	f.hosts = nil
	b.page("/hosts", "There is no host.")
	for i := range hostsInFull + 1 {
		f.hosts = append(f.hosts, server.HostRow{Name: fmt.Sprint("host-", i)})
	}
	if body := b.page("/hosts", "What is on a host is on its page."); strings.Contains(body, "Nothing runs here.") {
		t.Error("so many hosts are told in full")
	}
}

func TestHostPage(t *testing.T) {
	f := newHosts()
	b := newBrowser(t, f)
	body := b.page("/hosts/host-1", "●</span> ready", "paas hosts:info host-1", "the control plane's own machine", "1.0 GB kept from dynos", `31 GB</span> free of <span class="number">80 GB`, `<a href="/apps/shop">shop</a>`)
	if _, main, _ := strings.Cut(body, "<main"); strings.Contains(main, `method="post"`) {
		t.Error("forms are for admins")
	}
	b.page("/hosts/away", "✕</span> lost", "1 min ago", "its dynos were started elsewhere")
	b.page("/hosts/again", "takes new dynos from")
	b.page("/hosts/going", "10.91.6.2", "is stopped")
	f.account.Admin = true
	if body := b.page("/hosts/host-1", "paas hosts:cordon host-1", "paas hosts:keep host-1 --cpu 0.5 --memory 1G", "paas hosts:drain host-1</code>", "paas hosts:label host-1 ", `value="disk=ssd zone=a"`); strings.Contains(body, "Take it out") {
		t.Error("the control plane's own machine cannot be removed")
	}
	for _, name := range []string{"going", "kept", "empty"} {
		b.page("/hosts/"+name, "paas hosts:uncordon "+name, "paas hosts:remove "+name, "paas drill "+name, "Let it take dynos again")
	}
	inert(t, b.page(hostPath(hostile)))
	if w := b.get("/hosts/nowhere"); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}

func TestHostsAreChanged(t *testing.T) {
	f := newHosts()
	f.account.Admin = true
	b := newBrowser(t, f)
	for _, c := range []struct {
		to, path string
		pairs    []string
	}{
		{"/hosts/host-1", "/hosts/host-1/cordon", []string{"cordon", "on"}},
		{"/hosts/host-1", "/hosts/host-1/cordon", []string{"cordon", "off"}},
		{"/hosts/host-1", "/hosts/host-1/drain", nil},
		{"/hosts/host-1", "/hosts/host-1/drain", []string{"deadline", "10m"}},
		{"/hosts/host-1", "/hosts/host-1/labels", []string{"had", "disk=ssd zone=a", "labels", " zone=b disk=ssd rack=7"}},
		{"/hosts/host-1", "/hosts/host-1/labels", []string{"had", "disk=ssd zone=a", "labels", "zone=a"}},
		{"/hosts/host-1", "/hosts/host-1/labels", []string{"had", "zone=a", "labels", "zone=a"}},
		{"/hosts", "/hosts/empty/remove", []string{"confirm", "empty"}},
		{"/hosts", "/hosts/away/remove", []string{"confirm", "away", "force", "yes"}},
	} {
		if to := b.posts(c.path, c.pairs...); to != c.to {
			t.Errorf("%s leads to %s", c.path, to)
		}
	}
	want := []string{"change host-1 ,,0s,true,-", "change host-1 ,,0s,false,false", "change host-1 ,,0s,-,true", "change host-1 ,,10m0s,-,true",
		"change host-1 rack=7 zone=b,,0s,-,-", "change host-1 ,disk,0s,-,-", "remove empty false", "remove away true"}
	if !slices.Equal(f.did, want) {
		t.Errorf("%q", f.did)
	}
}

func TestHostIsAddedOnce(t *testing.T) {
	f := newHosts()
	f.account.Admin = true
	b := newBrowser(t, f)
	w := b.post("/hosts", "name", " host-2 ", "labels", "zone=a disk=ssd")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "paas agent join paas.example.com:8443 the-token --ca c0ffee") || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
		t.Fatalf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
	if w.Header().Get("Set-Cookie") != "" || strings.Contains(b.page("/hosts"), "the-token") {
		t.Error("the token is kept, or shown again")
	}
	if !slices.Equal(f.did, []string{"add host-2 disk=ssd zone=a"}) {
		t.Errorf("%q", f.did)
	}
}

func TestHostsFormsAreRefused(t *testing.T) {
	f := newHosts()
	f.account.Admin = true
	b := newBrowser(t, f)
	for _, c := range []struct {
		path, says string
		pairs      []string
	}{
		{"/hosts", "zone is no label", []string{"name", "x", "labels", "zone"}},
		{"/hosts", "The label zone is there twice", []string{"name", "x", "labels", "zone=a zone=b"}},
		{"/hosts/host-1/labels", "=a is no label", []string{"labels", "=a"}},
		{"/hosts/host-1/labels", "b is no label", []string{"had", "b", "labels", "zone=a"}},
		{"/hosts/host-1/drain", "not one of the deadlines", []string{"deadline", "3m"}},
		{"/hosts/host-1/drain", "not one of the deadlines", []string{"deadline", "soon"}},
		{"/hosts/empty/remove", "not the host&#39;s name", nil},
		{"/hosts/empty/remove", "not the host&#39;s name", []string{"confirm", "Empty"}},
	} {
		w := b.post(c.path, c.pairs...)
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), c.says) || len(f.did) > 0 {
			t.Errorf("%s %q: %d, %q\n%s", c.path, c.pairs, w.Code, f.did, w.Body)
		}
	}
	f.refuse = errWrong
	b.refused("/hosts", `value="http://&lt;b&gt;"`, "name", "http://<b>")
	b.refused("/hosts/host-1/labels", `value="zone=&lt;b&gt;"`, "had", "", "labels", "zone=<b>")
	b.refused("/hosts/empty/remove", `name="force" value="yes" checked`, "confirm", "empty", "force", "yes")
	f.refuse = server.Errorf(server.ErrForbidden, "Only admins change hosts.")
	for _, path := range []string{"/hosts", "/hosts/host-1/cordon", "/hosts/host-1/drain"} {
		if w := b.post(path, "name", "x"); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := b.post("/hosts/nowhere/cordon"); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
}

// The page of hosts tells of the routers, too.
func TestRoutersPart(t *testing.T) {
	f := newHosts()
	b := newBrowser(t, f)
	b.page("/hosts", "There is no router")
	now := time.Now()
	f.routers = []server.RouterRow{
		{ID: "r0", Name: server.BuiltInRouter, Local: true, State: server.RouterReady, Table: 7, Newest: 7, SeenAt: now, Addr: "[::]:8080"},
		{ID: "r1", Name: "edge-1", State: server.RouterBehind, Table: 6, Newest: 7, SeenAt: now, Note: "has not said that it serves from the newest table"},
		{ID: "r2", Name: "edge-2", State: server.RouterLost, SeenAt: now.Add(-time.Minute)},
		{ID: "r3", Name: hostile, State: server.RouterLost, Addr: hostile, Note: hostile},
	}
	body := b.page("/hosts", "built-in", "●</span> ready", "[::]:8080", "newest", "edge-1: has not said", "◑</span> behind", "older", "✕</span> lost", "1 min ago", "never", "paas routers</code>")
	inert(t, body)
}

// Several control planes are on the page of hosts, for admins; one is not told.
func TestServersPart(t *testing.T) {
	f := newHosts()
	b := newBrowser(t, f)
	f.servers = []server.ServerEntry{{ID: "s1", Name: "s1", Addr: "s1.example.com:8443", Leads: true, Started: time.Now()}}
	absent := func() {
		t.Helper()
		if strings.Contains(b.page("/hosts"), `id="servers"`) {
			t.Error("the servers are told")
		}
	}
	f.account.Admin = true
	absent()
	f.servers = append(f.servers, server.ServerEntry{ID: "s2", Name: "s2"}, server.ServerEntry{ID: "s3", Name: hostile, Addr: hostile, Silent: time.Minute})
	inert(t, b.page("/hosts", "s1.example.com:8443", "●</span> leads", "●</span> follows", "✕</span> silent", "1 min ago", "paas servers</code>"))
	f.account.Admin = false
	absent()
}
