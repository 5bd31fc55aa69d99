package gitd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"paas/server"
)

// Options of NewRepos. The zero value of a field means its default.
type Options struct {
	Git       string // the git binary; "" looks for git in PATH
	Log       *slog.Logger
	MaxFiles  int    // entries of one commit's tree, directories included; 200,000
	MaxPath   int    // bytes of one path in it; 4,096
	RepackAt  int    // packs in one repository that set off a repack; 50
	MaxMemory uint64 // bytes of heap of one git process; 1 GiB
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = 200_000
	}
	if o.MaxPath == 0 {
		o.MaxPath = 4096
	}
	if o.RepackAt == 0 {
		o.RepackAt = 50
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 1 << 30
	}
	return o
}

// Repos has one bare repository an app under one directory, named by the app's
// id: a copy of what the store keeps for all servers, brought up to date before
// it is used. One process at a time may own the directory.
type Repos struct {
	dir   string
	store server.RepoStore
	git   *git
	log   *slog.Logger
	opts  Options

	locks  locks
	crowds chan string // apps whose repository holds too many packs

	mu        sync.Mutex
	at        map[string]int64     // by app, the version that the copy has
	noRoom    map[string]time.Time // by app, when there was not the room to store it
	repacking string               // the app whose packs are being joined
}

var _ server.Repos = (*Repos)(nil)

// NewRepos opens the directory, making it when it is missing, and clears away
// what an earlier process left half-done.
func NewRepos(dir string, store server.RepoStore, opts Options) (*Repos, error) {
	started := time.Now()
	opts = opts.withDefaults()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open repositories: %w", err)
	}
	if strings.ContainsAny(dir, ":\"\n") { // git's lists of directories could not name it
		return nil, fmt.Errorf("open repositories: the directory %q must not contain a colon, a quote or a line end", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open repositories: %w", err)
	}
	g, err := newGit(context.Background(), opts.Git, opts.MaxMemory)
	if err != nil {
		return nil, err
	}
	r := &Repos{dir: dir, store: store, at: map[string]int64{}, noRoom: map[string]time.Time{}, locks: locks{byApp: map[string]*appLock{}},
		git: g, log: opts.Log, opts: opts, crowds: make(chan string, 1024)}
	if err := r.sweep(started); err != nil {
		return nil, err
	}
	return r, nil
}

var appIDForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// path is the directory of an app's repository. Only an id can become a path.
func (r *Repos) path(appID string) (string, error) {
	if !appIDForm.MatchString(appID) {
		return "", fmt.Errorf("%q is not the id of an app", appID)
	}
	return filepath.Join(r.dir, appID+".git"), nil
}

// repo is path, of a repository that exists.
func (r *Repos) repo(appID string) (string, error) {
	path, err := r.path(appID)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(path, "HEAD")); err != nil {
		return "", fmt.Errorf("open the repository of app %s: %w", appID, err)
	}
	return path, nil
}

// repoConfig is all the configuration a repository has. hideRefs keeps what
// was pushed and never went live out of a fetch; big blobs are streamed.
const repoConfig = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
	hooksPath = /dev/null
	logAllRefUpdates = false
	bigFileThreshold = 16m
[gc]
	auto = 0
[maintenance]
	auto = false
[receive]
	fsckObjects = true
	autogc = false
	unpackLimit = 1
	denyDeletes = true
[transfer]
	fsckObjects = true
	unpackLimit = 1
	hideRefs = refs/paas
[uploadpack]
	allowTipSHA1InWant = false
	allowReachableSHA1InWant = false
	allowAnySHA1InWant = false
[protocol]
	allow = never
[pack]
	windowMemory = 64m
	deltaCacheSize = 32m
[repack]
	writeBitmaps = false
`

// create fills a directory beside and renames it, so that a repository is
// there in full or not at all.
func (r *Repos) create(path string) error {
	tmp, err := os.MkdirTemp(r.dir, prefixNew)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, d := range []string{"objects/pack", "objects/info", "refs/heads", "refs/paas", quarantineDir} {
		if err := os.MkdirAll(filepath.Join(tmp, d), 0o700); err != nil {
			return err
		}
	}
	if err := writeSynced(filepath.Join(tmp, "HEAD"), "ref: refs/heads/main\n"); err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(tmp, "config"), repoConfig); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(r.dir)
}

// Destroy removes the copy of an app's repository. It is no error when there is
// none.
func (r *Repos) Destroy(appID string) error {
	path, err := r.path(appID)
	if err != nil {
		return err
	}
	defer r.forget(appID)
	trash, err := os.MkdirTemp(r.dir, prefixTrash)
	if err != nil {
		return fmt.Errorf("destroy the repository of app %s: %w", appID, err)
	}
	// Renamed first: a half-removed repository must never be found by its id.
	err = os.Rename(path, filepath.Join(trash, "git"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, os.RemoveAll(trash)); err != nil {
		return fmt.Errorf("destroy the repository of app %s: %w", appID, err)
	}
	return nil
}

// Size is the bytes of all packs; of those on this disk as long as the
// repository is not stored.
func (r *Repos) Size(ctx context.Context, appID string) (int64, error) {
	if _, err := r.path(appID); err != nil {
		return 0, err
	}
	st, err := r.store.Repo(ctx, appID, 0)
	if server.IsID(err, server.ErrNotFound) {
		if path, none := r.repo(appID); none == nil {
			return sizeHere(path)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("size of the repository of app %s: %w", appID, err)
	}
	return st.Bytes, nil
}

func sizeHere(path string) (bytes int64, err error) {
	packs, err := packFiles(filepath.Join(path, "objects", "pack"))
	for _, p := range packs {
		bytes += p.Size
	}
	return bytes, err
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
