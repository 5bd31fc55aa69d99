package builder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// ReadManifest reads Procfile and app.json at the root of a commit's tree;
// either may be missing. A *Failure says what is wrong with them; another error
// is one of reading the tree. Warnings are for the pusher, one line each.
func ReadManifest(tree fs.FS) (m Manifest, warnings []string, err error) {
	app, found, err := readRoot(tree, "app.json", maxJSON)
	if err != nil {
		return m, nil, err
	}
	if found {
		if m, warnings, err = ParseAppJSON(app); err != nil {
			return Manifest{}, nil, &Failure{Reason: err.Error()}
		}
	}
	procfile, found, err := readRoot(tree, "Procfile", maxProcfile)
	if err != nil {
		return Manifest{}, nil, err
	}
	if found {
		if m.Processes, err = ParseProcfile(procfile); err != nil {
			return Manifest{}, nil, &Failure{Reason: err.Error()}
		}
	} else if other := misspelt(tree); other != "" {
		warnings = append(warnings, fmt.Sprintf("There is no Procfile, but %s: the name has to be exactly Procfile", excerpt(other)))
	}
	if err := m.agree(); err != nil {
		return Manifest{}, nil, &Failure{Reason: err.Error()}
	}
	return m, warnings, nil
}

// readRoot reads a regular file of at most limit bytes. One byte more is read,
// for the parser to refuse.
func readRoot(tree fs.FS, name string, limit int64) (b []byte, found bool, err error) {
	info, err := fs.Lstat(tree, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read %s: %w", name, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, false, &Failure{Reason: name + " is a symbolic link; it has to be a file"}
	case !info.Mode().IsRegular():
		return nil, false, &Failure{Reason: name + " is a directory; it has to be a file"}
	}
	f, err := tree.Open(name)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", name, err)
	}
	defer f.Close()
	if b, err = io.ReadAll(io.LimitReader(f, limit+1)); err != nil {
		return nil, false, fmt.Errorf("read %s: %w", name, err)
	}
	return b, true, nil
}

// misspelt finds a file that looks as if it was meant to be the Procfile.
func misspelt(tree fs.FS) string {
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		return "" // the build will say it
	}
	for _, e := range entries {
		if strings.EqualFold(strings.TrimSuffix(e.Name(), ".txt"), "procfile") {
			return e.Name()
		}
	}
	return ""
}

// Types are the process types, web first.
func (m Manifest) Types() []string {
	if m.Processes == nil {
		return []string{WebType}
	}
	types := slices.Sorted(maps.Keys(m.Processes))
	if i := slices.Index(types, WebType); i > 0 {
		types = slices.Insert(slices.Delete(types, i, i+1), 0, WebType)
	}
	return types
}

// agree refuses an app.json that speaks of process types that are not there.
func (m Manifest) agree() error {
	types := m.Types()
	check := func(section string, names []string) error {
		for _, t := range names {
			if !slices.Contains(types, t) {
				return fmt.Errorf("app.json: %s names the process type %s, which the app has not; it has %s", section, t, strings.Join(types, ", "))
			}
		}
		return nil
	}
	return errors.Join(check("formation", slices.Sorted(maps.Keys(m.Formation))), check("healthchecks", slices.Sorted(maps.Keys(m.Health))))
}
