package gitd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"

	"paas/server"
	"paas/server/api"
)

// session is one command on a connection.
type session struct {
	s    *Server
	conn *gossh.ServerConn
	ch   gossh.Channel
	out  io.Writer // ch, hanging up on a client that does not read
	wait sync.WaitGroup
	term *Terminal // nil unless the client asked for one
	size chan api.WindowSize
}

// session serves a channel of a connection whose key is proven. Of its
// requests exec and shell are known, once, a terminal before them, and its size
// and signals after them; env, agent, X11 and subsystems are refused.
func (s *Server) session(_ *ssh.Server, conn *gossh.ServerConn, newChan gossh.NewChannel, connCtx ssh.Context) {
	s.sessions.enter()
	defer s.sessions.leave()
	guard, ok := connCtx.Value(guardKey{}).(*guardConn)
	if !ok || s.stopping() || !guard.begin(s.cfg.MaxSessions) {
		newChan.Reject(gossh.ResourceShortage, "too many sessions") //nolint:errcheck // a closed connection
		return
	}
	end := sync.OnceFunc(guard.finish)
	defer end()
	ch, requests, err := newChan.Accept()
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(connCtx)
	defer context.AfterFunc(s.base, cancel)()
	ss := &session{s: s, conn: conn, ch: ch, out: &stallWriter{ch, s.cfg.StallTimeout, guard.hangUp}, size: make(chan api.WindowSize, 1)}
	started := false
	for req := range requests { // until the client closes the channel
		line, known := commandOf(req)
		ok := known && !started
		if !known {
			ok = ss.aside(req, started, cancel)
		}
		if req.WantReply {
			req.Reply(ok, nil) //nolint:errcheck // a closed connection
		}
		if ok && known {
			started = true
			ss.wait.Go(func() {
				ss.serve(ctx, guard, line)
				end()
			})
		}
	}
	cancel()
	ss.wait.Wait()
	ch.Close() //nolint:errcheck // closed by serve, unless there was no command
}

// commandOf gives the command line of a request, empty for a shell.
func commandOf(req *gossh.Request) (line string, ok bool) {
	switch req.Type {
	case "shell":
		return "", true
	case "exec":
		var payload struct{ Command string }
		err := gossh.Unmarshal(req.Payload, &payload)
		return payload.Command, err == nil && payload.Command != ""
	}
	return "", false
}

// serve runs the command and closes the channel with its exit code.
func (ss *session) serve(ctx context.Context, guard *guardConn, line string) {
	code := ss.dispatch(ctx, guard, line)
	status := gossh.Marshal(struct{ Status uint32 }{code})
	ss.ch.SendRequest("exit-status", false, status) //nolint:errcheck // a closed connection
	ss.ch.Close()                                   //nolint:errcheck // as above
}

// dispatch is the door of a session: every error is logged here, once.
func (ss *session) dispatch(ctx context.Context, guard *guardConn, line string) (code uint32) {
	log := ss.s.log.With("from", ss.conn.RemoteAddr().String())
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic in a git session", "err", p, "stack", string(debug.Stack()))
			code = ss.fail(errors.New("panic"))
		}
	}()
	by, err := ss.s.identity(ctx, ss.conn)
	if err == nil && strings.TrimSpace(line) == "" {
		ss.greet(by)
		return 0
	}
	if err == nil && !forGit(line) {
		return ss.command(ctx, guard, by, line, log)
	}
	var verb, app string
	if err == nil {
		verb, app, err = parseCommand(line)
	}
	if err != nil {
		log.Info("command refused", "by", by.Email, "err", err)
		return ss.fail(err)
	}
	if verb == verbLogin {
		err = ss.login(ctx, by)
	} else {
		err = ss.git(ctx, guard, by, verb, app)
	}
	switch {
	case err == nil:
		return 0
	case isTold(err) || ctx.Err() != nil:
		log.Info("session ended", "verb", verb, "app", app, "by", by.Email, "err", err)
	default:
		log.Error("session ended", "verb", verb, "app", app, "by", by.Email, "err", err)
	}
	return 1
}

// isTold says that err was made for people.
func isTold(err error) bool {
	var told *server.Error
	return errors.As(err, &told) || errors.Is(err, errCommand) || errors.Is(err, errLine) || errors.Is(err, errGone)
}

// plain is what the other side is told of err; of a fault of ours, nothing.
func plain(err error) string {
	var told *server.Error
	switch {
	case errors.As(err, &told):
		return oneLine(told.Error())
	case errors.Is(err, errCommand), errors.Is(err, errLine):
		return oneLine(err.Error())
	}
	return internalError
}

// fail says one plain line where a shell would.
func (ss *session) fail(err error) uint32 {
	fmt.Fprintf(ss.ch.Stderr(), "paas: %s%s", plain(err), ss.eol()) //nolint:errcheck // a closed connection
	return 1
}

func (ss *session) login(ctx context.Context, by Identity) error {
	token, err := ss.s.pusher.Login(ctx, by)
	if err != nil {
		ss.fail(err)
		return err
	}
	line, err := json.Marshal(token)
	if err != nil {
		ss.fail(err)
		return fmt.Errorf("write the token: %w", err)
	}
	_, err = ss.out.Write(append(line, '\n'))
	return err
}

// git serves a push or a fetch. What goes wrong before the conversation began
// is told to git as a remote error; after that, in the conversation.
func (ss *session) git(ctx context.Context, guard *guardConn, by Identity, verb, app string) error {
	write := verb == verbReceive
	appID, err := ss.s.pusher.Authorize(ctx, by, app, write)
	if err == nil && write {
		// Before the pack is made, so that nobody waits for a refusal.
		err = ss.s.pusher.Ready(ctx, appID)
	}
	var repo string
	if err == nil {
		repo, err = ss.s.repos.ready(ctx, appID)
	}
	if err == nil && write {
		err = ss.s.repos.takes(appID)
	}
	if err != nil {
		return errors.Join(err, refuse(ss.out, plain(err)))
	}
	if !write {
		return ss.upload(ctx, repo)
	}
	r := &reception{s: ss.s, in: ss.ch, out: ss.out, wait: &ss.wait, hang: guard.hangUp,
		by: by, app: app, appID: appID, repo: repo}
	return r.receive(ctx)
}
