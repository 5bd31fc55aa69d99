package buildkit

import (
	"bytes"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"paas/builder"
)

var (
	entitlement = regexp.MustCompile(`\b(network\.host|security\.insecure) is not allowed`)
	device      = regexp.MustCompile(`CDI device "|devices? .* requested by the build but not allowed`)
	notFound    = regexp.MustCompile(`^(?:"(.+)": not found|lstat (.+): no such file or directory)$`)
	fromStage   = regexp.MustCompile(`(?i)(--|,)from=`)
)

// notGranted recognizes a RUN that asks for more than a build gets. BuildKit
// refuses it without a place in the Dockerfile, so the place is found here.
func notGranted(source fs.FS, text string) *builder.Failure {
	var flag, what string
	m := entitlement.FindStringSubmatch(text)
	switch {
	case m != nil && m[1] == "network.host":
		flag, what = "--network=host", "the host's network (RUN --network=host)"
	case m != nil:
		flag, what = "--security=insecure", "a privileged step (RUN --security=insecure)"
	case device.MatchString(text):
		flag, what = "--device", "a device of the host (RUN --device)"
	default:
		return nil
	}
	f := &builder.Failure{Reason: "the build asks for " + what + ": the entitlement is not granted here"}
	why := "Builds run without rights on the host. Remove " + flag + " from the Dockerfile, commit and push again."
	dockerfile, err := fs.ReadFile(source, "Dockerfile")
	if err != nil {
		f.Detail = why // what is refused is known all the same
		return f
	}
	src := flagged(dockerfile, flag)
	if src == nil {
		f.Detail = why + " It is not in the Dockerfile itself: a base image brings it with ONBUILD."
		return f
	}
	f.Reason = fmt.Sprintf("Dockerfile line %d: %s", src.Ranges[0].Start.Line, f.Reason)
	f.Detail = why + "\n" + excerpt([]*errdefs.Source{src})
	return f
}

// flagged finds the RUN instructions that carry flag, with or without a value;
// nil when there are none.
func flagged(dockerfile []byte, flag string) *errdefs.Source {
	parsed, err := parser.Parse(bytes.NewReader(dockerfile))
	if err != nil {
		return nil // BuildKit has parsed it; without a place the reason still stands
	}
	src := &errdefs.Source{Info: &pb.SourceInfo{Filename: "Dockerfile", Data: dockerfile}}
	for _, n := range parsed.AST.Children {
		has := slices.ContainsFunc(n.Flags, func(s string) bool { return s == flag || strings.HasPrefix(s, flag+"=") })
		if strings.EqualFold(n.Value, "run") && has {
			src.Ranges = append(src.Ranges, &pb.Range{
				Start: &pb.Position{Line: int32(n.StartLine)}, End: &pb.Position{Line: int32(n.EndLine)},
			})
		}
	}
	if len(src.Ranges) == 0 {
		return nil
	}
	return src
}

// missingFile recognizes an instruction that wants a file which is not there,
// and says where it was looked for.
func missingFile(at []*errdefs.Source, text string) *builder.Failure {
	m := notFound.FindStringSubmatch(text)
	if m == nil || len(at) == 0 {
		return nil
	}
	where := "in the commit (or left out by .dockerignore)"
	if fromStage.MatchString(instruction(at[0])) {
		where = "in the stage or image that it is copied from"
	}
	return &builder.Failure{Reason: fmt.Sprintf(`"%s": not found %s`, stepName(m[1]+m[2]), where)}
}

// instruction is the text of the Dockerfile that src points at.
func instruction(src *errdefs.Source) string {
	if src.Info == nil {
		return ""
	}
	lines := strings.Split(string(src.Info.Data), "\n")
	var b strings.Builder
	for _, r := range src.Ranges {
		start, end := int(r.Start.Line), int(max(r.Start.Line, r.End.Line))
		if start >= 1 && end <= len(lines) {
			b.WriteString(strings.Join(lines[start-1:end], "\n") + "\n")
		}
	}
	return b.String()
}

// excerpt is the lines of the Dockerfile around each source, as BuildKit
// shows them, safe for a terminal.
func excerpt(at []*errdefs.Source) string {
	var raw, b strings.Builder
	for _, src := range at {
		if src.Print(&raw) != nil {
			break
		}
	}
	for _, line := range strings.Split(strings.TrimRight(raw.String(), "\n"), "\n") {
		b.WriteString(cleanLine(line) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
