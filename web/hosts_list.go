package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// hostsAtOnce is how many hosts one page lists.
const hostsAtOnce = 100

// hostsView is the part of the list of hosts that a page shows.
type hostsView struct {
	Find   string
	States []hostCount
	Total  int // hosts there are
	Found  int // of them those searched for
	From   int // of those, the first on this page; 1 is the first of all
	Newer  string
	Older  string
}

type hostCount struct {
	State string
	N     int
}

// listHosts searches and cuts; the hosts come by name.
func listHosts(list []hostView, find, from string) (page []hostView, view hostsView) {
	view = hostsView{Find: find, Total: len(list), From: 1}
	words := strings.Fields(strings.ToLower(find))
	var found []hostView
	for _, h := range list {
		i := slices.IndexFunc(view.States, func(c hostCount) bool { return c.State == h.Word })
		if i < 0 {
			view.States, i = append(view.States, hostCount{State: h.Word}), len(view.States)
		}
		view.States[i].N++
		if h.matches(words) {
			found = append(found, h)
		}
	}
	view.Found = len(found)
	if n, err := strconv.Atoi(from); err == nil && n > 1 && n <= len(found) {
		view.From = n
	}
	end := min(view.From-1+hostsAtOnce, len(found))
	if end < len(found) {
		view.Older = view.link(end + 1)
	}
	if view.From > 1 {
		view.Newer = view.link(max(1, view.From-hostsAtOnce))
	}
	return found[view.From-1 : end], view
}

// matches looks for every word in what the table says of the host, and in the
// names of apps on it that the reader sees.
func (h hostView) matches(words []string) bool {
	parts := []string{h.Name, h.Word, h.Arch, labelLine(h.Labels)}
	for _, a := range h.Apps {
		parts = append(parts, a.Name)
	}
	text := strings.ToLower(strings.Join(parts, "\n"))
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

// Last is the number of the last host on the page.
func (view hostsView) Last() int { return min(view.From-1+hostsAtOnce, view.Found) }

// Many says that searching is of use.
func (view hostsView) Many() bool { return view.Total > 10 || view.Find != "" }

func (view hostsView) link(from int) string {
	q := url.Values{}
	if view.Find != "" {
		q.Set("q", view.Find)
	}
	if from > 1 {
		q.Set("from", strconv.Itoa(from))
	}
	if len(q) == 0 {
		return "/hosts"
	}
	return "/hosts?" + q.Encode()
}
