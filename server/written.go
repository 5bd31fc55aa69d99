package server

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	"paas/scheduler/agent"
)

// CleanWritten is what an instance has written, as far as it can be kept and
// shown: an app names its directories as it likes.
func CleanWritten(l *agent.Layer) (list []agent.Written) {
	if l == nil {
		return nil
	}
	for _, w := range l.Paths[:min(len(l.Paths), agent.MaxWritten)] {
		if w.Bytes <= 0 || w.Bytes > largestVolume || !strings.HasPrefix(w.Path, "/") {
			continue
		}
		w.Path = strings.Map(func(r rune) rune {
			if !unicode.IsPrint(r) {
				return unicode.ReplacementChar
			}
			return r
		}, strings.ToValidUTF8(w.Path, "\uFFFD"))
		w.Path = shorten(w.Path, maxMountPath)
		list = append(list, w)
	}
	return list
}

// SpellWritten says what dynos of a type have written: "12.0M to /data".
func SpellWritten(list []agent.Written) string {
	parts := make([]string, len(list))
	for i, w := range list {
		among := ""
		if w.Mixed {
			among = ", among the files of the image"
		}
		parts[i] = spellSize(w.Bytes) + " to " + w.Path + among
	}
	return strings.Join(parts, "; ")
}

// KeepWritten are the commands by which the largest of what was written will be
// kept, none when no volume can be there.
func KeepWritten(app, typ string, list []agent.Written) []string {
	i := slices.IndexFunc(list, func(w agent.Written) bool { return !w.Mixed && checkMountPath(w.Path) == nil })
	if i < 0 || list[i].Path != argument(list[i].Path) {
		return nil
	}
	name, of := path.Base(list[i].Path), ""
	if !volumeName.MatchString(name) {
		name = "data"
	}
	if typ != webType {
		of = " -p " + typ
	}
	return []string{fmt.Sprintf("paas volumes:create %s -a %s", name, app),
		fmt.Sprintf("paas volumes:attach %s %s%s -a %s", name, list[i].Path, of, app)}
}

// argument is a path as it may stand in a command that people copy: one that a
// shell takes for something else is not given.
func argument(p string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+@%", r) {
			return r
		}
		return -1
	}, p)
}

// warnOfWritten tells who pushed what dynos of the release before have written
// outside volumes: it goes with this deploy.
func (p *Pipeline) warnOfWritten(ctx context.Context, d Deploy, r Release, out io.Writer) {
	app, err := p.store.App(ctx, d.AppID)
	if err != nil || app.Current == "" {
		return
	}
	lost, err := p.store.Written(ctx, app.Current)
	if err != nil {
		return // a warning less
	}
	for _, typ := range slices.Sorted(maps.Keys(lost)) {
		list := slices.DeleteFunc(lost[typ], func(w agent.Written) bool { return r.keeps(typ, w.Path) })
		if len(list) == 0 {
			continue
		}
		fmt.Fprintf(out, " !     %s has written %s, outside a volume: it is gone with this deploy.\n", typ, SpellWritten(list))
		commands := KeepWritten(r.App, typ, list)
		for i, c := range commands {
			fmt.Fprintf(out, " !     %s %s\n", []string{"To keep such files:", "and then:          "}[i], c)
		}
		if len(commands) == 0 {
			fmt.Fprintf(out, " !     To keep such files, write them to a directory of their own and attach a volume there: paas volumes -a %s\n", r.App)
		}
	}
}

// keeps says that a volume of a type is at or above a path.
func (r Release) keeps(typ, at string) bool {
	return slices.ContainsFunc(r.Mounts, func(m Mount) bool { return m.Type == typ && within(at, m.Path) })
}

// passing tells of process types that have written what their next restart takes.
func (o Overview) passing(on string) (list []Problem) {
	told := map[string]bool{}
	for _, in := range o.Dynos {
		if len(in.Wrote) == 0 || told[in.Type] || o.Release == nil || in.ReleaseID != o.Release.ID {
			continue
		}
		told[in.Type] = true
		p := Problem{Kind: ProblemDisk, Dyno: in.Type, What: fmt.Sprintf("%s has written %s, outside a volume: it is gone with each restart and deploy.", in.Type, SpellWritten(in.Wrote)),
			Next: "paas volumes" + on}
		if c := KeepWritten(o.Row.Name, in.Type, in.Wrote); len(c) > 0 {
			p.Next = c[0]
		}
		list = append(list, p)
	}
	return list
}
