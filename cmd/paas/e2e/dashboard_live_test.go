package e2e

import (
	"testing"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/chromedp"

	"paas/cmd/paas/platformtest"
)

// A page that begins to listen late shows what changed since it was made, too.
func TestPageSeesWhatChangedBeforeItListened(t *testing.T) {
	p := shared.get(t)
	r := p.member(t, "late@live.example").newApp("late-listener")
	r.push("First version", smallFiles())
	b := r.who.tab()
	held := make(chan fetch.RequestID, 10)
	platformtest.Must(chromedp.Listen(b.ctx, func(ev any) {
		if e, ok := ev.(*fetch.EventRequestPaused); ok {
			held <- e.RequestID
		}
	}))
	call(b, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*/live"}}})
	b.open("/apps/late-listener")
	late := <-held
	r.paas("maintenance:on")
	call(b, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: late})
	b.waitText("#state", "maintenance")
}
