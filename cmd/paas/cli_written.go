package main

import (
	"fmt"
	"slices"
	"strings"

	"paas/server/api"
)

// tellWritten says what dynos have written outside volumes: of those of a type,
// what the newest release's have.
func (s *session) tellWritten(dynos []api.Dyno) {
	i := slices.IndexFunc(dynos, func(d api.Dyno) bool {
		return len(d.Wrote) > 0 && !slices.ContainsFunc(dynos, func(o api.Dyno) bool { return o.Release.Version > d.Release.Version })
	})
	if i < 0 {
		return
	}
	d, parts, at := dynos[i], []string(nil), "PATH"
	for _, w := range d.Wrote {
		part := size(w.Bytes) + " to " + printable(w.Path)
		if w.Mixed {
			part += ", among the files of the image"
		} else if at == "PATH" {
			at = printable(w.Path)
		}
		parts = append(parts, part)
	}
	of := ""
	if d.Type != "web" {
		of = " -p " + printable(d.Type)
	}
	s.warn(fmt.Sprintf("%s has written %s, outside a volume: it is gone with each restart and deploy.", printable(d.Type), strings.Join(parts, "; ")))
	s.warn(fmt.Sprintf("To keep such files: paas volumes:create NAME -a %s, then paas volumes:attach NAME %s%s -a %s", s.app, shellQuote(at), of, s.app))
}
