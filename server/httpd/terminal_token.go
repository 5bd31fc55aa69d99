package httpd

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"paas/scheduler/agent"
	"paas/server"
)

// ticket is what an attach_url says, signed: one session with one dyno, in the
// name of who made it. Their rights are asked for again when it is used, so
// it outlives none of them. Browsers, which cannot send a token with a
// WebSocket, and Heroku's style of attaching need it.
type ticket struct {
	App     string `json:"a"`
	Account string `json:"u"`
	Token   string `json:"k,omitempty"` // id of the one it was made with: the session ends with it
	Dyno    string `json:"d"`
	Until   int64  `json:"e"` // Unix seconds
}

// attachURL is where the client of a one-off may come for a few minutes. It
// waits no longer for it anyway.
func (s *Server) attachURL(who server.Actor, run server.Run) (*string, error) {
	b, err := json.Marshal(ticket{App: run.AppID, Account: who.ID, Token: who.Token, Dyno: run.ID, Until: time.Now().Add(sessionLife).Unix()})
	if err != nil {
		return nil, fmt.Errorf("ticket of a session: %w", err)
	}
	payload := base64.RawURLEncoding.EncodeToString(b)
	u := "ws" + strings.TrimPrefix(s.cfg.APIURL, "http") + "/terminals/" + payload + "." + base64.RawURLEncoding.EncodeToString(s.signTicket(payload))
	return &u, nil
}

// signTicket signs for this purpose only: a log session's token is no ticket.
func (s *Server) signTicket(payload string) []byte {
	mac := hmac.New(sha256.New, s.cfg.LogKey)
	mac.Write([]byte("paas terminal\n" + payload))
	return mac.Sum(nil)
}

func (s *Server) readTicket(token string) (ticket, error) {
	var t ticket
	gone := server.Errorf(server.ErrNotFound, "This session does not exist or was not begun in time: make a new one.")
	payload, signature, _ := strings.Cut(token, ".")
	mac, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(mac, s.signTicket(payload)) {
		return t, gone
	}
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(b, &t) != nil || time.Now().Unix() >= t.Until {
		return t, gone
	}
	return t, nil
}

// attachByTicket is attach for who has no other proof.
func (s *Server) attachByTicket(w http.ResponseWriter, r *http.Request) error {
	t, err := s.readTicket(param(r, "token"))
	if err != nil {
		return err
	}
	who, err := s.sessionOwner(r, session{Account: t.Account, Token: t.Token})
	if err != nil {
		return err
	}
	r = r.WithContext(server.WithActor(r.Context(), who))
	return s.terminal(w, r, t.App, t.Dyno, server.OpenRequest{Kind: agent.Attach})
}
