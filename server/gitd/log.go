package gitd

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"paas/server"
)

var commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)

// logFields are what one commit is written as: NUL between, NUL behind. Names
// and subjects are cut, so that the whole stays bounded.
const logFields = "tformat:%H%x00%at%x00%<(100,trunc)%an%x00%<(300,trunc)%s"

// Log lists the commits that to has and from has not, newest first, at most
// limit; without from all that to has. more says that there are others. A commit
// that the repository does not have (any more) is server.ErrNotFound.
func (r *Repos) Log(ctx context.Context, appID, from, to string, limit int) (commits []server.Commit, more bool, err error) {
	repo, err := r.ready(ctx, appID)
	if err != nil {
		return nil, false, err
	}
	args := []string{"log", "-z", "--no-show-signature", "--max-count=" + strconv.Itoa(limit+1), "--format=" + logFields}
	for _, c := range []struct{ mark, id string }{{"", to}, {"^", from}} {
		if c.id == "" && c.mark != "" {
			continue
		}
		if !commitForm.MatchString(c.id) {
			return nil, false, server.Errorf(server.ErrNotFound, "%q is not the id of a commit.", c.id)
		}
		args = append(args, c.mark+c.id)
	}
	out, err := r.git.run(ctx, repo, nil, nil, append(args, "--")...)
	var failed *gitError
	if errors.As(err, &failed) && failed.code == 128 {
		return nil, false, server.Errorf(server.ErrNotFound, "The repository does not have these commits.")
	}
	if err != nil {
		return nil, false, err
	}
	if commits, err = parseLog(string(out)); err != nil {
		return nil, false, err
	}
	more = len(commits) > limit
	return commits[:min(len(commits), limit)], more, nil
}

func parseLog(out string) ([]server.Commit, error) {
	const fields = 4
	parts := strings.Split(strings.TrimSuffix(out, "\x00"), "\x00")
	if out == "" {
		return nil, nil
	}
	if len(parts)%fields != 0 {
		return nil, fmt.Errorf("git log: %d fields", len(parts))
	}
	var list []server.Commit
	for ; len(parts) > 0; parts = parts[fields:] {
		at, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			at = 0 // a commit may claim any time
		}
		list = append(list, server.Commit{ID: parts[0], At: time.Unix(at, 0).UTC(),
			Author: strings.TrimRight(parts[2], " "), Subject: strings.TrimRight(parts[3], " ")})
	}
	return list, nil
}
