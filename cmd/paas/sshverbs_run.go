package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"paas/server"
	"paas/server/client"
	"paas/server/gitd"
)

// Command runs a command line that came over SSH: the CLI's own commands, in
// this process, as the account that the key proved. Of the process they get
// nothing: no environment but TERM, no stream but the client's, and one way to
// do anything at all, the API on the operator's socket with a token that is
// the account's and ends with the command.
func (p pusher) Command(ctx context.Context, by gitd.Identity, g gitd.Command) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	con := openConsole(g, cancel)
	defer con.close()
	env := []string{}
	if g.Terminal != nil {
		env = append(env, "TERM="+g.Terminal.Kind)
	}
	c := newCLI(con.input(), con.writer(g.Out), con.writer(g.Err), env)
	c.away, c.term = true, con.terminal()
	secret, revoke, err := p.credential(ctx, by)
	if err != nil {
		c.complain(p.plainly(by, err))
		return exitFailure
	}
	defer revoke()
	c.dial = func() (*client.Client, error) { return p.dialAs(secret) }
	if strings.HasPrefix(g.Words[0], "__") { // cobra's own, for completion by a shell
		c.complain(unknownCommand(c.bareRoot(), g.Words))
		return exitUsage
	}
	return c.execute(ctx, c.awayRoot(), g.Words)
}

// credential makes the command's token; revoke ends it whatever became of ctx.
func (p pusher) credential(ctx context.Context, by gitd.Identity) (secret string, revoke func(), err error) {
	actor, err := p.actor(ctx, by)
	if err != nil {
		return "", nil, err
	}
	secret, end, err := p.service.CommandToken(ctx, actor)
	if err != nil {
		return "", nil, err
	}
	return secret, func() {
		const patience = 5 * time.Second
		ctx, done := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer done()
		if err := end(ctx); err != nil && !server.IsID(err, server.ErrNotFound) {
			p.log.Warn("end the token of a command; it expires within a day, and nobody has it", "by", by.Email, "err", err)
		}
	}, nil
}

// dialAs speaks to this server's own API. Without a token the socket would
// take us for the operator.
func (p pusher) dialAs(secret string) (*client.Client, error) {
	if secret == "" {
		return nil, errors.New("a command without a token")
	}
	return client.New(client.Config{URL: (&url.URL{Scheme: "unix", Path: p.socket}).String(), Token: secret, UserAgent: "paas-ssh/" + buildVersion()})
}

// plainly is what the client is told of an error from before its command.
func (p pusher) plainly(by gitd.Identity, err error) error {
	var told *server.Error
	if errors.As(err, &told) {
		return told
	}
	p.log.Error("prepare a command", "by", by.Email, "err", err)
	return fmt.Errorf("the platform failed and did nothing. The operator finds the cause in the server's log")
}
