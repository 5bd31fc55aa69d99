package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"paas/server"
)

// visit is one request and what is known of it by then.
type visit struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	who  *who  // nil: nobody is signed in
	here *here // nil: not a page of an app
}

// who is the person signed in.
type who struct {
	server.Actor
	session server.WebSession
}

// here is the app a page is about, and what the person may do with it.
type here struct {
	server.App
	may []server.Permission
}

type whoKey struct{}
type hereKey struct{}

func whoOf(ctx context.Context) *who   { w, _ := ctx.Value(whoKey{}).(*who); return w }
func hereOf(ctx context.Context) *here { h, _ := ctx.Value(hereKey{}).(*here); return h }

func (v *visit) ctx() context.Context         { return v.r.Context() }
func (v *visit) actor() server.Actor          { return v.who.Actor }
func (v *visit) app() server.App              { return v.here.App }
func (v *visit) param(name string) string     { return chi.URLParam(v.r, name) }
func (v *visit) query(name string) string     { return v.r.URL.Query().Get(name) }
func (v *visit) field(name string) string     { return v.r.PostFormValue(name) }
func (v *visit) may(p server.Permission) bool { return v.here != nil && slices.Contains(v.here.may, p) }

// appPath is the path of a page of the app: appPath("releases", "7").
func (v *visit) appPath(parts ...string) string { return appPath(v.app().Name, parts...) }

func appPath(app string, parts ...string) string {
	path := "/apps/" + url.PathEscape(app)
	for _, p := range parts {
		path += "/" + url.PathEscape(p)
	}
	return path
}

// withApp finds the app of the path; one the person may not see is not found.
func (s *Server) withApp(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		app, may, err := s.svc.Allowed(r.Context(), whoOf(r.Context()).Actor, chi.URLParam(r, "app"))
		if err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), hereKey{}, &here{App: app, may: may})))
	})
}

// form reads the posted form; one that is too large is an error for people.
func (v *visit) form() error {
	err := v.inTime(v.r.ParseForm)
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return server.Errorf(server.ErrInvalid, "Your browser took longer than %d seconds to send the form. Nothing was changed.", bodyTime/time.Second)
	case errors.As(err, &large):
		return server.Errorf(server.ErrTooLarge, "The form is larger than %s. Nothing was changed.", bytesText(large.Limit))
	case err != nil:
		return server.Errorf(server.ErrInvalid, "The form could not be read: %v. Nothing was changed.", err)
	}
	return nil
}

// bodyTime is how long a browser may take to send a form.
const bodyTime = 30 * time.Second

// inTime bounds how long the body is waited for: it is held in memory
// meanwhile. One that was late stays so, as the server would wait for its rest
// before it answers.
func (v *visit) inTime(read func() error) error {
	rc := http.NewResponseController(v.w)
	_ = rc.SetReadDeadline(time.Now().Add(bodyTime))
	err := read()
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		_ = rc.SetReadDeadline(time.Time{})
	}
	return err
}

// done ends an action: the browser goes to a page of ours, which says what
// was done.
func (v *visit) done(path, said string) error {
	v.say(said)
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

const sayCookie = "said"

// say keeps one sentence for the next page.
func (v *visit) say(text string) {
	if len(text) > 1000 {
		text = text[:1000]
	}
	http.SetCookie(v.w, &http.Cookie{Name: v.s.ownCookie(sayCookie), Value: url.QueryEscape(text), Path: "/", MaxAge: 60, HttpOnly: true,
		Secure: v.s.secure, SameSite: http.SameSiteStrictMode})
}

// said takes that sentence.
func (v *visit) said() string {
	c, err := v.r.Cookie(v.s.ownCookie(sayCookie))
	if err != nil {
		return ""
	}
	http.SetCookie(v.w, &http.Cookie{Name: v.s.ownCookie(sayCookie), Path: "/", MaxAge: -1, HttpOnly: true, Secure: v.s.secure, SameSite: http.SameSiteStrictMode})
	text, err := url.QueryUnescape(c.Value)
	if err != nil {
		return ""
	}
	return text
}
