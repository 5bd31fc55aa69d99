package gitd

import (
	"fmt"
	"strings"
	"testing"

	"paas/server"
)

func FuzzParseLog(f *testing.F) {
	f.Add("0123\x001700000000\x00Ann \x00subject  \x00")
	f.Add("")
	f.Add("a\x00b\x00c")
	f.Fuzz(func(t *testing.T, out string) {
		list, err := parseLog(out)
		if err == nil && len(list) > strings.Count(out, "\x00")+1 {
			t.Errorf("%d commits", len(list))
		}
	})
}

func TestParseLog(t *testing.T) {
	list, err := parseLog("aa\x001700000000\x00Ann   \x00fix: a thing   \x00bb\x00x\x00\x00\x00")
	if got := fmt.Sprint(err, list); got != "<nil> [{aa fix: a thing Ann 2023-11-14 22:13:20 +0000 UTC} {bb   1970-01-01 00:00:00 +0000 UTC}]" {
		t.Error(got)
	}
	if _, err := parseLog("aa\x001"); err == nil {
		t.Error("half a commit is read")
	}
}

func TestLog(t *testing.T) {
	b := newBench(t)
	dir := b.work("w")
	one := b.git(dir, "rev-parse", "HEAD")
	b.commit(dir, "f", "2")
	three := b.commit(dir, "f", "3")
	b.git(dir, "checkout", "-q", "-b", "side", one)
	b.git(dir, "commit", "-q", "--allow-empty", "-m", strings.Repeat("long ", 500)+"\n\nbody", "--author=\x1b[31mEve <e@x>")
	side := b.git(dir, "rev-parse", "HEAD")
	b.store(dir)
	list, more, err := b.repos.Log(t.Context(), testApp, one, three, 10)
	if err != nil || more || len(list) != 2 || list[0].ID != three || list[0].At.IsZero() || list[0].Subject == "" || list[0].Author == "" {
		t.Fatalf("%+v %v %v", list, more, err)
	}
	if list, more, err = b.repos.Log(t.Context(), testApp, one, three, 1); err != nil || !more || len(list) != 1 {
		t.Errorf("bounded: %+v %v %v", list, more, err)
	}
	if list, _, err = b.repos.Log(t.Context(), testApp, three, one, 10); err != nil || len(list) != 0 {
		t.Errorf("nothing came: %+v %v", list, err)
	}
	if list, _, err = b.repos.Log(t.Context(), testApp, "", three, 10); err != nil || len(list) != 3 {
		t.Errorf("all: %+v %v", list, err)
	}
	if list, _, err = b.repos.Log(t.Context(), testApp, three, side, 10); err != nil || len(list) != 1 || len(list[0].Subject) > 300 {
		t.Errorf("side: %+v %v", list, err)
	}
	for _, c := range []string{"", "main", "--all", strings.Repeat("a", 40), one[:39] + "\n"} {
		if _, _, err := b.repos.Log(t.Context(), testApp, one, c, 10); c != one && (err == nil || !server.IsID(err, server.ErrNotFound)) {
			t.Errorf("%q: %v", c, err)
		}
	}
}
