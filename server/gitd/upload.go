package gitd

import (
	"context"
	"fmt"

	"paas/server"
)

const uploadTimeout = "600" // seconds a fetching client may stay silent

// upload serves git-upload-pack: a clone or a fetch.
func (ss *session) upload(ctx context.Context, repo string) error {
	select {
	case ss.s.packs <- struct{}{}:
		defer func() { <-ss.s.packs }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, ss.s.cfg.PackTimeout,
		server.Errorf(server.ErrTooLarge, "the fetch took longer than %s", ss.s.cfg.PackTimeout))
	defer cancel()
	args := []string{"upload-pack", "--strict", "--timeout=" + uploadTimeout, "--", repo}
	cmd := ss.s.repos.git.command(ctx, repo, nil, args...)
	errs := &tail{max: maxGitStderr}
	cmd.Stdout, cmd.Stderr = ss.out, errs
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("start git upload-pack: %w", err)
	}
	ss.wait.Go(func() { feed(stdin, ss.ch) }) // ends with the channel
	if err := cmd.Wait(); err != nil {
		return newGitError(ctx, args, err, errs)
	}
	return nil
}
