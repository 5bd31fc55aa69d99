package postgres_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"paas/server"
)

func TestRepositories(t *testing.T) {
	w := newWorld(t, time.Minute)
	app := w.newApp("other").ID
	st, err := w.Repo(w.ctx, app, 0)
	w.must(err)
	if st.Version != 1 || st.Head != "refs/heads/main" || len(st.Packs) != 0 {
		t.Fatalf("%+v", st)
	}
	big := bytes.Repeat([]byte("0123456789"), 1<<20) // ten rows, and a read more
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	was, v, err := w.ChangeRepo(w.ctx, app, server.RepoChange{Packs: []server.RepoPack{packOf("pack-1", big), packOf("pack-2", []byte("x"))},
		Refs: map[string]server.RefMove{"refs/heads/main": {From: strings.Repeat("0", 40), To: a}, "refs/paas/pushed": {To: a}}, Shallow: []string{b, a}})
	w.must(err)
	st, err = w.Repo(w.ctx, app, 1)
	w.must(err)
	if was != 1 || v <= was || st.Version != v || st.Refs["refs/heads/main"] != a || len(st.Packs) != 2 || st.Bytes != int64(len(big))+1 || len(st.Shallow) != 2 || st.Shallow[0] != a {
		t.Fatalf("%+v", st)
	}
	if same, err := w.Repo(w.ctx, app, v); err != nil || same.Packs != nil {
		t.Errorf("%+v %v", same, err)
	}
	var got bytes.Buffer
	w.must(w.ReadPack(w.ctx, app, "pack-1", &got))
	if !bytes.Equal(got.Bytes(), big) {
		t.Errorf("%d bytes", got.Len())
	}
	// A ref that is elsewhere leaves all as it was.
	_, _, err = w.ChangeRepo(w.ctx, app, server.RepoChange{Packs: []server.RepoPack{packOf("pack-3", big)}, Refs: map[string]server.RefMove{"refs/heads/main": {From: b, To: b}}})
	if !errors.Is(err, server.ErrStale) {
		t.Error(err)
	}
	before, now, err := w.ChangeRepo(w.ctx, app, server.RepoChange{Packs: []server.RepoPack{packOf("pack-2", []byte("x"))}, Gone: []string{"pack-1", "pack-9"}, Head: "refs/heads/master"})
	w.must(err)
	st, err = w.Repo(w.ctx, app, 0)
	w.must(err)
	if len(st.Packs) != 1 || before != v || now <= v || st.Version != now || st.Head != "refs/heads/master" || len(st.Shallow) != 2 {
		t.Errorf("%+v", st)
	}
	if err := w.ReadPack(w.ctx, app, "pack-1", io.Discard); !server.IsID(err, server.ErrNotFound) {
		t.Error(err)
	}
	if err := w.BeginRepo(w.ctx, app, "refs/heads/main", server.RepoChange{}); !errors.Is(err, server.ErrStale) {
		t.Error(err)
	}
	w.must(w.DeleteApp(w.ctx, app, "ann"))
	if err := w.BeginRepo(w.ctx, app, "refs/heads/main", server.RepoChange{}); !server.IsID(err, server.ErrNotFound) {
		t.Error(err)
	}
	if _, _, err := w.ChangeRepo(w.ctx, app, server.RepoChange{Packs: []server.RepoPack{packOf("pack-1", big)}}); !server.IsID(err, server.ErrNotFound) {
		t.Error(err)
	}
}

func packOf(name string, b []byte) server.RepoPack {
	return server.RepoPack{Name: name, Size: int64(len(b)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}
