package httpd

import (
	"crypto/sha1"
	"fmt"
	"strconv"
	"time"

	"paas/server"
	"paas/server/api"
)

// stamp is a time as the API writes it: UTC, milliseconds.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// named is a UUID made from a name (version 5): regions, stacks and sizes have
// no row, and their ids must stay the same.
func named(kind, name string) string {
	b := sha1.Sum([]byte("paas:" + kind + ":" + name))
	b[6] = b[6]&0x0f | 0x50
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func wireAccount(a server.Account) api.Account {
	return api.Account{
		ID: a.ID, Email: a.Email, Name: optional(a.Name), Admin: a.Admin, Verified: true,
		CreatedAt: stamp(a.CreatedAt), UpdatedAt: stamp(a.UpdatedAt),
	}
}

func wireKey(k server.Key) api.Key {
	line := k.PublicKey
	if k.Comment != "" {
		line += " " + k.Comment
	}
	return api.Key{
		ID: k.ID, Comment: k.Comment, Email: k.Email, Fingerprint: k.Fingerprint, PublicKey: line,
		CreatedAt: stamp(k.CreatedAt), UpdatedAt: stamp(k.CreatedAt),
	}
}

func (s *Server) wireApp(a server.App) api.App {
	stack := api.Ref{ID: named("stack", api.StackName), Name: api.StackName}
	out := api.App{
		ID: a.ID, Name: a.Name, BuildStack: stack, Stack: stack,
		Owner:  api.UserRef{ID: a.OwnerID, Email: a.OwnerEmail},
		Region: api.Ref{ID: named("region", api.RegionName), Name: api.RegionName},
		GitURL: s.cfg.GitURL(a.Name), WebURL: s.cfg.WebURL(a.Name), Maintenance: a.Maintenance, Locked: a.Locked,
		CreatedAt: stamp(a.CreatedAt), UpdatedAt: stamp(a.UpdatedAt),
	}
	if !a.ReleasedAt.IsZero() {
		t := stamp(a.ReleasedAt)
		out.ReleasedAt = &t
	}
	return out
}

func wireRelease(r server.Release) api.Release {
	out := api.Release{
		ID: r.ID, AddonPlanNames: []string{}, App: api.Ref{ID: r.AppID, Name: r.App},
		Current: r.Current, Description: r.Description, Status: string(r.Status),
		User: api.UserRef{ID: r.UserID, Email: r.User}, Version: r.Version,
		Commit: r.Commit, Image: r.Image.Digest, Reason: r.Reason,
		CreatedAt: stamp(r.CreatedAt), UpdatedAt: stamp(r.UpdatedAt),
		EligibleForRollback: r.Status == server.ReleaseSucceeded && r.Image.Digest != "",
	}
	if r.BuildID != "" {
		out.Slug = &api.Ref{ID: r.BuildID}
	}
	if _, ok := r.Processes[server.ReleaseType]; ok {
		out.OutputStreamURL = optional("/apps/" + r.AppID + "/releases/" + r.ID + "/output")
	}
	return out
}

func wireFormation(f server.Formation) api.Formation {
	return api.Formation{
		ID: f.ID, App: api.Ref{ID: f.AppID, Name: f.App}, Type: f.Type, Quantity: f.Quantity,
		Size: f.Size, Command: f.Command, CreatedAt: stamp(f.CreatedAt), UpdatedAt: stamp(f.UpdatedAt),
	}
}

func wireDyno(i server.Instance) api.Dyno {
	return api.Dyno{
		ID: i.ID, App: api.Ref{ID: i.AppID, Name: i.App}, Type: i.Type, Size: i.Size, Command: i.Command,
		Name:    i.Type + "." + strconv.Itoa(i.Ordinal),
		Release: api.ReleaseRef{ID: i.ReleaseID, Version: i.Release}, State: dynoState(i.State),
		OneOff: i.OneOff, Wrote: wireWritten(i.Wrote), Host: i.Host, Reason: i.Reason, Crashes: i.Crashes, CreatedAt: stamp(i.CreatedAt), UpdatedAt: stamp(i.UpdatedAt),
	}
}

// dynoState says a state in Heroku's words: crashed, starting, up; and
// "stopping" for one on its way out, which Heroku does not show.
func dynoState(state string) string {
	switch state {
	case "pending", "assigned":
		return "starting"
	case "draining":
		return "stopping"
	}
	return state
}

func (s *Server) wireBuild(b server.Build) api.Build {
	out := api.Build{
		ID: b.ID, App: api.Ref{ID: b.AppID, Name: b.App}, Stack: api.StackName, Status: b.Status,
		User:            api.UserRef{ID: b.UserID, Email: b.User},
		SourceBlob:      api.SourceBlob{Version: optional(b.Commit)},
		OutputStreamURL: s.outputURL(b.AppID, b.DeployID),
		CreatedAt:       stamp(b.CreatedAt), UpdatedAt: stamp(b.UpdatedAt),
	}
	if b.ReleaseID != "" {
		out.Release = &api.ReleaseRef{ID: b.ReleaseID}
	}
	if b.Image.Digest != "" {
		out.Slug = &api.Ref{ID: b.ID}
	}
	return out
}

func (s *Server) wireDeploy(d server.Deploy) api.Deploy {
	out := api.Deploy{
		ID: d.ID, App: api.Ref{ID: d.AppID, Name: d.App}, Kind: string(d.Kind), Status: string(d.State),
		Stage: optional(string(d.Stage)), Reason: optional(d.Reason), Description: d.Description,
		Commit: optional(d.Commit), User: api.UserRef{ID: d.UserID, Email: d.User},
		CreatedAt: stamp(d.CreatedAt), UpdatedAt: stamp(d.UpdatedAt),
		OutputStreamURL: s.outputURL(d.AppID, d.ID),
	}
	if d.ReleaseID != "" {
		out.Release = &api.ReleaseRef{ID: d.ReleaseID, Version: d.Version}
	}
	return out
}

func (s *Server) outputURL(app, deploy string) string {
	return s.cfg.APIURL + "/apps/" + app + "/deploys/" + deploy + "/output"
}

// convert maps a list.
func convert[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}
