package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"paas/cmd/paas/platformtest"
)

const (
	manyApps  = 500
	firstPage = 60 << 10 // bytes over the wire, headers and all
)

// TestFirstPageIsLight opens the list of 500 apps, each with a release and an
// hour of traffic, in a browser that was never there: the page and all that it
// loads come in 60 KB.
func TestFirstPageIsLight(t *testing.T) {
	p := shared.get(t)
	w := p.member(t, "crowd@example.com")
	crowd(t, p, w.email)
	b := w.tab()
	call(b, network.ClearBrowserCache, cdp.Empty{})
	got := &traffic{sizes: map[network.RequestID]int{}, names: map[network.RequestID]string{}}
	platformtest.Must(chromedp.Listen(b.ctx, got.heard))
	b.open("/")
	b.waitFor(`document.querySelectorAll("main a[href^='/apps/']").length >= ` + fmt.Sprint(manyApps))
	if total := got.total(t); total > firstPage || total < 2000 {
		t.Errorf("the first page with %d apps takes %d bytes, want at most %d", manyApps, total, firstPage)
	}
	t.Logf("server time of / with %d apps, of 20 visits, in a binary with the race detector: median %s", manyApps, b.serverTime("/", 20))
}

// traffic counts what comes over the wire.
type traffic struct {
	mu    sync.Mutex
	sizes map[network.RequestID]int
	names map[network.RequestID]string
}

func (r *traffic) heard(ev any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		// A live page asks for itself again when something changes; that is
		// not the first visit any more.
		if !slices.Contains(slices.Collect(maps.Values(r.names)), e.Request.URL) {
			r.names[e.RequestID] = e.Request.URL
		}
	case *network.EventDataReceived:
		r.sizes[e.RequestID] += int(e.EncodedDataLength)
	case *network.EventLoadingFinished:
		r.sizes[e.RequestID] = int(e.EncodedDataLength)
	}
}

// total adds up, and tells what is in it. The lock is not held for longer: the
// browser's next answer waits behind its next event.
func (r *traffic) total(t *testing.T) (all int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, name := range r.names {
		all += r.sizes[id]
		t.Logf("%7d bytes  %s", r.sizes[id], name)
	}
	t.Logf("%7d bytes in all", all)
	return all
}

// crowd makes many apps of an account, straight in the database: what they
// show is as real as what a year of pushing leaves, and there in a second.
func crowd(t *testing.T, p *platform, email string) {
	t.Helper()
	db := p.db(t)
	for _, sql := range []string{
		`insert into apps (name, owner_id, slot, data_key, last_version, released_at)
			select 'crowd-' || (array['shop', 'blog', 'api', 'mailer', 'search'])[1 + n % 5] || '-' || n, a.id, (select coalesce(max(slot), 0) from apps) + n, '', 3, now()
			from accounts a, generate_series(1, $2::int) n where a.email = $1`,
		`insert into releases (app_id, version, status, description, user_id, commit, config)
			select p.id, 3, 'succeeded', 'Deploy ' || substr(md5(p.name), 1, 8), p.owner_id, md5(p.name) || substr(md5(p.name), 1, 8), ''
			from apps p join accounts a on a.id = p.owner_id where a.email = $1 and $2::int > 0`,
		`update apps p set current_release = r.id from releases r, accounts a where r.app_id = p.id and a.id = p.owner_id and a.email = $1 and $2::int > 0`,
		`insert into traffic (at, source, bytes, app_id, release, aborted, s1xx, s2xx, s3xx, s4xx, s5xx, span, latency)
			select date_trunc('minute', now()) - m * interval '1 minute', 1, 1000, p.id, 3, 0, 0, (random() * 900)::int, 0, 0, (random() * random() * 9)::int, 1, ''
			from apps p join accounts a on a.id = p.owner_id, generate_series(1, 60) m where a.email = $1 and $2::int > 0`,
	} {
		if _, err := db.Exec(t.Context(), sql, email, manyApps); err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
	}
	t.Cleanup(func() {
		ctx := context.Background()
		_, _ = db.Exec(ctx, `update apps set current_release = null where name like 'crowd-%'`)
		_, _ = db.Exec(ctx, `delete from apps where name like 'crowd-%'`)
	})
}

// serverTime asks for a page n times, as the tab is signed in, and gives the
// median until the last byte.
func (b *tab) serverTime(path string, n int) time.Duration {
	b.t.Helper()
	cookies := call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{b.base + "/"}}).Cookies
	var took []time.Duration
	for range n {
		req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://"+b.p.http+path, nil)
		platformtest.Must(err)
		req.Host = b.base[len("http://"):]
		for _, c := range cookies {
			req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		begin := time.Now()
		resp, err := http.DefaultClient.Do(req)
		platformtest.Must(err)
		_, err = io.Copy(io.Discard, resp.Body)
		platformtest.Must(err)
		took = append(took, time.Since(begin))
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.t.Fatalf("GET %s: %s", path, resp.Status)
		}
	}
	slices.Sort(took)
	return took[n/2].Round(100 * time.Microsecond)
}
