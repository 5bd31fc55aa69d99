package server

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// noVolumesAt are directories without which nothing runs, and those that are
// the platform's; below those of noFilesBelow there is no volume either.
var noVolumesAt = []string{"/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/root", "/run", "/sbin", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin", "/var", "/home", "/opt"}

// maxMountPath is the longest path of a mount, in bytes.
const maxMountPath = 255

// checkMountPath says in words what is wrong with where a volume shall be.
func checkMountPath(p string) error {
	refuse := func(format string, args ...any) error {
		return Errorf(ErrInvalid, "The path %q %s. Nothing was changed.", p[:min(len(p), maxMountPath)], fmt.Sprintf(format, args...))
	}
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`:,"\`, r) }
	switch {
	case len(p) > maxMountPath:
		return refuse("… is longer than %d bytes", maxMountPath)
	case !strings.HasPrefix(p, "/") || path.Clean(p) == "/":
		return refuse("must be absolute and not / itself, like /data")
	case !utf8.ValidString(p) || strings.ContainsFunc(p, odd):
		return refuse("holds a character that a path here may not have")
	case path.Clean(p) != p:
		return refuse("must be written without . and .. and double slashes: %s", path.Clean(p))
	case slices.Contains(noVolumesAt, p):
		return refuse("is a directory of the system, which a volume would hide; take one of its own, like /data")
	}
	for _, dir := range noFilesBelow {
		if within(p, dir) {
			return refuse("lies in %s, which is the platform's", dir)
		}
	}
	return nil
}

// within says that a path is a directory or lies in it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// changeMounts gives a release's mounts with changes applied. A volume is in
// one place only: said anew, it moves.
func changeMounts(base, changes []Mount) []Mount {
	out := slices.Clone(base)
	for _, c := range changes {
		out = slices.DeleteFunc(out, func(m Mount) bool { return m.Volume == c.Volume })
		if c.Path != "" {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Mount) int { return strings.Compare(a.Type+a.Path, b.Type+b.Path) })
	return out
}

// checkMounts refuses mounts that a release cannot have: volumes that are no
// more or on different machines, places within one another or among config files.
func checkMounts(mounts []Mount, volumes []Volume, files map[string]ConfigFile) error {
	at := map[string]Volume{}
	for _, v := range volumes {
		at[v.ID] = v
	}
	for i, m := range mounts {
		v, ok := at[m.Volume]
		if !ok {
			return &Error{ID: ErrConflict, Message: fmt.Sprintf("The release has the volume %s attached, which was destroyed since. Nothing was changed.", m.Name),
				Next: "Attach another, and push or roll back to a release without it: paas volumes"}
		}
		for p := range files {
			if within(p, m.Path) || within(m.Path, p) {
				return Errorf(ErrConflict, "The config file %s and the volume %s at %s would be in each other's way. Nothing was changed.", p, m.Name, m.Path)
			}
		}
		for _, o := range mounts[:i] {
			if o.Type != m.Type {
				continue
			}
			if within(o.Path, m.Path) || within(m.Path, o.Path) {
				return Errorf(ErrConflict, "The volumes %s at %s and %s at %s of %s would be in each other's way. Nothing was changed.", o.Name, o.Path, m.Name, m.Path, m.Type)
			}
			if w := at[o.Volume]; v.Driver == "" && w.Driver == "" && v.HostID != w.HostID {
				return Errorf(ErrConflict, "The data of volume %s is on %s and that of %s on %s: no dyno of %s can have both. Nothing was changed.", w.Name, w.Host, v.Name, v.Host, m.Type)
			}
		}
	}
	return nil
}

// Mounted says whether instances of a type of the release have a volume: then
// there is at most one.
func (r Release) Mounted(typ string) bool {
	return slices.ContainsFunc(r.Mounts, func(m Mount) bool { return m.Type == typ })
}

// MountsOf are those of an instance of the release: a one-off has none.
func (r Release) MountsOf(in Instance) (list []Mount) {
	for _, m := range r.Mounts {
		if m.Type == in.Type && !in.OneOff {
			list = append(list, m)
		}
	}
	return list
}

// spellMounts describes changes of mounts for a release.
func spellMounts(changes []Mount) string {
	var parts []string
	for _, c := range changes {
		if c.Path == "" {
			parts = append(parts, "Detach volume "+c.Name)
			continue
		}
		parts = append(parts, fmt.Sprintf("Attach volume %s to %s at %s", c.Name, c.Type, c.Path))
	}
	return strings.Join(parts, "; ")
}
