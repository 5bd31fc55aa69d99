package e2e

import (
	"testing"
)

// TestDashboardOverview looks at an app from the list down to its host, and
// sees it change without asking again.
func TestDashboardOverview(t *testing.T) {
	p := shared.get(t)
	who := p.member(t, "looker@overview.example")
	r := who.newApp("looked-at")
	r.push("Something to look at", smallFiles())
	for range 20 {
		r.get("/")
	}
	b := who.tab()

	// A refused name stays in its field; a good one makes an app.
	b.open("/")
	b.waitText("#apps", "looked-at")
	b.click("#new-app > summary")
	b.fill("#name", "Not Good")
	b.allow("422")
	b.click("#new-app button", "Create app")
	b.waitText("#name-problem", "No app was created.")
	if got := b.eval(`document.querySelector("#name").value`); got != "Not Good" {
		t.Errorf("the field holds %q", got)
	}
	b.fill("#name", "looked-for")
	b.click("#new-app button", "Create app")
	b.waitFor(`location.pathname === "/apps/looked-for" && document.readyState === "complete"`)
	b.waitText("#said", "Created looked-for.")

	// The list is filtered while somebody types, and by the server without that.
	const shown = `[...document.querySelectorAll(".apps tbody tr")].filter((r) => !r.hidden).map((r) => r.cells[0].innerText.trim()).join(" ")`
	b.open("/")
	b.waitFor(shown + ` === "looked-at looked-for"`)
	b.fill("#q", "for no rel")
	b.waitFor(shown + ` === "looked-for"`)
	b.waitText("#found", "1 of 2 shown")
	b.fill("#q", "")
	b.waitFor(shown + ` === "looked-at looked-for"`)
	b.scripts(false)
	b.open("/?q=UP+looked")
	b.waitFor(shown + ` === "looked-at"`)
	b.scripts(true)

	// The overview changes with the app.
	b.open("/apps/looked-at")
	b.waitText("#state", "up")
	b.waitText("#dynos", "web.1")
	b.waitText("#release", "v2")
	r.paas("ps:scale", "web=0")
	b.waitText("#problems", "nothing answers requests (H14)")
	b.waitText("#dynos", "None runs.")
	b.waitText("#state", "idle")
	r.paas("ps:scale", "web=1")
	b.waitText("#state", "up")
	b.waitFor(`document.querySelector("#problems").hidden`)

	// The charts hold what the router counted, as a picture and as a table.
	b.open("/apps/looked-at/metrics")
	b.waitText("#traffic", "requests, 0 of them failed")
	b.waitFor(`document.querySelectorAll("#traffic [role=img] path").length > 0 && document.querySelectorAll("#requests-table tbody tr").length > 50`)
	b.eval(`(() => { const r = document.querySelector("#requests .picture").getBoundingClientRect();
		document.querySelector("#requests .picture").dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: r.right - 1, clientY: r.top + 40 })); })()`)
	b.waitText("#requests .at", "2xx")
	b.click("#requests-table summary")
	b.waitText("#requests-table table", "4xx")

	b.open("/hosts")
	b.waitText("#hosts", "looked-at")
	b.waitText("#hosts", "web.1")
}
