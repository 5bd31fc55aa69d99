package builder_test

import (
	"errors"
	"io/fs"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"paas/builder"
)

func TestProcfile(t *testing.T) {
	got, err := builder.ParseProcfile([]byte("\uFEFF# all of it\r\nweb: bin/server -p $PORT\r\n\r\n// more\n  worker:\tsh -c 'a: b' \nRelease_2-x:x"))
	want := map[string]string{"web": "bin/server -p $PORT", "worker": "sh -c 'a: b'", "Release_2-x": "x"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestBadProcfile(t *testing.T) {
	long := strings.Repeat("x", 64)
	for text, want := range map[string]string{
		"web: a\nworker b":                    `Procfile line 2: "worker b": not of the form "<type>: <command>"`,
		"web:  ":                              `line 1: "web:": the process type web has no command`,
		"web : a":                             "a process type is 1 to 63 letters",
		"we.b: a":                             "a process type is 1 to 63 letters",
		long + ": a":                          "a process type is 1 to 63 letters",
		"\n\nweb: a\n\nweb: b":                `Procfile line 5: "web: b": the process type web is on line 3 already`,
		"web: a\x1b[2J":                       `line 1: "web: a\x1b[2J": the command holds the control character U+001B`,
		"web: a\x00b":                         "U+0000",
		"web: \xff":                           "not UTF-8",
		"":                                    "declares no process type",
		"# nothing":                           "declares no process type",
		"web: " + strings.Repeat("a", 9000):   "longer than 8 KB",
		strings.Repeat("# comment\n", 10000):  "larger than 64 KB",
		"<html>\n" + strings.Repeat("x", 200): `line 1: "<html>"`,
		strings.Repeat("y", 79) + "é" + ": a": `"…`,
		"web: a\rworker: b":                   "U+000D",
	} {
		if m, err := builder.ParseProcfile([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || m != nil {
			t.Errorf("%.40q: %v, %v; want %s", text, m, err, want)
		}
	}
	var many strings.Builder
	for i := range 101 {
		many.WriteString("t" + strings.Repeat("a", i%60) + string(rune('a'+i/60)) + ": x\n")
	}
	if _, err := builder.ParseProcfile([]byte(many.String())); err == nil || !strings.Contains(err.Error(), "101 process types") {
		t.Error(err)
	}
}

func TestAppJSON(t *testing.T) {
	m, warnings, err := builder.ParseAppJSON([]byte(`{
  "$schema": "x", "name": "shop", "keywords": ["a"], "website": "w",
  "addons": [{"plan": "heroku-postgresql"}], "buildpacks": [{"url": "u"}], "stack": "heroku-24", "environments": {"test": {}},
  "formation": {"web": {"quantity": 2, "size": "standard-2x"}, "worker": {"quantity": 0}},
  "env": {
    "SECRET_KEY": {"description": "d", "generator": "secret"},
    "PLAIN": "value",
    "EMPTY": "",
    "ASKED": {"description": "must be set"},
    "OPTIONAL": {"required": false},
    "GIVEN": {"value": "v", "required": true}
  },
  "scripts": {"postdeploy": " bin/setup\n", "pr-predestroy": "x"},
  "healthchecks": {"web": [{"type": "startup", "name": "up", "path": "/healthz?full=1", "timeout": 90}], "worker": {"timeout": 5}},
  "cron": [
    {"command": "bin/tidy", "schedule": "*/5 * * * *"},
    {"command": "bin/report", "schedule": "@daily", "timezone": "UTC", "concurrency_policy": "forbid"},
    {"command": "bin/x", "schedule": "@every 90m"}
  ]
}`))
	if err != nil {
		t.Fatal(err)
	}
	want := builder.Manifest{
		Formation: map[string]builder.FormationSpec{"web": {Quantity: new(2), Size: "standard-2x"}, "worker": {Quantity: new(0)}},
		Env: map[string]builder.EnvSpec{
			"SECRET_KEY": {Description: "d", Generator: "secret"}, "PLAIN": {Value: new("value")}, "EMPTY": {Value: new("")},
			"ASKED": {Description: "must be set", Required: true}, "OPTIONAL": {}, "GIVEN": {Value: new("v"), Required: true},
		},
		Postdeploy: "bin/setup",
		Health:     map[string]builder.HealthSpec{"web": {Path: "/healthz?full=1", Timeout: 90}},
		Crons: []builder.CronSpec{{Command: "bin/tidy", Schedule: "*/5 * * * *"},
			{Command: "bin/report", Schedule: "@daily", Timezone: "UTC", Policy: "forbid"}, {Command: "bin/x", Schedule: "@every 90m"}},
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("%+v\nwant %+v", m, want)
	}
	all := strings.Join(warnings, "\n")
	for _, w := range []string{"addons", "buildpacks", "stack", "environments", "scripts.pr-predestroy", "healthchecks.worker"} {
		if !strings.Contains(all, "app.json: "+w) {
			t.Errorf("no warning about %s: %s", w, all)
		}
	}
}

func TestBadAppJSON(t *testing.T) {
	for text, want := range map[string]string{
		``:                                       "app.json line 1, column 1: the JSON text ends too early",
		`[]`:                                     "must hold an object, not a list",
		`null`:                                   "must hold an object, not null",
		"{\n  \"env\": {,}\n}":                   "app.json line 2, column 11: invalid character ','",
		"{\n \"env\": {}":                        "line 2, column 11: the JSON text ends too early",
		`{} x`:                                   "column 4: something follows",
		"{\"name\": \"\xff\"}":                   "column 11: a byte that is not UTF-8",
		`{"name":"a","name":"b"}`:                `column 13: the key "name" is there twice`,
		`{"wat": 1}`:                             `column 2: the key "wat" is not known; there are formation, env`,
		`{"image": "x"}`:                         "image is not supported: the Dockerfile",
		`{"formation": []}`:                      "formation must be an object, not a list",
		`{"formation": {"a.b":{}}}`:              `column 16: formation: "a.b" is not the name of a process type`,
		`{"formation": {"web":{"quantity":-1}}}`: "formation.web.quantity must be a whole number from 0",
		`{"formation": {"web":{"quantity":1.5}}}`:            `not "1.5"`,
		`{"formation": {"web":{"quantity":"2"}}}`:            "must be a whole number, not a string",
		`{"formation": {"web":{"max_parallel":1}}}`:          `the key "max_parallel" of formation.web is not known; there are quantity, size`,
		`{"formation": {"release":{"quantity":1}}}`:          "cannot be scaled",
		`{"env": {"A": 1}}`:                                  "env.A must be an object, not a number",
		`{"env": {"A": {"value": true}}}`:                    "env.A.value must be a string, not true or false",
		`{"env": {"A": {"generator": "uuid"}}}`:              `the only generator is "secret", not "uuid"`,
		`{"env": {"A": {"generator":"secret","value":"x"}}}`: "has a value and a generator",
		`{"env": {"A": "\u0000"}}`:                           "NUL",
		`{"scripts": {"postdeploy": ""}}`:                    "scripts.postdeploy is empty",
		`{"scripts": {"test": "x"}}`:                         `the key "test" of scripts is not known`,
		`{"healthchecks": {"web": [{"type":"liveness"}]}}`:   `the only type of check is "startup"`,
		`{"healthchecks": {"web": [{},{}]}}`:                 "has one check",
		`{"healthchecks": {"web": [{"path":"x"}]}}`:          "must be the path of a request",
		`{"healthchecks": {"web": [{"path":"/a\r\nX: y"}]}}`: "must be the path of a request",
		`{"healthchecks": {"web": [{"timeout":0}]}}`:         "from 1 to 3600",
		`{"healthchecks": {"web": [{"attempts":3}]}}`:        `the key "attempts"`,
		`{"cron": {}}`:                                                                        "cron must be a list, not an object",
		`{"cron": [{"schedule":"* * * * *"}]}`:                                                "cron[0] has no command",
		`{"cron": [{"command":"x"}]}`:                                                         "cron[0] has no schedule",
		`{"cron": [{"command":"x","schedule":"* * *"}]}`:                                      `column 37: cron[0].schedule: "* * *" cannot be read`,
		`{"cron": [{"command":"x","schedule":"@every 10s"}]}`:                                 "more often than once in a minute",
		`{"cron": [{"command":"x","schedule":"0 0 30 2 *"}]}`:                                 "never comes",
		`{"cron": [{"command":"x","schedule":"TZ=UTC * * * * *"}]}`:                           "a key of its own",
		`{"cron": [{"command":"x","schedule":"@daily","timezone":"Mars/Base"}]}`:              `"Mars/Base" is no time zone`,
		`{"cron": [{"command":"x","schedule":"@daily","timezone":"Local"}]}`:                  "no time zone",
		`{"cron": [{"command":"x","schedule":"@daily","concurrency_policy":"skip"}]}`:         "must be allow, forbid or replace",
		`{"cron": [{"command":"x","schedule":"@daily"},{"command":"x","schedule":"@daily"}]}`: "cron[1] is there twice",
		strings.Repeat(`{"env":`, 20):                                                         "nested more than 16 deep",
		`{"name":"` + strings.Repeat("x", 300<<10) + `"}`:                                     "larger than 256 KB",
	} {
		m, _, err := builder.ParseAppJSON([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || !reflect.DeepEqual(m, builder.Manifest{}) {
			t.Errorf("%.60q: %v; want %s", text, err, want)
		}
	}
}

func TestReadManifest(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }
	m, warnings, err := builder.ReadManifest(fstest.MapFS{"Dockerfile": file("")})
	if err != nil || m.Processes != nil || len(warnings) != 0 || !reflect.DeepEqual(m.Types(), []string{"web"}) {
		t.Errorf("%+v %v %v", m, warnings, err)
	}
	m, _, err = builder.ReadManifest(fstest.MapFS{"Procfile": file("worker: w\nweb: x\nrelease: y"), "app.json": file(`{"formation":{"worker":{"quantity":1}}}`)})
	if err != nil || !reflect.DeepEqual(m.Types(), []string{"web", "release", "worker"}) || *m.Formation["worker"].Quantity != 1 {
		t.Errorf("%+v %v", m, err)
	}
	if _, warnings, _ = builder.ReadManifest(fstest.MapFS{"procfile": file("web: x")}); len(warnings) != 1 || !strings.Contains(warnings[0], "exactly Procfile") {
		t.Error(warnings)
	}
	for name, tree := range map[string]fstest.MapFS{
		"Procfile is a symbolic link": {"Procfile": {Data: []byte("other"), Mode: fs.ModeSymlink | 0o777}, "other": file("web: x")},
		"Procfile is a directory":     {"Procfile/x": file("")},
		"Procfile line 1":             {"Procfile": file("x")},
		"app.json line 1":             {"app.json": file("x")},
		"healthchecks.web":            {"app.json": file(`{"healthchecks":{"web":1}}`)},
		"formation names the process type worker, which the app has not; it has web": {"app.json": file(`{"formation":{"worker":{}}}`)},
	} {
		_, _, err := builder.ReadManifest(tree)
		var f *builder.Failure
		if !errors.As(err, &f) || !strings.Contains(f.Reason, name) {
			t.Errorf("%v, want %s", err, name)
		}
	}
}

func TestSchedule(t *testing.T) {
	s, err := builder.ParseSchedule("30 4 1 * *")
	if err != nil {
		t.Fatal(err)
	}
	zone, err := builder.CronZone("")
	if err != nil || zone != time.UTC {
		t.Fatal(zone, err)
	}
	if got := s.Next(time.Date(2026, 1, 15, 0, 0, 0, 0, zone)); !got.Equal(time.Date(2026, 2, 1, 4, 30, 0, 0, time.UTC)) {
		t.Error(got)
	}
}

func FuzzProcfile(f *testing.F) {
	for _, s := range []string{"web: x", "# c\r\nweb: a b\n", "a:b\na:c", "\uFEFFx: y", "release: $X\n//", "web:\x00", ": x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := builder.ParseProcfile(b)
		if (err == nil) != (len(m) > 0) {
			t.Fatalf("%v %v", m, err)
		}
		for typ, command := range m {
			again, err := builder.ParseProcfile([]byte(typ + ": " + command))
			if err != nil || again[typ] != command {
				t.Errorf("%q: %q is read again as %q, %v", typ, command, again[typ], err)
			}
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("the error would move a terminal: %q", err)
		}
	})
}

func FuzzAppJSON(f *testing.F) {
	for _, s := range []string{"{}", `{"env":{"A":"b","C":{"generator":"secret"}}}`, `{"cron":[{"command":"a","schedule":"@daily","timezone":"UTC"}]}`,
		`{"formation":{"web":{"quantity":1e2,"size":"a"}}}`, `{"healthchecks":{"web":[{"type":"startup","path":"/","timeout":1}]}}`,
		`{"cron":[{"command":"a","schedule":"*/0 1-70 * JAN,FEB 7"}]}`, `{"scripts":{"postdeploy":{"command":"x","size":"y"}}}`, `{"a":`, `{"env":{"\u001b[2J":1}}`, `{"cron":[{"command":"a","schedule":"\u001b * * * *"}]}`, "{\"\x1b\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, warnings, err := builder.ParseAppJSON(b)
		if err != nil && !reflect.DeepEqual(m, builder.Manifest{}) {
			t.Errorf("half read: %+v", m)
		}
		if err != nil {
			warnings = append(warnings, err.Error())
		}
		for _, w := range warnings {
			if strings.ContainsFunc(w, func(r rune) bool { return r < ' ' }) {
				t.Errorf("would move a terminal: %q", w)
			}
		}
	})
}
