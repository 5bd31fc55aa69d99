package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"paas/server"
)

// try runs statements as the tables' owner, past the store.
func (h *house) try(statements ...string) error {
	h.t.Helper()
	conn, err := pgx.Connect(h.ctx, h.dsn)
	h.must(err)
	defer conn.Close(h.ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(h.ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func (h *house) sql(statements ...string) {
	h.t.Helper()
	h.must(h.try(statements...))
}

// logged gives the kinds in the audit log, oldest first.
func (h *house) logged(app string) []server.AuditEntry {
	h.t.Helper()
	var id string
	if app != "" {
		a, err := h.App(h.ctx, app)
		h.must(err)
		id = a.ID
	}
	list, err := h.Audit(h.ctx, id, 1000)
	h.must(err)
	out := make([]server.AuditEntry, len(list))
	for i, e := range list {
		out[len(list)-1-i] = e
	}
	return out
}

// Who, what, from where, by which token; names, never secrets.
func TestAuditTells(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	bob, app := h.owner("bob@example.com", "access-log")
	secret, _, err := h.svc.Login(h.as(bob), bob)
	h.must(err)
	by, err := h.svc.Authenticate(h.ctx, secret)
	h.must(err)
	by.From = "192.0.2.7"
	do := func(err error) { t.Helper(); h.must(err) }
	do(second(h.svc.AddKey(h.as(by), by, newKey(t))))
	do(second(h.svc.RemoveKey(h.as(by), by, "someone@laptop")))
	api, made, err := h.svc.Authorize(h.as(by), by, server.NewToken{Description: "ci"})
	do(err)
	rotated, _, err := h.svc.Rotate(h.as(by), by, made.ID)
	do(err)
	do(second(h.svc.Revoke(h.as(by), by, made.ID)))
	code := h.invite(by, app.Name, "new@example.com")
	do(second(h.svc.RevokeInvitation(h.as(by), by, app.Name, "new@example.com")))
	code2 := h.invite(by, app.Name, "new@example.com")
	joined, _, _, err := h.svc.Join(h.ctx, code2, newKey(t), "198.51.100.9")
	do(err)
	do(second(h.svc.UpdateCollaborator(h.as(by), by, app.Name, "new@example.com", []server.Permission{server.PermView})))
	do(second(h.svc.RemoveCollaborator(h.as(by), by, app.Name, "new@example.com")))
	do(second(h.svc.SetAdmin(h.as(op), op, "new@example.com", true)))
	do(second(h.svc.SetAdmin(h.as(op), op, "new@example.com", false)))
	do(second(h.svc.RemoveAccount(h.as(op), op, "new@example.com")))
	do(second(h.svc.DestroyApp(h.as(by), by, app.Name)))

	var got []string
	for _, e := range h.logged("") {
		got = append(got, fmt.Sprintf("%s %s %s %s", e.Actor, e.Via+e.From, e.App, e.Kind))
		for _, s := range []string{secret, api, rotated, code, code2, joined} {
			if strings.Contains(e.Text, s) {
				t.Errorf("%s holds a secret: %s", e.Kind, e.Text)
			}
		}
		if e.From == "192.0.2.7" && e.TokenID != by.Token {
			t.Errorf("%s was done with token %q", e.Kind, e.TokenID)
		}
	}
	const him, they, sock = "bob@example.com api192.0.2.7 ", "new@example.com api198.51.100.9 ", "operator@localhost socket "
	want := []string{"bob@example.com api access-log app.created", "bob@example.com api  token.created",
		him + " key.added", him + " key.removed", him + " token.created", him + " token.rotated", him + " token.revoked",
		him + "access-log invitation.created", him + "access-log invitation.revoked", him + "access-log invitation.created",
		they + " account.created", they + " key.added", they + "access-log invitation.accepted", they + "access-log access.added", they + " token.created",
		him + "access-log access.updated", him + "access-log access.removed",
		sock + " account.admin", sock + " account.admin", sock + " account.removed", him + " app.destroyed"}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("the log says:\n%s\nwant:\n%s", a, b)
	}
	state, err := h.svc.VerifyAudit(h.as(op), op, "")
	h.must(err)
	if state.Broken != 0 || int(state.Rows) != len(want) || len(state.Head) != 64 {
		t.Errorf("verified: %+v", state)
	}
}

// fill writes n entries.
func (h *house) fill(n int) {
	h.t.Helper()
	op := h.svc.Operator()
	for i := range n {
		_, err := h.svc.CreateAccount(h.as(op), op, fmt.Sprintf("fill%d@example.com", i), false, "")
		h.must(err)
	}
}

// Nobody alters the log by SQL, the platform's own role included.
func TestAuditIsOnlyAddedTo(t *testing.T) {
	h := newHouse(t)
	h.fill(2)
	for _, table := range []string{"audit", "audit_chain"} {
		for _, sql := range []string{"delete from " + table, "truncate " + table + " cascade", "update " + table + " set " +
			map[string]string{"audit": "text = 'x'", "audit_chain": "hash = ''"}[table], "delete from " + table + " where false"} {
			err := h.try(sql)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || !strings.Contains(pg.Message, "only ever added") {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
}

// Who owns the tables and switches their triggers off leaves traces.
func TestAuditShowsTampering(t *testing.T) {
	off := []string{"alter table audit disable trigger user", "alter table audit_chain disable trigger user",
		"alter table audit_chain drop constraint audit_chain_audit_id_fkey"}
	for name, c := range map[string]struct {
		sql    string
		broken int // of the rows, counted from 0; -1 is one behind the last
		why    string
		head   bool
	}{
		"altered":          {sql: "update audit set text = 'x' where id = $3", broken: 3, why: "altered"},
		"back-dated":       {sql: "update audit set at = at - interval '1 day' where id = $3", broken: 3, why: "altered"},
		"another actor":    {sql: "update audit set actor = 'eve@example.com' where id = $3", broken: 3, why: "altered"},
		"row taken out":    {sql: "delete from audit where id = $3", broken: 3, why: "taken out"},
		"link taken out":   {sql: "delete from audit_chain where audit_id = $3", broken: 3, why: "no link"},
		"both taken out":   {sql: "delete from audit_chain where audit_id = $3; delete from audit where id = $3", broken: 4, why: "a row before it was taken out"},
		"first taken out":  {sql: "delete from audit_chain where audit_id = $0; delete from audit where id = $0", broken: 1, why: "taken out"},
		"put in":           {sql: "insert into audit (actor, account_id, via, kind, text) values ('x', gen_random_uuid(), 'api', 'x', 'x')", broken: -1, why: "put in"},
		"cut off":          {sql: "delete from audit_chain where audit_id >= $4; delete from audit where id >= $4", broken: 4, why: "cut off", head: true},
		"emptied":          {sql: "truncate audit, audit_chain", broken: -2, why: "cut off", head: true},
		"nothing":          {sql: "select 1", broken: -3},
		"nothing, by head": {sql: "select 1", broken: -3, head: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.fill(6)
			op, rows := h.svc.Operator(), h.logged("")
			before, err := h.svc.VerifyAudit(h.as(op), op, "")
			h.must(err)
			if before.Broken != 0 || len(rows) != 6 {
				t.Fatalf("before: %+v, %d rows", before, len(rows))
			}
			sql := c.sql
			for i, r := range rows {
				sql = strings.ReplaceAll(sql, fmt.Sprintf("$%d", i), fmt.Sprint(r.ID))
			}
			h.sql(append(off, strings.Split(sql, "; ")...)...)
			head := ""
			if c.head {
				head = before.Head
			}
			got, err := h.svc.VerifyAudit(h.as(op), op, head)
			h.must(err)
			want := int64(0)
			switch {
			case c.broken >= 0:
				want = rows[c.broken].ID
			case c.broken == -1:
				want = rows[5].ID + 1
			case c.broken == -2:
				want = 1
			}
			if got.Broken != want || !strings.Contains(got.Why, c.why) {
				t.Errorf("found row %d (%s), want %d (%s)", got.Broken, got.Why, want, c.why)
			}
		})
	}
}

// Changes that commit at the same time make one chain.
func TestAuditOfManyAtOnce(t *testing.T) {
	h := newHouse(t)
	op := h.svc.Operator()
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 10 {
				if _, err := h.svc.CreateAccount(h.as(op), op, fmt.Sprintf("p%d-%d@example.com", w, i), false, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	state, err := h.svc.VerifyAudit(h.as(op), op, "")
	h.must(err)
	if state.Rows != 80 || state.Broken != 0 {
		t.Errorf("%+v", state)
	}
	for _, head := range []string{"zz", "00", strings.Repeat("0", 66)} {
		_, err := h.svc.VerifyAudit(h.as(op), op, head)
		h.refused(err, server.ErrInvalid, "64 hexadecimal digits")
	}
}

// Every visit to a dyno is written down, of forwarded connections one a while.
func TestSessionOpened(t *testing.T) {
	h := newHouse(t)
	bob, app := h.owner("bob@example.com", "access-log")
	for range 3 {
		h.must(h.SessionOpened(h.as(bob), app.ID, bob.Email, "exec web.1", 0))
		h.must(h.SessionOpened(h.as(bob), app.ID, bob.Email, "forward web.1", time.Hour))
	}
	h.must(h.SessionOpened(h.as(bob), app.ID, bob.Email, "forward web.2", time.Hour))
	var got []string
	for _, e := range h.logged(app.Name)[1:] {
		got = append(got, e.Kind+" "+e.Text)
	}
	const want = "[session.opened exec web.1 session.opened forward web.1 session.opened exec web.1 session.opened exec web.1 session.opened forward web.2]"
	if fmt.Sprint(got) != want {
		t.Errorf("logged %v", got)
	}
}
