package server

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"paas/scheduler/agent"
)

// placeholder is where a config var is put in. What else stands between
// braces is left as it is: it belongs to the app's own template language.
var placeholder = regexp.MustCompile(`\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}`)

// platformVars can be put into files beside the config: each process has them.
var platformVars = []string{"PORT", "DYNO", "PAAS_APP", "PAAS_RELEASE_VERSION", "PAAS_COMMIT"}

// noFilesBelow are places that are the kernel's, the container engine's or the
// instance's own.
var noFilesBelow = []string{"/proc", "/sys", "/dev", "/run/secrets", "/tmp", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/.dockerenv", "/sbin/docker-init"}

// checkPath says in words what is wrong with a config file's path, or nil.
func checkPath(p string) error {
	refuse := func(format string, args ...any) error {
		return Errorf(ErrInvalid, "The config file path %q %s.%s", p[:min(len(p), MaxFilePath)], fmt.Sprintf(format, args...), kept)
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`:,"\`, r) }
	switch {
	case len(p) > MaxFilePath:
		return refuse("… is longer than %d bytes", MaxFilePath)
	case !strings.HasPrefix(p, "/") || p == "/":
		return refuse("must be absolute and name a file")
	case !utf8.ValidString(p) || strings.ContainsFunc(p, odd):
		return refuse("holds a character that a path here may not have")
	case path.Clean(p) != p:
		return refuse("must be written without . and .. and double slashes: %s", path.Clean(p))
	}
	for _, dir := range noFilesBelow {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return refuse("lies in %s, which is the platform's", dir)
		}
	}
	return nil
}

// checkFile refuses a file that cannot be kept or rendered.
func checkFile(p string, f ConfigFile) error {
	if err := checkPath(p); err != nil {
		return err
	}
	if len(f.Content) > MaxFileBytes {
		return Errorf(ErrInvalid, "The config file %s has %d bytes; it may have %d.%s", p, len(f.Content), MaxFileBytes, kept)
	}
	if !f.Raw && (!utf8.Valid(f.Content) || bytes.IndexByte(f.Content, 0) >= 0) {
		return &Error{ID: ErrInvalid, Message: fmt.Sprintf("The config file %s is not text, so no config vars can be put into it.%s", p, kept), Next: "Set it as it is: paas files:set " + p + " --raw < FILE"}
	}
	return nil
}

// checkPatchFiles refuses a change of files before anything is written.
func checkPatchFiles(files map[string]*ConfigFile) error {
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if f := files[p]; f != nil {
			if err := checkFile(p, *f); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeFiles gives base with a patch applied and checks the limits.
func mergeFiles(base map[string]ConfigFile, patch map[string]*ConfigFile) (map[string]ConfigFile, error) {
	merged := maps.Clone(base)
	if merged == nil {
		merged = map[string]ConfigFile{}
	}
	for p, f := range patch {
		if f == nil {
			delete(merged, p)
			continue
		}
		merged[p] = *f
	}
	if len(merged) > MaxFiles {
		return nil, Errorf(ErrInvalid, "The app would have %d config files; it may have %d.%s", len(merged), MaxFiles, kept)
	}
	for p := range merged {
		for dir := path.Dir(p); dir != "/"; dir = path.Dir(dir) {
			if _, ok := merged[dir]; ok {
				return nil, Errorf(ErrInvalid, "%s cannot be both a config file and the directory of %s.%s", dir, p, kept)
			}
		}
	}
	return merged, nil
}

// checkRendered renders every file as each process type would get it. What is
// put in must be set for all: one-offs of no type get the files too.
func checkRendered(files map[string]ConfigFile, config map[string]string) error {
	for _, typ := range append([]string{""}, configTypes(config)...) {
		vars := ConfigFor(config, typ)
		for _, name := range platformVars {
			vars[name] = strings.Repeat("x", 80) // no shorter than what it will be
		}
		total := 0
		for _, p := range slices.Sorted(maps.Keys(files)) {
			content, err := render(p, files[p], vars)
			if err != nil {
				return err
			}
			if total += len(content); total > MaxFilesBytes {
				return Errorf(ErrInvalid, "The config files would have more than %d bytes together, with their config vars put in.%s", MaxFilesBytes, kept)
			}
		}
	}
	return nil
}

// render puts config vars into a file: {{NAME}} becomes the value of NAME. A
// name that is not set is an error that says where it stands.
func render(p string, f ConfigFile, vars map[string]string) ([]byte, error) {
	if f.Raw {
		return f.Content, nil
	}
	var out []byte
	last := 0
	for _, at := range placeholder.FindAllSubmatchIndex(f.Content, -1) {
		name := string(f.Content[at[2]:at[3]])
		value, ok := vars[name]
		if !ok {
			line := 1 + bytes.Count(f.Content[:at[0]], []byte("\n"))
			return nil, &Error{ID: ErrInvalid, Message: fmt.Sprintf("The config file %s, line %d, names the config var %s, which is not set.%s", p, line, name, kept),
				Next: fmt.Sprintf("Set it (paas config:set %s=…), or keep the braces as they are: paas files:set %s --raw < FILE", name, p)}
		}
		out = append(append(out, f.Content[last:at[0]]...), value...)
		if len(out) > MaxRenderedBytes {
			break
		}
		last = at[1]
	}
	out = append(out, f.Content[last:]...)
	if len(out) > MaxRenderedBytes {
		return nil, Errorf(ErrInvalid, "The config file %s would have more than %d bytes with its config vars put in.%s", p, MaxRenderedBytes, kept)
	}
	return out, nil
}

// renderAll gives the files as a process with that environment finds them.
func renderAll(files map[string]ConfigFile, env map[string]string, port string) ([]agent.File, error) {
	vars := maps.Clone(env)
	if vars["PORT"] == "" {
		vars["PORT"] = port
	}
	var out []agent.File
	for p, f := range files {
		content, err := render(p, f, vars)
		if err != nil {
			return nil, err
		}
		out = append(out, agent.File{Path: p, Content: content})
	}
	slices.SortFunc(out, func(a, b agent.File) int { return cmp.Compare(a.Path, b.Path) })
	return out, nil
}
