package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// setting is one of the limits that an app may have of its own.
type setting struct {
	name      string // as the API and app settings write it
	unit      string
	low, high int
	field     func(*AppSettings) *int
}

func settings() []setting {
	return []setting{
		{"stop_timeout", "seconds", 1, 300, func(a *AppSettings) *int { return &a.StopTimeout }},
		{"boot_timeout", "seconds", 1, 1800, func(a *AppSettings) *int { return &a.BootTimeout }},
		{"release_timeout", "seconds", 1, 86400, func(a *AppSettings) *int { return &a.ReleaseTimeout }},
		{"log_days", "days", 1, 365, func(a *AppSettings) *int { return &a.LogDays }},
		{"log_mb", "megabytes", 1, 10000, func(a *AppSettings) *int { return &a.LogMB }},
	}
}

// checkSettings refuses a change as a whole.
func checkSettings(patch map[string]*int) error {
	if patch != nil && len(patch) == 0 {
		return Errorf(ErrInvalid, "There is no setting to change. Nothing was changed.")
	}
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		i := slices.IndexFunc(settings(), func(s setting) bool { return s.name == name })
		if i < 0 {
			return Errorf(ErrInvalid, "There is no setting %q; there are %s. Nothing was changed.", dashed(name), settingNames())
		}
		set, v := settings()[i], patch[name]
		if v != nil && (*v < set.low || *v > set.high) {
			return Errorf(ErrInvalid, "%s must be %d to %d %s, not %d. Nothing was changed.", dashed(name), set.low, set.high, set.unit, *v)
		}
	}
	return nil
}

// dashed is a setting's name as people type it.
func dashed(name string) string { return strings.ReplaceAll(name, "_", "-") }

func settingNames() string {
	var names []string
	for _, s := range settings() {
		names = append(names, dashed(s.name))
	}
	return strings.Join(names, ", ")
}

// With gives the settings with a patch applied, as checkSettings let it pass.
func (a AppSettings) With(patch map[string]*int) AppSettings {
	for _, s := range settings() {
		v, ok := patch[s.name]
		switch {
		case !ok:
		case v == nil:
			*s.field(&a) = 0
		default:
			*s.field(&a) = *v
		}
	}
	return a
}

// Map gives every setting by name; nil is the installation's.
func (a AppSettings) Map() map[string]*int {
	m := map[string]*int{}
	for _, s := range settings() {
		m[s.name] = nil
		if v := *s.field(&a); v != 0 {
			m[s.name] = &v
		}
	}
	return m
}

// describeSettings is the text of an event: "stop-timeout=60, log-days".
func describeSettings(patch map[string]*int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		if v := patch[name]; v != nil {
			parts = append(parts, fmt.Sprintf("%s=%d", dashed(name), *v))
			continue
		}
		parts = append(parts, dashed(name)+" unset")
	}
	return strings.Join(parts, ", ")
}

// Events lists a change as pairs of event kind and text.
func (c AppChange) Events(before App) [][2]string {
	var all [][2]string
	if c.Locked != nil && *c.Locked != before.Locked {
		all = append(all, [2]string{pick(*c.Locked, "app.locked", "app.unlocked"), ""})
	}
	if c.Name != nil && *c.Name != before.Name {
		all = append(all, [2]string{"app.renamed", before.Name + " to " + *c.Name})
	}
	if c.Maintenance != nil && *c.Maintenance != before.Maintenance {
		all = append(all, [2]string{pick(*c.Maintenance, "maintenance.on", "maintenance.off"), ""})
	}
	if len(c.Settings) > 0 {
		all = append(all, [2]string{"settings.changed", describeSettings(c.Settings)})
	}
	return all
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// Limit says what values one of an app's own limits may have.
type Limit struct {
	Name      string // as people type it: "stop-timeout"
	Unit      string
	Low, High int
}

// Limits are all that AppSettings has, in the order people are shown them.
func Limits() []Limit {
	var list []Limit
	for _, s := range settings() {
		list = append(list, Limit{Name: dashed(s.name), Unit: s.unit, Low: s.low, High: s.high})
	}
	return list
}
