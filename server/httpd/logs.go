package httpd

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"paas/server"
	"paas/server/api"
)

const sessionLife = 5 * time.Minute // in which a log session can be opened

// session is what the URL of a log session says, signed. It names the account
// that made it, whose rights are asked for again when it is opened.
type session struct {
	ID      string `json:"i"`
	App     string `json:"a"`
	Account string `json:"u"`
	Token   string `json:"k,omitempty"` // id of the one it was made with: the session ends with it
	Source  string `json:"s,omitempty"`
	Dyno    string `json:"d,omitempty"`
	Type    string `json:"p,omitempty"`
	Lines   int    `json:"n"`
	Tail    bool   `json:"t,omitempty"`
	From    int64  `json:"f,omitempty"` // lines since then, Unix microseconds
	To      int64  `json:"o,omitempty"` // lines before then
	Text    string `json:"x,omitempty"`
	Fold    bool   `json:"c,omitempty"`
	Pattern string `json:"r,omitempty"`
	Level   string `json:"l,omitempty"`
	Until   int64  `json:"e"` // Unix seconds
}

// query is what the session reads.
func (ses session) query() (server.LogQuery, error) {
	q := server.LogQuery{Source: ses.Source, Dyno: ses.Dyno, Type: ses.Type, Lines: ses.Lines, Tail: ses.Tail, Text: ses.Text, Fold: ses.Fold, Level: ses.Level}
	if ses.From != 0 {
		q.Since = time.UnixMicro(ses.From)
	}
	if ses.To != 0 {
		q.Until = time.UnixMicro(ses.To)
	}
	if ses.Pattern != "" {
		p, err := regexp.Compile(ses.Pattern)
		if err != nil {
			return q, fmt.Errorf("pattern of a log session: %w", err)
		}
		q.Pattern = p
	}
	return q, nil
}

func (s *Server) createLogSession(w http.ResponseWriter, r *http.Request) error {
	var in api.LogSessionRequest
	if err := decode(w, r, &in); err != nil {
		return err
	}
	a, err := s.svc.App(r.Context(), actor(r), param(r, "app"))
	if err != nil {
		return err
	}
	now := time.Now()
	q, err := server.ParseLogQuery(in, now)
	if err != nil {
		return err
	}
	ses := session{ID: uuid(), App: a.ID, Account: actor(r).ID, Token: actor(r).Token, Until: now.Add(sessionLife).Unix()}
	ses.choose(q)
	token, err := s.seal(ses)
	if err != nil {
		return err
	}
	return reply(w, r, http.StatusCreated, api.LogSession{
		ID: ses.ID, LogplexURL: s.cfg.APIURL + "/log-sessions/" + token,
		CreatedAt: stamp(now), UpdatedAt: stamp(now),
	})
}

// choose notes what the query asks for.
func (ses *session) choose(q server.LogQuery) {
	ses.Source, ses.Dyno, ses.Type, ses.Lines, ses.Tail = q.Source, q.Dyno, q.Type, q.Lines, q.Tail
	ses.Text, ses.Fold, ses.Level = q.Text, q.Fold, q.Level
	if q.Pattern != nil {
		ses.Pattern = q.Pattern.String()
	}
	if !q.Since.IsZero() {
		ses.From = q.Since.UnixMicro()
	}
	if !q.Until.IsZero() {
		ses.To = q.Until.UnixMicro()
	}
}

func (s *Server) sign(payload string) []byte {
	mac := hmac.New(sha256.New, s.cfg.LogKey)
	mac.Write([]byte("paas log session\n" + payload))
	return mac.Sum(nil)
}

func (s *Server) seal(ses session) (string, error) {
	b, err := json.Marshal(ses)
	if err != nil {
		return "", fmt.Errorf("log session: %w", err)
	}
	payload := base64.RawURLEncoding.EncodeToString(b)
	return payload + "." + base64.RawURLEncoding.EncodeToString(s.sign(payload)), nil
}

func (s *Server) unseal(token string) (session, error) {
	var ses session
	gone := server.Errorf(server.ErrNotFound, "This log session does not exist or has expired: make a new one.")
	payload, signature, _ := strings.Cut(token, ".")
	mac, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(mac, s.sign(payload)) {
		return ses, gone
	}
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(b, &ses) != nil || time.Now().Unix() >= ses.Until {
		return ses, gone
	}
	return ses, nil
}

// readLog streams a log session. The token in the path is the only proof it
// asks for.
func (s *Server) readLog(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.unseal(param(r, "token"))
	if err != nil {
		return err
	}
	who, err := s.sessionOwner(r, ses)
	if err != nil {
		return err
	}
	if _, err := s.svc.App(r.Context(), who, ses.App); err != nil {
		return err
	}
	q, err := ses.query()
	if err != nil {
		return err
	}
	out := startStream(w, r)
	pump := server.PumpLog(r.Context(), server.LogSink{Encode: encodeLine, Write: func(batch []byte) error {
		_, err := out.Write(batch)
		return err
	}})
	err = s.svc.Logs(r.Context(), who, ses.App, q, pump.Line)
	err = errors.Join(err, pump.End())
	var gone *server.Error
	if errors.As(err, &gone) {
		err = nil // the app, or the right to see it: a new session says so
	}
	return s.endStream(r, out, errors.Join(err, r.Context().Err()))
}

func encodeLine(dst []byte, l server.LogLine) []byte {
	l.Text = api.Printable(l.Text, true)
	return append(server.AppendLogLine(dst, l), '\n')
}

func (s *Server) sessionOwner(r *http.Request, ses session) (server.Actor, error) {
	op := s.svc.Operator()
	if ses.Account == op.ID {
		return op, nil
	}
	a, err := s.svc.FindAccount(r.Context(), op, ses.Account)
	return server.Actor{Account: a, Token: ses.Token, Via: "api", From: from(r)}, err
}
