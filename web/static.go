package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

//go:embed all:static
var staticFiles embed.FS

// assets are the files a page loads. Their path holds a hash of all of them,
// so browsers may keep them for ever.
type assets struct {
	hash  string
	files map[string][]byte
}

func loadAssets() (*assets, error) {
	a := &assets{files: map[string][]byte{}}
	sum := sha256.New()
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := staticFiles.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "static/")
		fmt.Fprintf(sum, "%s %d\n", name, len(b))
		sum.Write(b)
		a.files[name] = b
		return nil
	})
	a.hash = hex.EncodeToString(sum.Sum(nil))[:16]
	return a, err
}

// url is where a browser finds the file.
func (a *assets) url(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", fmt.Errorf("there is no static file %s", name)
	}
	return "/static/" + a.hash + "/" + name, nil
}

// has says whether a file that a plain go build does without is there.
func (a *assets) has(name string) bool { return a.files[name] != nil }

func (s *Server) serveAsset(w http.ResponseWriter, r *http.Request) {
	name := path.Clean(chi.URLParam(r, "*"))
	b, ok := s.assets.files[name]
	if !ok {
		s.open(notFound)(w, r)
		return
	}
	if chi.URLParam(r, "hash") == s.assets.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}
