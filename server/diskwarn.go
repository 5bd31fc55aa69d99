package server

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// warnOfDisk tells who pushed what the app will lose with each deploy: the image
// says that it keeps data where no volume is.
func (p *Pipeline) warnOfDisk(ctx context.Context, d Deploy, out io.Writer) {
	if d.Kind != KindPush {
		return
	}
	r, err := p.store.Release(ctx, d.AppID, d.ReleaseID)
	if err != nil {
		return // a warning less
	}
	p.warnOfWritten(ctx, d, r, out)
	const few = 5
	paths := r.unkept()
	if len(paths) == 0 {
		return
	}
	named := strings.Join(paths[:min(len(paths), few)], ", ")
	if n := len(paths) - few; n > 0 {
		named += fmt.Sprintf(" and %d more", n)
	}
	name, typ := path.Base(paths[0]), ""
	if !volumeName.MatchString(name) {
		name = "data"
	}
	if t := r.lasting(); t != webType {
		typ = " -p " + t
	}
	fmt.Fprintf(out, " !     The image keeps data in %s, where no volume is: it is lost with each deploy and restart.\n"+
		" !     To keep it: paas volumes:create %s -a %s\n"+
		" !     and then:   paas volumes:attach %s %s%s -a %s\n", named, name, r.App, name, paths[0], typ, r.App)
}

// unkept are the paths that the image declares to be volumes and that none is
// at or above. One of any type will do: the other types run the same image, and
// mostly do not write there.
func (r Release) unkept() (list []string) {
	if r.lasting() == "" {
		return nil
	}
	for _, p := range r.Image.Volumes {
		kept := slices.ContainsFunc(r.Mounts, func(m Mount) bool { return within(p, m.Path) })
		passing := slices.ContainsFunc([]string{"/run", "/var/run", "/var/tmp"}, func(dir string) bool { return within(p, dir) })
		if !kept && !passing && checkMountPath(p) == nil { // what no volume may be at is no place for data
			list = append(list, p)
		}
	}
	return list
}

// lasting is a process type that a volume can be attached to, web if there is
// one; "" when there is none.
func (r Release) lasting() string {
	if _, ok := r.Processes[webType]; ok {
		return webType
	}
	for _, t := range slices.Sorted(maps.Keys(r.Processes)) {
		if !slices.Contains([]string{RunType, ReleaseType, PostdeployType, SchedulerType}, t) {
			return t
		}
	}
	return ""
}
