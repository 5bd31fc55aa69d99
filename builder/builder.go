// Package builder turns the tree of a commit into an image in the registry.
//
// The package holds the nouns; builder/buildkit is the driver that does the
// work. It imports nothing of the server: a build is a function of a Request.
package builder

import (
	"errors"
	"io/fs"
)

// Request is one build. It is safe to run the same Request again: the image
// of equal input is found in the layer cache.
type Request struct {
	AppID  string // names the repository in the registry and the cache namespace
	Commit string // full hex id, recorded as a label of the image
	Source fs.FS  // the commit's tree; implements fs.ReadLinkFS when it holds symlinks
}

// Image is what a build leaves in the registry.
type Image struct {
	Digest     string   // "sha256:…" of the manifest; the only name a release knows it by
	Size       int64    // bytes of all compressed layers as pushed
	Entrypoint []string // from the image config
	Cmd        []string // from the image config
	Port       int      // the single TCP port the image EXPOSEs, 0 when none or several
	User       string   // from the image config; empty means root
	Arch       string   // "amd64", "arm64", …; "amd64,arm64" of an index with both
	Volumes    []string // paths that the image declares to be volumes, clean and sorted; at most 20
}

// Failure is a build that cannot succeed as it was pushed: the pusher's to
// mend, not the platform's. Every other error of a Builder is the platform's.
type Failure struct {
	Reason string // one line, for the pusher
	Detail string // BuildKit's own message with the Dockerfile lines; may be empty
}

func (f *Failure) Error() string { return f.Reason }

// ErrUnavailable says that the build service or the registry could not be
// reached; the same build may be tried again.
var ErrUnavailable = errors.New("build service unavailable")
