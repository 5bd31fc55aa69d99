package gitd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

func TestParseCommand(t *testing.T) {
	for line, want := range map[string][2]string{
		"git-receive-pack 'app.git'":  {verbReceive, "app"},
		"git-receive-pack '/app.git'": {verbReceive, "app"},
		"git-upload-pack '/app'":      {verbUpload, "app"},
		"git-upload-pack app":         {verbUpload, "app"},
		"git-upload-pack 'a'":         {verbUpload, "a"},
		"login":                       {verbLogin, ""},
	} {
		verb, app, err := parseCommand(line)
		if verb != want[0] || app != want[1] || err != nil {
			t.Errorf("%q: %q %q %v", line, verb, app, err)
		}
	}
	for _, line := range []string{"", "git", "git-receive-pack", "git-receive-pack ''", "git-receive-pack 'a", "git-receive-pack a-",
		"git-receive-pack '-a'", "git-receive-pack '9a'", "git-receive-pack 'a//b'", "git-receive-pack '//a'", "git-receive-pack 'a.git.git'",
		"git-receive-pack 'a'\n", "git-receive-pack '" + strings.Repeat("a", 31) + "'", "git-receive-pack  'a'", "login ", "GIT-RECEIVE-PACK 'a'"} {
		if verb, app, err := parseCommand(line); err == nil {
			t.Errorf("%q was taken as %q %q", line, verb, app)
		}
	}
}

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"git-receive-pack 'app.git'", "git-upload-pack '/app'", "login", "git-receive-pack 'a'; rm -rf /", "'", "git-upload-pack ''"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		verb, app, err := parseCommand(line)
		if err != nil {
			if text := plain(err); strings.ContainsAny(text, "\n\r\x1b") || text == "" {
				t.Errorf("%q is not one plain line", text)
			}
			return
		}
		if verb == verbLogin {
			if line != "login" {
				t.Errorf("%q logs in", line)
			}
			return
		}
		if !appNameForm.MatchString(app) || verb != verbReceive && verb != verbUpload {
			t.Fatalf("%q: %q %q", line, verb, app)
		}
		for _, quote := range []string{"", "'"} {
			for _, slash := range []string{"", "/"} {
				for _, ext := range []string{"", ".git"} {
					if line == verb+" "+quote+slash+app+ext+quote {
						return
					}
				}
			}
		}
		t.Errorf("%q was taken as %q %q", line, verb, app)
	})
}

func lines(payloads ...string) []byte {
	var buf bytes.Buffer
	enc := pktline.NewEncoder(&buf)
	for _, p := range payloads {
		enc.EncodeString(p)
	}
	enc.Flush()
	return buf.Bytes()
}

var (
	idA = strings.Repeat("a", 40)
	idB = strings.Repeat("b", 40)
)

func TestReadPushRequest(t *testing.T) {
	caps := "\x00 report-status side-band-64k quiet object-format=sha1 agent=git/2.39.5"
	good := append(lines("shallow "+idA, "shallow "+idB+"\n", zeroID+" "+idA+" refs/heads/main"+caps, idA+" "+idB+" refs/heads/x\n"), "PACK"...)
	r := bytes.NewReader(good)
	q, err := readPushRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(q.shallow) != 2 || len(q.updates) != 2 || !q.sideband || !q.reportStatus || !q.quiet {
		t.Errorf("%+v", q)
	}
	if q.updates[1] != (refUpdate{idA, idB, "refs/heads/x"}) {
		t.Errorf("%+v", q.updates[1])
	}
	if rest, _ := io.ReadAll(r); string(rest) != "PACK" {
		t.Errorf("the pack lost its beginning: %q", rest)
	}
	for name, bad := range map[string][]byte{
		"sha256":    lines(zeroID + " " + idA + " refs/heads/main\x00object-format=sha256"),
		"short id":  lines("abc " + idA + " refs/heads/main"),
		"no ref":    lines(zeroID + " " + idA),
		"bare ref":  lines(zeroID + " " + idA + " main"),
		"both zero": lines(zeroID + " " + zeroID + " refs/heads/main"),
		"newline":   lines(zeroID + " " + idA + " refs/heads/a\nb"),
		"control":   lines(zeroID + " " + idA + " refs/heads/\x1b[2J"),
		"not UTF-8": lines(zeroID + " " + idA + " refs/heads/\xff"),
		"shallow":   lines("shallow x"),
		"late":      lines(zeroID+" "+idA+" refs/heads/main", "shallow "+idA),
		"cert":      lines("push-cert\x00report-status"),
		"cut":       lines(zeroID + " " + idA + " refs/heads/main")[:60],
		"no flush":  bytes.TrimSuffix(lines(zeroID+" "+idA+" refs/heads/main"), []byte("0000")),
		"length":    []byte("zzzz"),
		"many":      lines(slicesRepeat(zeroID+" "+idA+" refs/heads/main", maxCommands+1)...),
	} {
		if q, err := readPushRequest(bytes.NewReader(bad)); err == nil {
			t.Errorf("%s: taken as %+v", name, q)
		}
	}
	for _, quiet := range []string{"", "0000"} {
		if q, err := readPushRequest(strings.NewReader(quiet)); err != nil || len(q.updates) != 0 {
			t.Errorf("%q: %+v, %v", quiet, q, err)
		}
	}
}

func slicesRepeat(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

func FuzzPushRequest(f *testing.F) {
	f.Add(lines(zeroID + " " + idA + " refs/heads/main\x00report-status side-band-64k"))
	f.Add(lines("shallow "+idA, idA+" "+idB+" refs/heads/master", idB+" "+zeroID+" refs/tags/v1"))
	f.Add([]byte("0000"))
	f.Add([]byte("0005\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := readPushRequest(bytes.NewReader(data))
		if err != nil {
			plain(err)
			return
		}
		if len(q.updates) > maxCommands || len(q.shallow) > maxShallow {
			t.Error("over the limit")
		}
		deploy, refused := choose(q.updates)
		if deploy != nil && (deploy.new == zeroID || deploy.ref != refMain && deploy.ref != refMaster || refused[deploy.ref] != "") {
			t.Errorf("chose %+v", deploy)
		}
		results := map[string]string{}
		for ref, why := range refused {
			if why == "" {
				t.Errorf("%q refused without a reason", ref)
			}
			results[ref] = why
		}
		if _, err := reportStatus("", q.updates, results); err != nil {
			t.Error(err)
		}
	})
}

func TestChooseTwice(t *testing.T) {
	deploy, refused := choose([]refUpdate{{zeroID, idA, refMain}, {zeroID, idB, refMain}})
	if deploy != nil || refused[refMain] == "" {
		t.Errorf("%+v, %v", deploy, refused)
	}
	deploy, refused = choose([]refUpdate{{idA, zeroID, refMain}, {zeroID, idB, refMaster}})
	if deploy == nil || deploy.ref != refMaster || refused[refMain] == "" {
		t.Errorf("%+v, %v", deploy, refused)
	}
}

func TestSanitize(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\r\n":                        "plain\ttext\r\n",
		"größe 名前 🙂":                             "größe 名前 🙂",
		"\x1b[1;31mred\x1b[0m":                   "\x1b[1;31mred\x1b[0m",
		"\x1b[38:2::1:2:3mx":                     "\x1b[38:2::1:2:3mx",
		"\x1b[2J":                                `\x1b[2J`,
		"\x1b]0;t\x07":                           `\x1b]0;t\x07`,
		"\x1b[31":                                `\x1b[31`,
		"\x00\x08\x7f":                           `\x00\x08\x7f`,
		"\u009b31m":                              `\u009b31m`,
		"\x9b31m":                                `\x9b31m`,
		"caf\xe9":                                `caf\xe9`,
		"a\u202eb":                               `a\u202eb`,
		"\x1b[" + strings.Repeat("1;", 40) + "m": `\x1b[` + strings.Repeat("1;", 40) + "m",
	} {
		if got := string(sanitize(nil, []byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzSanitize(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b[0m \xff\xc2\x9b \x1b]0;x\a"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := sanitize(nil, in)
		if !utf8.Valid(out) {
			t.Errorf("%q is no UTF-8", out)
		}
		for i, c := range out {
			if c == 0x1b && sgr(out[i:]) == 0 || c < 0x20 && !strings.ContainsRune("\t\n\r\x1b", rune(c)) || c == 0x7f {
				t.Errorf("%q lets %#x through", out, c)
			}
		}
	})
}

// unband takes side-band packets apart.
func unband(t *testing.T, data []byte) (text string, empty int) {
	t.Helper()
	s := pktline.NewScanner(bytes.NewReader(data))
	for s.Scan() {
		p := s.Bytes()
		if len(p) == 0 {
			continue
		}
		if p[0] != bandProgress {
			t.Fatalf("band %d", p[0])
		}
		if len(p) == 1 {
			empty++
		}
		text += string(p[1:])
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	return text, empty
}

func TestProgress(t *testing.T) {
	var out syncBuffer
	band := &sideband{out: &out, on: true, last: time.Now()}
	p := newProgress(t.Context(), band, time.Hour)
	fmt.Fprint(p, "one\ntw")
	if text, _ := unband(t, []byte(out.String())); text != "one\n" {
		t.Errorf("%q: lines must be whole", text)
	}
	fmt.Fprint(p, "o \xc3")
	fmt.Fprint(p, "\xb6\n")
	long := strings.Repeat("x", 200_000)
	fmt.Fprint(p, long)
	fmt.Fprint(p, "end")
	p.say("own line")
	p.close()
	if text, _ := unband(t, []byte(out.String())); text != "one\ntwo ö\n"+long+"end\nown line\n" {
		t.Errorf("%d bytes: %.80q", len(text), text)
	}
}

func TestKeepalive(t *testing.T) {
	var out syncBuffer
	band := &sideband{out: &out, on: true, last: time.Now()}
	p := newProgress(t.Context(), band, 20*time.Millisecond)
	defer p.close()
	deadline := time.Now().Add(60 * time.Second)
	for {
		if _, empty := unband(t, []byte(out.String())); empty >= 3 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no keepalive")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestProgressWithoutAudience(t *testing.T) {
	p := newProgress(context.Background(), &sideband{out: brokenPipe{}, on: true}, time.Hour)
	if n, err := fmt.Fprint(p, "x\n"); n != 2 || err != nil {
		t.Errorf("%d, %v: a deploy goes on without an audience", n, err)
	}
	p.close()
}
