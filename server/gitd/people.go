package gitd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"paas/server"
	"paas/server/api"
)

// greet answers who connects without a command.
func (ss *session) greet(by Identity) {
	eol := ss.eol()
	fmt.Fprintf(ss.out, "Hi %s! Your key works; this server gives no shell. Deploy with: git push paas main%s"+ //nolint:errcheck // a closed connection
		"Commands of paas can be given here, as in: ssh … ps -a APP. See which: ssh … help%s", oneLine(by.Email), eol, eol)
}

// eol ends a line of ours: a client's terminal is raw.
func (ss *session) eol() string {
	if ss.term != nil {
		return "\r\n"
	}
	return "\n"
}

// aside takes the requests around a command: its terminal before, changes of
// that and signals after. false refuses.
func (ss *session) aside(req *gossh.Request, started bool, cancel context.CancelFunc) bool {
	switch {
	case req.Type == "pty-req" && !started && ss.term == nil:
		return ss.giveTerminal(req.Payload)
	case req.Type == "window-change" && ss.term != nil:
		var p struct{ Cols, Rows, Width, Height uint32 }
		if gossh.Unmarshal(req.Payload, &p) != nil {
			return false
		}
		ss.resized(windowSize(p.Rows, p.Cols))
		return true
	case req.Type == "signal" && started:
		cancel() // whichever it is: there is one way to end a command
		return true
	}
	return false
}

var terminalKind = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$`)

func (ss *session) giveTerminal(payload []byte) bool {
	var p struct {
		Kind                      string
		Cols, Rows, Width, Height uint32
		Modes                     string
	}
	if gossh.Unmarshal(payload, &p) != nil {
		return false
	}
	if !terminalKind.MatchString(p.Kind) {
		p.Kind = "dumb"
	}
	ss.term = &Terminal{Kind: p.Kind, Size: windowSize(p.Rows, p.Cols), Resizes: ss.size}
	return true
}

func windowSize(rows, cols uint32) api.WindowSize {
	const most = 1<<16 - 1
	return api.WindowSize{Rows: uint16(min(rows, most)), Cols: uint16(min(cols, most))}
}

// resized keeps the newest size for who wants it.
func (ss *session) resized(size api.WindowSize) {
	for {
		select {
		case ss.size <- size:
			return
		default:
		}
		select {
		case <-ss.size:
		default:
		}
	}
}

// command has a command of the platform run. It may be silent for as long as
// it likes while its client answers pings.
func (ss *session) command(ctx context.Context, guard *guardConn, by Identity, line string, log *slog.Logger) uint32 {
	words, err := splitLine(line)
	if err == nil && len(words) == 0 {
		err = fmt.Errorf("%w: there is no word in it", errLine)
	}
	leave := func() {}
	if err == nil {
		leave, err = ss.s.people.enter(by.AccountID)
	}
	if err != nil {
		log.Info("command refused", "by", by.Email, "err", err)
		return ss.fail(err)
	}
	defer leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, feed := io.Pipe()
	defer in.Close()    //nolint:errcheck // a pipe's never fails
	ss.wait.Go(func() { // ends with the channel, or at the first byte nobody wants
		_, err := io.Copy(feed, ss.ch)
		_ = feed.CloseWithError(err)
	})
	ss.wait.Go(func() { ss.ping(ctx, guard) })
	began := time.Now()
	// Values may be secret: only the command's name is noted.
	log = log.With("command", oneLine(words[0]), "by", by.Email)
	log.Info("command begins")
	code := ss.s.pusher.Command(ctx, by, Command{Words: words, In: in, Out: ss.ch, Err: ss.ch.Stderr(), Terminal: ss.term})
	log.Info("command ended", "exit", code, "took", time.Since(began).Round(time.Millisecond))
	return uint32(code)
}

// ping asks the client again and again whether it lives, and cuts it off when
// it does not say so.
func (ss *session) ping(ctx context.Context, guard *guardConn) {
	tick := time.NewTicker(ss.s.cfg.Ping)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		late := time.AfterFunc(ss.s.cfg.PingTimeout, guard.hangUp)
		_, _, err := ss.conn.SendRequest("keepalive@openssh.com", true, nil)
		late.Stop()
		if err != nil {
			return
		}
	}
}

// quota counts what accounts do at once.
type quota struct {
	most int

	mu   sync.Mutex
	used map[string]int
}

func newQuota(most int) *quota { return &quota{most: most, used: map[string]int{}} }

func (q *quota) enter(account string) (leave func(), err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used[account] >= q.most {
		return nil, server.Errorf(server.ErrConflict, "You have %d commands running over SSH, which is the most there may be. Nothing was started.", q.most)
	}
	q.used[account]++
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.used[account]--; q.used[account] == 0 {
			delete(q.used, account)
		}
	}, nil
}
