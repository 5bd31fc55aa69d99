package server

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxConfigBytes bounds all keys and values of an app together (Heroku).
const MaxConfigBytes = 64 << 10

var configKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$|^_[A-Za-z0-9][A-Za-z0-9_]*$`)

// reservedKeys are set by the platform for every process. LD_PRELOAD is not
// among them: it reaches only the app's own process, and people use it.
var reservedKeys = []string{"PORT", "DYNO", "PS"}

// checkKey says in words what is wrong with a config key, or nil.
func checkKey(key string) error {
	const kept = " Nothing was changed."
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

// checkPatch refuses a change as a whole before anything is written.
func checkPatch(patch map[string]*string) error {
	if len(patch) == 0 {
		return Errorf(ErrInvalid, "There is no config var to set. Nothing was changed.")
	}
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		if err := checkKey(key); err != nil {
			return err
		}
		v := patch[key]
		if v == nil {
			continue
		}
		if strings.ContainsRune(*v, 0) || !utf8.ValidString(*v) {
			return Errorf(ErrInvalid, "The value of %s holds a NUL byte or is not UTF-8, which an environment cannot carry. Nothing was changed.", key)
		}
	}
	return nil
}

// mergeConfig gives base with patch applied and checks the total size.
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
	if total > MaxConfigBytes {
		return nil, Errorf(ErrInvalid, "The config vars would hold %d bytes; an app may have %d. Nothing was changed.", total, MaxConfigBytes)
	}
	return merged, nil
}

// describePatch is the release's description, as Heroku words it.
func describePatch(patch map[string]*string) string {
	var set, removed []string
	for _, k := range slices.Sorted(maps.Keys(patch)) {
		if patch[k] == nil {
			removed = append(removed, k)
			continue
		}
		set = append(set, k)
	}
	var parts []string
	if len(set) > 0 {
		parts = append(parts, fmt.Sprintf("Set %s config vars", strings.Join(set, ", ")))
	}
	if len(removed) > 0 {
		parts = append(parts, fmt.Sprintf("Remove %s config vars", strings.Join(removed, ", ")))
	}
	text := strings.Join(parts, "; ")
	if len(text) > 200 {
		text = fmt.Sprintf("Change %d config vars", len(patch))
	}
	return text
}
