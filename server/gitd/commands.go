package gitd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"paas/server"
)

const (
	maxCommands = 1000   // refs of one push
	maxShallow  = 10_000 // boundaries of one shallow clone
	maxRefName  = 1024   // bytes
)

// refUpdate is one line of a push: move ref from old to new.
type refUpdate struct {
	old, new string // zeroID: not there
	ref      string
}

// pushRequest is what a pusher sends before the pack.
type pushRequest struct {
	updates []refUpdate
	shallow []string // commits whose parents the pusher does not have

	sideband, reportStatus, quiet bool
}

// readPushRequest reads up to and including the flush that ends the list, and
// not one byte more. No updates means that the pusher had nothing to say.
func readPushRequest(r io.Reader) (pushRequest, error) {
	var q pushRequest
	lines := pktline.NewScanner(r)
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			return q, nil
		}
		if err := q.add(line); err != nil {
			return pushRequest{}, err
		}
	}
	if err := lines.Err(); errors.Is(err, pktline.ErrInvalidPktLen) {
		return pushRequest{}, server.Errorf(server.ErrInvalid, "bad list of refs: %v", err)
	} else if err != nil {
		return pushRequest{}, fmt.Errorf("%w while it listed its refs: %w", errGone, err)
	}
	if len(q.updates) == 0 && len(q.shallow) == 0 {
		return q, nil // hung up after looking at the refs, as a dry run does
	}
	return pushRequest{}, fmt.Errorf("%w while it listed its refs", errGone)
}

func (q *pushRequest) add(line []byte) error {
	if id, ok := bytes.CutPrefix(line, []byte("shallow ")); ok && len(q.updates) == 0 {
		id := strings.TrimSuffix(string(id), "\n")
		if !isID(id) {
			return server.Errorf(server.ErrInvalid, "bad shallow line %.80q", line)
		}
		if len(q.shallow) == maxShallow {
			return server.Errorf(server.ErrTooLarge, "the clone is shallow at more than %d commits, which is the limit", maxShallow)
		}
		q.shallow = append(q.shallow, id)
		return nil
	}
	if len(q.updates) == 0 {
		var caps []byte
		line, caps, _ = bytes.Cut(line, []byte{0})
		if err := q.capabilities(string(caps)); err != nil {
			return err
		}
	}
	if len(q.updates) == maxCommands {
		return server.Errorf(server.ErrTooLarge, "more than %d refs in one push, which is the limit", maxCommands)
	}
	u, err := parseRefUpdate(strings.TrimSuffix(string(line), "\n"))
	if err != nil {
		return err
	}
	q.updates = append(q.updates, u)
	return nil
}

func (q *pushRequest) capabilities(caps string) error {
	for _, c := range strings.Fields(caps) {
		switch {
		case c == "report-status":
			q.reportStatus = true
		case c == "side-band-64k":
			q.sideband = true
		case c == "quiet":
			q.quiet = true
		case strings.HasPrefix(c, "object-format=") && c != "object-format=sha1":
			return server.Errorf(server.ErrInvalid, "the repository uses %.40q; only sha1 repositories can be pushed", strings.TrimPrefix(c, "object-format="))
		}
	}
	return nil
}

func parseRefUpdate(line string) (refUpdate, error) {
	f := strings.SplitN(line, " ", 3)
	if len(f) != 3 || !isID(f[0]) || !isID(f[1]) || f[0] == zeroID && f[1] == zeroID {
		return refUpdate{}, server.Errorf(server.ErrInvalid, "bad update line %.80q", line)
	}
	ref := f[2]
	if !strings.HasPrefix(ref, "refs/") || len(ref) > maxRefName || !utf8.ValidString(ref) {
		return refUpdate{}, server.Errorf(server.ErrInvalid, "bad ref name %.80q", ref)
	}
	if strings.ContainsFunc(ref, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return refUpdate{}, server.Errorf(server.ErrInvalid, "bad ref name %.80q", ref)
	}
	return refUpdate{old: f[0], new: f[1], ref: ref}, nil
}

// choose finds the update to deploy, main before master, and says of every
// other why it is not taken.
func choose(updates []refUpdate) (deploy *refUpdate, refused map[string]string) {
	refused = map[string]string{}
	for _, want := range []string{refMain, refMaster} {
		for i := range updates {
			if u := &updates[i]; deploy == nil && u.ref == want && u.new != zeroID {
				deploy = u
			}
		}
	}
	seen := false
	for i := range updates {
		u := &updates[i]
		if u == deploy {
			continue
		}
		refused[u.ref] = refusal(u, deploy)
		seen = seen || deploy != nil && u.ref == deploy.ref
	}
	if seen { // one ref named twice: which one is meant?
		refused[deploy.ref] = "named twice in one push"
		deploy = nil
	}
	return deploy, refused
}

func refusal(u, deploy *refUpdate) string {
	short := strings.TrimPrefix(u.ref, "refs/heads/")
	switch {
	case u.new == zeroID:
		return "deleting is not possible here; paas apps:destroy removes an app"
	case strings.HasPrefix(u.ref, "refs/tags/"):
		return "tags are not kept here; only main and master deploy"
	case deploy != nil && (u.ref == refMain || u.ref == refMaster):
		return "one branch a push; " + strings.TrimPrefix(deploy.ref, "refs/heads/") + " was taken"
	case short == u.ref:
		return "only the branches main and master deploy"
	default:
		return "only main and master deploy; try: git push paas " + short + ":main"
	}
}
