package server

import "testing"

// The notice of an own commit that only starts instances is no reason to look
// again, once; anything that comes beside or after it is.
func TestOwnCommitIsNoNews(t *testing.T) {
	bell := NewBell()
	e, stop := listen(bell)
	defer stop()
	r := &Reconciler{seen: map[string]*sight{"a": {echo: true}, "b": {echo: true}, "c": {}}}
	ring := func(apps ...string) notices {
		for _, id := range apps {
			bell.Ring(AppTopic(id))
		}
		got := e.take()
		r.ignoreEchoes(got)
		return got
	}
	got := ring("a", "b", "c", "d", "b")
	if got.apps["a"] || !got.apps["b"] || !got.apps["c"] || !got.apps["d"] {
		t.Errorf("heard %v; a was told of by its own commit alone", got.apps)
	}
	if got = ring("a"); !got.apps["a"] {
		t.Error("what came after the own notice was not heard")
	}
	bell.Ring(NoticeAll)
	if got = ring(); !got.all {
		t.Error("that all may have changed was not heard")
	}
}
