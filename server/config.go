package server

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

const kept = " Nothing was changed."

var configKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$|^_[A-Za-z0-9][A-Za-z0-9_]*$`)

// processType is the grammar of process types.
var processType = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// reservedKeys are set by the platform for every process. LD_PRELOAD is not
// among them: it reaches only the app's own process, and people use it.
var reservedKeys = []string{"PORT", "DYNO", "PS"}

// checkKey says in words what is wrong with a config key, or nil.
func checkKey(key string) error {
	switch {
	case len(key) > 256:
		return Errorf(ErrInvalid, "The config var name %q… is longer than 256 bytes.%s", key[:32], kept)
	case !configKey.MatchString(key):
		return Errorf(ErrInvalid, "The config var name %q may hold only letters, digits and underscores, and must not start with a digit or two underscores.%s", key, kept)
	case slices.Contains(reservedKeys, key), strings.HasPrefix(key, "PAAS_"), strings.HasPrefix(key, "HEROKU_"):
		return Errorf(ErrInvalid, "The config var name %q is reserved: the platform sets it.%s", key, kept)
	}
	return nil
}

// typedKey is where a process type's own value of a config var is kept.
func typedKey(typ, name string) string {
	if typ == "" {
		return name
	}
	return typ + "/" + name
}

// splitKey takes it apart again.
func splitKey(key string) (typ, name string) {
	if typ, name, ok := strings.Cut(key, "/"); ok {
		return typ, name
	}
	return "", key
}

// configOf is what of a release's config is set for exactly that process type;
// "" is what is set for all.
func configOf(all map[string]string, typ string) map[string]string {
	own := map[string]string{}
	for k, v := range all {
		if t, name := splitKey(k); t == typ {
			own[name] = v
		}
	}
	return own
}

// ConfigFor is what a process of a type gets of a release's config: what is
// set for all, and over it what is set for the type.
func ConfigFor(all map[string]string, typ string) map[string]string {
	vars := configOf(all, "")
	if typ != "" {
		maps.Copy(vars, configOf(all, typ))
	}
	return vars
}

// configTypes are the process types that have values of their own.
func configTypes(all map[string]string) []string {
	types := map[string]bool{}
	for k := range all {
		if t, _ := splitKey(k); t != "" {
			types[t] = true
		}
	}
	return slices.Sorted(maps.Keys(types))
}

// checkPatch refuses a change of vars for all processes as a whole before
// anything is written.
func checkPatch(patch map[string]*string) error {
	if len(patch) == 0 {
		return Errorf(ErrInvalid, "There is no config var to set.%s", kept)
	}
	for key := range patch {
		if strings.Contains(key, "/") {
			return checkKey(key)
		}
	}
	return checkTypedPatch(patch)
}

// checkTypedPatch is checkPatch, of keys as in ConfigPatch.Vars.
func checkTypedPatch(patch map[string]*string) error {
	if len(patch) > 2*MaxConfigKeys {
		return Errorf(ErrInvalid, "The change names %d config vars; an app may have %d.%s", len(patch), MaxConfigKeys, kept)
	}
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		typ, name := splitKey(key)
		if err := checkKey(name); err != nil {
			return err
		}
		if typ != "" && !processType.MatchString(typ) || strings.HasPrefix(key, "/") {
			return Errorf(ErrInvalid, "%q is no name of a process type.%s", typ, kept)
		}
		v := patch[key]
		if v == nil {
			continue
		}
		if strings.ContainsRune(*v, 0) || !utf8.ValidString(*v) {
			return Errorf(ErrInvalid, "The value of %s holds a NUL byte or is not UTF-8, which an environment cannot carry.%s", key, kept)
		}
		if len(*v) > MaxConfigBytes {
			return &Error{ID: ErrInvalid, Message: fmt.Sprintf("The value of %s has %d bytes; all config vars of an app together may have %d.%s", key, len(*v), MaxConfigBytes, kept),
				Next: "A value that large is a file: paas files:set PATH --raw < FILE"}
		}
	}
	return nil
}

// mergeConfig gives base with patch applied and checks the limits.
func mergeConfig(base map[string]string, patch map[string]*string) (map[string]string, error) {
	merged := maps.Clone(base)
	if merged == nil {
		merged = map[string]string{}
	}
	for k, v := range patch {
		if v == nil {
			delete(merged, k)
			continue
		}
		merged[k] = *v
	}
	total := 0
	for k, v := range merged {
		total += len(k) + len(v)
	}
	switch {
	case len(merged) > MaxConfigKeys:
		return nil, Errorf(ErrInvalid, "The app would have %d config vars; it may have %d.%s", len(merged), MaxConfigKeys, kept)
	case total > MaxConfigBytes:
		return nil, Errorf(ErrInvalid, "The config vars would hold %d bytes; those of an app may have %d together.%s", total, MaxConfigBytes, kept)
	}
	return merged, nil
}

// describe is the release's description, as Heroku words it.
func (p ConfigPatch) describe() string {
	var parts []string
	add := func(verb, what string, names []string) {
		if len(names) > 0 {
			parts = append(parts, fmt.Sprintf("%s %s %s", verb, strings.Join(names, ", "), what))
		}
	}
	set, removed := map[string][]string{}, map[string][]string{}
	for _, k := range slices.Sorted(maps.Keys(p.Vars)) {
		typ, name := splitKey(k)
		if p.Vars[k] == nil {
			removed[typ] = append(removed[typ], name)
			continue
		}
		set[typ] = append(set[typ], name)
	}
	for _, typ := range slices.Sorted(maps.Keys(set)) {
		add("Set", varsOf(typ), set[typ])
	}
	for _, typ := range slices.Sorted(maps.Keys(removed)) {
		add("Remove", varsOf(typ), removed[typ])
	}
	var setFiles, removedFiles []string
	for _, path := range slices.Sorted(maps.Keys(p.Files)) {
		if p.Files[path] == nil {
			removedFiles = append(removedFiles, path)
			continue
		}
		setFiles = append(setFiles, path)
	}
	add("Set", "config file", setFiles)
	add("Remove", "config file", removedFiles)
	if len(p.Mounts) > 0 {
		parts = append(parts, spellMounts(p.Mounts))
	}
	text := strings.Join(parts, "; ")
	if len(text) > 200 {
		text = fmt.Sprintf("Change %d config vars", len(p.Vars))
	}
	return text
}

func varsOf(typ string) string {
	if typ == "" {
		return "config vars"
	}
	return "config vars of " + typ
}

// describePatch is the description of a change of vars.
func describePatch(patch map[string]*string) string { return ConfigPatch{Vars: patch}.describe() }

// over merges a patch over an earlier one: what both change is the later's.
func (p ConfigPatch) over(earlier ConfigPatch) ConfigPatch {
	vars, files := map[string]*string{}, map[string]*ConfigFile{}
	maps.Copy(vars, earlier.Vars)
	maps.Copy(vars, p.Vars)
	maps.Copy(files, earlier.Files)
	maps.Copy(files, p.Files)
	return ConfigPatch{Vars: vars, Files: files, Expect: p.Expect, Mounts: p.Mounts}
}
