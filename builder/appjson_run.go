package builder

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	maxCrons  = 100
	maxHealth = 3600 // seconds
	// leastEvery is how often the clock is looked at.
	leastEvery = time.Minute
)

// health reads the startup check of each process type: one object, or a list
// with one.
func (a *appJSON) health(v node) error {
	types, err := a.byType("healthchecks", v)
	if err != nil {
		return err
	}
	a.m.Health = map[string]HealthSpec{}
	for _, t := range types {
		path, checks := "healthchecks."+t.name, t.value.list
		if t.value.object != nil {
			checks = []node{t.value}
		}
		if checks == nil {
			return a.wrong(path, t.value, "a list")
		}
		if len(checks) > 1 {
			return a.text.errorf(checks[1].at, "%s: a process type has one check, of the type startup", path)
		}
		if len(checks) == 0 {
			continue
		}
		spec, err := a.check(path, checks[0])
		if err != nil {
			return err
		}
		if t.name != WebType {
			a.warn("%s is not used: only web is asked whether it is up", path)
			continue
		}
		a.m.Health[t.name] = spec
	}
	return nil
}

func (a *appJSON) check(path string, v node) (spec HealthSpec, err error) {
	ignored := func(path string, v node) error { _, err := a.text0(path, v); return err }
	err = a.each(path, v, map[string]func(string, node) error{
		"type": func(path string, v node) error {
			kind, err := a.text1(path, v)
			if err == nil && kind != "startup" {
				err = a.text.errorf(v.at, `%s: the only type of check is "startup", not %s`, path, excerpt(kind))
			}
			return err
		},
		"name": ignored, "description": ignored,
		"path": func(path string, v node) (err error) {
			if spec.Path, err = a.text1(path, v); err == nil && !requestPath(spec.Path) {
				err = a.text.errorf(v.at, "%s must be the path of a request, like /healthz", path)
			}
			return err
		},
		"timeout": func(path string, v node) (err error) {
			spec.Timeout, err = a.integer(path, v, 1, maxHealth)
			return err
		},
	})
	return spec, err
}

// requestPath says that p can stand in a request line as it is.
func requestPath(p string) bool {
	return len(p) <= 1024 && strings.HasPrefix(p, "/") && !strings.HasPrefix(p, "//") &&
		!strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r == '#' || r >= 0x7f })
}

func (a *appJSON) crons(v node) error {
	if v.list == nil {
		return a.wrong("cron", v, "a list")
	}
	if len(v.list) > maxCrons {
		return a.text.errorf(v.at, "cron has %d entries; an app may have %d", len(v.list), maxCrons)
	}
	type key struct{ command, schedule, timezone string }
	seen := map[key]bool{}
	for i, item := range v.list {
		path := fmt.Sprintf("cron[%d]", i)
		c, err := a.cron(path, item)
		if err != nil {
			return err
		}
		k := key{c.Command, c.Schedule, c.Timezone}
		if seen[k] {
			return a.text.errorf(item.at, "%s is there twice", path)
		}
		seen[k] = true
		a.m.Crons = append(a.m.Crons, c)
	}
	return nil
}

func (a *appJSON) cron(path string, v node) (c CronSpec, err error) {
	at := map[string]int{}
	take := func(into *string) func(string, node) error {
		return func(path string, v node) (err error) {
			at[path] = v.at
			*into, err = a.text1(path, v)
			*into = strings.TrimSpace(*into)
			return err
		}
	}
	err = a.each(path, v, map[string]func(string, node) error{
		"command":  func(path string, v node) (err error) { c.Command, err = a.command(path, v); return err },
		"schedule": take(&c.Schedule), "timezone": take(&c.Timezone), "concurrency_policy": take(&c.Policy),
	})
	switch {
	case err != nil:
		return c, err
	case c.Command == "":
		return c, a.text.errorf(v.at, "%s has no command", path)
	case c.Schedule == "":
		return c, a.text.errorf(v.at, "%s has no schedule", path)
	}
	if c.Policy != "" && c.Policy != "allow" && c.Policy != "forbid" && c.Policy != "replace" {
		return c, a.text.errorf(at[path+".concurrency_policy"], "%s.concurrency_policy must be allow, forbid or replace, not %s", path, excerpt(c.Policy))
	}
	if _, err := CronZone(c.Timezone); err != nil {
		return c, a.text.errorf(at[path+".timezone"], "%s.timezone: %s", path, err)
	}
	if _, err := ParseSchedule(c.Schedule); err != nil {
		return c, a.text.errorf(at[path+".schedule"], "%s.schedule: %s", path, err)
	}
	return c, nil
}

// CronZone is the place whose clock a cron goes by; empty is UTC. The error is
// for people.
func CronZone(name string) (*time.Location, error) {
	if name == "Local" { // of the server: no place that an app could know
		return nil, errors.New(`"Local" is no time zone; name one like Europe/Berlin`)
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%s is no time zone; name one like Europe/Berlin", excerpt(name))
	}
	return loc, nil
}

// ParseSchedule reads when a cron is due: five fields (minute, hour, day of
// the month, month, day of the week), or @hourly, @daily, @weekly, @monthly,
// @yearly, or "@every 90m" of at least a minute. The error is for people.
func ParseSchedule(s string) (schedule cron.Schedule, err error) {
	defer func() { // a panic of the parser must not end a build
		if r := recover(); r != nil {
			schedule, err = nil, fmt.Errorf("%s cannot be read", excerpt(s))
		}
	}()
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, fmt.Errorf("%s cannot be read", excerpt(s))
	}
	if strings.Contains(s, "TZ=") {
		return nil, fmt.Errorf("%s: the time zone has a key of its own, timezone", excerpt(s))
	}
	if schedule, err = cron.ParseStandard(s); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", excerpt(s), err)
	}
	if every, ok := schedule.(cron.ConstantDelaySchedule); ok && every.Delay < leastEvery {
		return nil, fmt.Errorf("%s is more often than once in a minute", excerpt(s))
	}
	if schedule.Next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, fmt.Errorf("%s never comes", excerpt(s))
	}
	return schedule, nil
}
