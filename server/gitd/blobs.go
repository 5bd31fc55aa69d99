package gitd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

const (
	smallBlob  = 64 << 10  // blobs up to this size are read at once, freeing the process
	drainBlob  = 256 << 10 // a rest up to this size is read away rather than the process ended
	maxReaders = 64        // processes at once for one tree
)

var errClosed = errors.New("the tree is closed")

// blobs reads objects of one repository through a few `git cat-file --batch`
// processes. Objects are streamed: memory does not grow with their size.
type blobs struct {
	ctx  context.Context
	git  *git
	repo string

	mu     sync.Mutex
	all    map[*catFile]struct{}
	idle   []*catFile
	closed bool
}

func newBlobs(ctx context.Context, g *git, repo string) *blobs {
	return &blobs{ctx: ctx, git: g, repo: repo, all: map[*catFile]struct{}{}}
}

// open streams an object of the given type. Close it to free its process.
func (b *blobs) open(id, kind string) (io.ReadCloser, int64, error) {
	c, err := b.take()
	if err != nil {
		return nil, 0, err
	}
	size, err := c.request(id, kind)
	if err != nil {
		b.drop(c)
		if b.ctx.Err() != nil {
			err = context.Cause(b.ctx)
		}
		return nil, 0, fmt.Errorf("read %s %s: %w", kind, id, err)
	}
	return &blobReader{owner: b, proc: c, left: size}, size, nil
}

// read gives a whole object of at most limit bytes, or its first limit bytes.
func (b *blobs) read(id, kind string, limit int64) ([]byte, error) {
	r, size, err := b.open(id, kind)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, min(size, limit)))
	return data, errors.Join(err, r.Close())
}

func (b *blobs) take() (*catFile, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	if n := len(b.idle); n > 0 {
		c := b.idle[n-1]
		b.idle = b.idle[:n-1]
		return c, nil
	}
	if len(b.all) >= maxReaders {
		return nil, fmt.Errorf("more than %d files of one tree are open", maxReaders)
	}
	c, err := startCatFile(b.ctx, b.git, b.repo)
	if err != nil {
		return nil, err
	}
	b.all[c] = struct{}{}
	return c, nil
}

func (b *blobs) put(c *catFile) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.idle = append(b.idle, c)
	}
}

func (b *blobs) drop(c *catFile) {
	b.mu.Lock()
	delete(b.all, c)
	b.mu.Unlock()
	c.stop()
}

// close ends all processes and waits for them.
func (b *blobs) close() {
	b.mu.Lock()
	all := b.all
	b.closed, b.all, b.idle = true, map[*catFile]struct{}{}, nil
	b.mu.Unlock()
	for c := range all {
		c.stop()
	}
}

// catFile is one process; it serves one object after the other.
type catFile struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs *tail
	end  context.CancelFunc
	once sync.Once
}

func startCatFile(ctx context.Context, g *git, repo string) (*catFile, error) {
	ctx, end := context.WithCancel(ctx)
	cmd := g.command(ctx, repo, nil, "cat-file", "--batch")
	c := &catFile{cmd: cmd, errs: &tail{max: maxGitStderr}, end: end}
	cmd.Stderr = c.errs
	var err error
	var out io.Reader
	if c.in, err = cmd.StdinPipe(); err == nil {
		out, err = cmd.StdoutPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		end()
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	c.out = bufio.NewReaderSize(out, 32<<10)
	return c, nil
}

// request asks for an object and reads the header of the answer.
func (c *catFile) request(id, kind string) (int64, error) {
	if _, err := io.WriteString(c.in, id+"\n"); err != nil {
		return 0, err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("git cat-file ended: %w", err)
	}
	f := strings.Fields(line)
	if len(f) != 3 {
		return 0, fmt.Errorf("git cat-file says %q", strings.TrimSpace(line))
	}
	if f[1] != kind {
		return 0, fmt.Errorf("it is a %s", f[1])
	}
	return strconv.ParseInt(f[2], 10, 64)
}

func (c *catFile) stop() {
	c.once.Do(func() {
		c.end()
		c.in.Close() //nolint:errcheck // the process is being killed
		c.cmd.Wait() //nolint:errcheck // killed on purpose; closes our end of out
	})
}

// blobReader streams one object and gives its process back on Close.
type blobReader struct {
	owner *blobs
	proc  *catFile
	left  int64
	bad   bool
}

func (r *blobReader) Read(p []byte) (int, error) {
	if r.proc == nil {
		return 0, errClosed
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.proc.out.Read(p)
	r.left -= int64(n)
	if err != nil {
		r.bad = true
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if r.owner.ctx.Err() != nil {
			err = context.Cause(r.owner.ctx)
		}
	}
	return n, err
}

// Close frees the process. It is no error to close early.
func (r *blobReader) Close() error {
	c := r.proc
	if c == nil {
		return nil
	}
	r.proc = nil
	if r.bad || r.left > drainBlob {
		r.owner.drop(c)
		return nil
	}
	if _, err := c.out.Discard(int(r.left) + 1); err != nil { // and the LF after it
		r.owner.drop(c)
		return nil
	}
	r.owner.put(c)
	return nil
}

// lazyBlob opens its object on the first Read; a small one is read at once.
type lazyBlob struct {
	owner *blobs
	id    string
	size  int64
	r     io.ReadCloser
}

func (l *lazyBlob) Read(p []byte) (int, error) {
	if l.r == nil {
		if err := l.start(); err != nil {
			return 0, err
		}
	}
	return l.r.Read(p)
}

func (l *lazyBlob) start() error {
	if l.size <= smallBlob {
		data, err := l.owner.read(l.id, "blob", l.size)
		if err != nil {
			return err
		}
		l.r = io.NopCloser(bytes.NewReader(data))
		return nil
	}
	r, _, err := l.owner.open(l.id, "blob")
	if err != nil {
		return err
	}
	l.r = r
	return nil
}

func (l *lazyBlob) Close() error {
	if l.r == nil {
		return nil
	}
	return l.r.Close()
}
