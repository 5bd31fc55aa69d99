package gitd

import (
	"context"
	"errors"
	"syscall"
	"time"

	"paas/server"
)

var errNoRoom = errors.New("the disk has not the room to keep the repository in the database as well")

// room says whether a repository may be stored: the database is often on the
// same disk, and writes it to its log first.
func (r *Repos) room(path string, packs []server.RepoPack) error {
	const spare = 1 << 30
	need := int64(0)
	for _, p := range packs {
		need += 3 * p.Size
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil || need < spare/64 || int64(st.Bavail)*st.Bsize > need+spare { //nolint:gosec // bytes of a disk
		return err
	}
	r.log.Error("ALARM: a repository is on this disk alone: there is not the room to keep it in the database as well. Pushes to its app are refused until there is",
		"repository", path, "needs_mb", (need+spare)>>20, "free_mb", int64(st.Bavail)*st.Bsize>>20) //nolint:gosec // as above
	return errNoRoom
}

// roomAgain is after which time it is looked whether there is room by now.
const roomAgain = 10 * time.Minute

// tryAdopt is adopt, unless there was not the room for it a moment ago.
func (r *Repos) tryAdopt(ctx context.Context, appID, path string) error {
	if r.onlyHere(appID) {
		return errNoRoom
	}
	err := r.adopt(ctx, appID, path)
	if errors.Is(err, errNoRoom) {
		r.setRoom(appID, false)
	}
	return err
}

func (r *Repos) setRoom(appID string, is bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if is {
		delete(r.noRoom, appID)
	} else {
		r.noRoom[appID] = time.Now()
	}
}

func (r *Repos) onlyHere(appID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.noRoom[appID]
	return ok && time.Since(at) < roomAgain
}

// takes says whether a repository that is ready can take a push.
func (r *Repos) takes(appID string) error {
	if !r.onlyHere(appID) {
		return nil
	}
	e := server.Errorf(server.ErrUnavailable, "There is not the room on the server's disk to keep this repository in the database as well, so it takes no push. Nothing was changed; the app runs on.")
	e.Next = "Ask whoever runs this server to make room; it is looked at again every 10 minutes."
	return e
}
