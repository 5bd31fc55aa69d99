package gitd

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // git's own checksum of a pack
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"paas/server"
)

const packHeader = 12 // bytes: "PACK", version, number of objects

// fsckRules are git's checks of every object. What old but honest histories
// contain is let through; `.git`, `..` and the like are not.
const fsckRules = "--strict=zeroPaddedFilemode=ignore,missingSpaceBeforeDate=ignore,badTimezone=ignore," +
	"badDate=ignore,badDateOverflow=ignore,missingEmail=ignore,badEmail=ignore,missingNameBeforeEmail=ignore," +
	"missingSpaceBeforeEmail=ignore,multipleAuthors=ignore,badParentSha1=error"

// index streams the pack through git index-pack. max is the limit in bytes;
// show, if not nil, gets git's progress. rest is closed when no more is read
// from pack, which may be after index returned: the pusher may still talk.
func (in *incoming) index(ctx context.Context, pack io.Reader, max int64, show io.Writer) (rest <-chan struct{}, err error) {
	done := make(chan struct{})
	head, count, err := readPackHead(pack)
	if err == nil && count == 0 {
		err = emptyPack(head, pack)
	}
	if err != nil || count == 0 {
		close(done)
		return done, err
	}
	errs := &indexErrors{show: show, tail: tail{max: maxGitStderr}}
	args := []string{"index-pack", "--stdin", "--fix-thin", fsckRules, fmt.Sprintf("--max-input-size=%d", max)}
	if show != nil {
		args = append(args, "--show-resolving-progress")
	}
	cmd := in.repos.git.command(ctx, in.repo, in.env, args...)
	cmd.Stderr = errs
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		close(done)
		return done, fmt.Errorf("start git index-pack: %w", err)
	}
	err = in.repos.git.limit(cmd)
	if err != nil {
		cmd.Process.Kill() //nolint:errcheck // Wait says the rest
	}
	go func() {
		defer close(done)
		feed(stdin, io.MultiReader(bytes.NewReader(head), pack))
	}()
	if werr := cmd.Wait(); err == nil && werr != nil {
		err = errs.explain(newGitError(ctx, args, werr, &errs.tail), max)
	}
	return done, err
}

// readPackHead reads the header of a pack and the number of its objects.
func readPackHead(pack io.Reader) (head []byte, count uint32, err error) {
	head = make([]byte, packHeader)
	if _, err := io.ReadFull(pack, head); err != nil {
		return nil, 0, fmt.Errorf("%w before the pack came: %w", errGone, err)
	}
	if string(head[:4]) != "PACK" {
		return nil, 0, server.Errorf(server.ErrInvalid, "what was sent is not a git pack")
	}
	return head, binary.BigEndian.Uint32(head[8:]), nil
}

// drainLimit is how much of a refused pack is read away, so that the pusher
// gets to read why.
const drainLimit = 64 << 20

// feed copies until either side ends, then reads a rest away.
func feed(to io.WriteCloser, from io.Reader) {
	_, err := io.Copy(to, from)
	to.Close() //nolint:errcheck // git has ended, or sees the end of the pack
	if err != nil {
		drain(from)
	}
}

func drain(from io.Reader) {
	_, _ = io.CopyN(io.Discard, from, drainLimit)
}

func emptyPack(head []byte, pack io.Reader) error {
	want := sha1.Sum(head) //nolint:gosec // as above
	var got [sha1.Size]byte
	if _, err := io.ReadFull(pack, got[:]); err != nil {
		return fmt.Errorf("%w before the pack ended: %w", errGone, err)
	}
	if got != want {
		return server.Errorf(server.ErrInvalid, "the pack is damaged: its checksum does not fit")
	}
	return nil
}

// indexErrors splits what index-pack says into progress, shown at once, and
// messages, kept for the error.
type indexErrors struct {
	show io.Writer
	line []byte
	tail tail
}

func (e *indexErrors) Write(p []byte) (int, error) {
	for _, c := range p {
		e.line = append(e.line, c)
		if c != '\n' && c != '\r' && len(e.line) < maxGitStderr {
			continue
		}
		if !bytes.HasPrefix(e.line, []byte("Resolving deltas")) {
			e.tail.Write(e.line) //nolint:errcheck // never fails
		} else if e.show != nil {
			e.show.Write(e.line) //nolint:errcheck // never fails
		}
		e.line = e.line[:0]
	}
	return len(p), nil
}

// explain turns a failure of index-pack into one for the pusher, where it is
// the pack's fault.
func (e *indexErrors) explain(err error, max int64) error {
	var failed *gitError
	if !errors.As(err, &failed) {
		return err
	}
	text := failed.stderr
	switch {
	case strings.Contains(text, "pack exceeds maximum allowed size"):
		return server.Errorf(server.ErrTooLarge, "the pack is larger than %s, which is the limit; nothing was stored. Leave large files out of the history", spellBytes(max))
	case strings.Contains(text, "early EOF"):
		return fmt.Errorf("%w before the pack ended", errGone)
	case strings.Contains(text, "No space left on device"):
		return server.Errorf(server.ErrUnavailable, "the server's disk is full; nothing was stored")
	case strings.Contains(text, "Out of memory"), strings.Contains(text, "out of memory"):
		return server.Errorf(server.ErrTooLarge, "the pack needs too much memory to unpack; nothing was stored")
	case failed.code > 0:
		return server.Errorf(server.ErrInvalid, "git refused the pack: %s; nothing was stored. Check it with: git fsck", oneLine(firstError(text)))
	}
	return err
}

// firstError is the line of git's stderr that names the cause; the last one
// only says that there was one.
func firstError(stderr string) string {
	for line := range strings.Lines(stderr) {
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			return text
		}
	}
	last := strings.TrimSpace(stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:])
	return strings.TrimPrefix(last, "fatal: ")
}

func spellBytes(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size && n%u.size == 0 {
			return fmt.Sprintf("%d %s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
