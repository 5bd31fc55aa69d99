package server

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"paas/scheduler"
)

var (
	volumeName   = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$`)
	volumeDriver = regexp.MustCompile(`^[a-z0-9][a-z0-9._/:-]{0,99}$`)
)

// largestVolume is more than any disk holds, in bytes.
const largestVolume = 1 << 50

// Volumes lists an app's volumes by name.
func (s *Service) Volumes(ctx context.Context, actor Actor, app string) ([]Volume, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return nil, err
	}
	return s.store.Volumes(ctx, a.ID)
}

// Volume finds one by name or id.
func (s *Service) Volume(ctx context.Context, actor Actor, app, ident string) (Volume, error) {
	a, err := s.App(ctx, actor, app)
	if err != nil {
		return Volume{}, err
	}
	return s.volume(ctx, a, ident)
}

func (s *Service) volume(ctx context.Context, a App, ident string) (Volume, error) {
	list, err := s.store.Volumes(ctx, a.ID)
	if err != nil {
		return Volume{}, err
	}
	i := slices.IndexFunc(list, func(v Volume) bool { return v.Name == ident || v.ID == ident })
	if i < 0 {
		return Volume{}, &Error{ID: ErrNotFound, Message: "Couldn't find that volume. Nothing was changed.", Next: "See which there are: paas volumes -a " + a.Name}
	}
	return list[i], nil
}

// CreateVolume gives an app a disk. Its host is chosen now and for good: that
// is where what it is attached to will run. The disk itself is made there by
// the first dyno that has it.
func (s *Service) CreateVolume(ctx context.Context, actor Actor, app string, n NewVolume) (Volume, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Volume{}, err
	}
	if err := s.checkVolume(n); err != nil {
		return Volume{}, err
	}
	v := Volume{AppID: a.ID, Name: n.Name, Driver: n.Driver, Size: n.Size}
	if n.Driver == "" {
		if v.HostID, v.Host, err = s.home(ctx, a, n); err != nil {
			return Volume{}, err
		}
	}
	return s.store.CreateVolume(ctx, v, actor.Email)
}

func (s *Service) checkVolume(n NewVolume) error {
	switch {
	case !volumeName.MatchString(n.Name):
		return Errorf(ErrInvalid, "Volume name %q must start with a letter, end with a letter or digit, hold only lower-case letters, digits and dashes, and be 1 to 30 characters long. Nothing was changed.", n.Name)
	case n.Size < 0 || n.Size > largestVolume:
		return Errorf(ErrInvalid, "The size of a volume must be from 1 byte to 1 PB. Nothing was changed.")
	case n.Driver != "" && !slices.Contains(s.cfg.VolumeDrivers, n.Driver):
		return Errorf(ErrInvalid, "There is no volume driver %q; %s. Nothing was changed.", shorten(n.Driver, 100), s.driverNames())
	case n.Driver != "" && n.Host != "":
		return Errorf(ErrInvalid, "What a driver keeps is on no single host: give a host or a driver. Nothing was changed.")
	}
	return nil
}

func (s *Service) driverNames() string {
	if len(s.cfg.VolumeDrivers) == 0 {
		return "this installation has none, the operator gives them by --volume-driver"
	}
	return "there are " + strings.Join(s.cfg.VolumeDrivers, ", ")
}

// CheckVolumeDriver says what is wrong with the name of a driver of Docker.
func CheckVolumeDriver(name string) error {
	if !volumeDriver.MatchString(name) || name == "local" {
		return fmt.Errorf("%q must be the name of a volume driver that is installed on the hosts, and not local, which is what there is without one", name)
	}
	return nil
}

// home is the host for a new volume's data: the one that is asked for, or the best.
func (s *Service) home(ctx context.Context, a App, n NewVolume) (id, name string, err error) {
	snap, err := s.store.Snapshot(ctx, a.ID)
	if err != nil {
		return "", "", err
	}
	h, refusals := scheduler.Home(snap.State, n.Size, n.Host)
	switch {
	case h != nil:
		return h.ID, h.Name, nil
	case n.Host == "" || len(refusals) > 0:
		return "", "", &Error{ID: ErrConflict, Message: fmt.Sprintf("No host can keep the volume: %s. Nothing was changed.", spellRefusals(refusals)), Next: "See the hosts: paas hosts"}
	}
	return "", "", &Error{ID: ErrNotFound, Message: "Couldn't find that host. Nothing was changed.", Next: "See which there are: paas hosts"}
}

// spellRefusals names a few hosts with what each says.
func spellRefusals(list []scheduler.Refusal) string {
	const few = 5
	var parts []string
	for _, r := range list[:min(len(list), few)] {
		parts = append(parts, r.Host+" "+r.Why)
	}
	if n := len(list) - few; n > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", n))
	}
	if len(parts) == 0 {
		return "there is none"
	}
	return strings.Join(parts, "; ")
}

// AttachVolume starts a deploy after which dynos of a type find the volume at a
// path; it returns when its release is written. A volume that is attached moves.
func (s *Service) AttachVolume(ctx context.Context, actor Actor, app, ident, typ, path string) (Deploy, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Deploy{}, err
	}
	v, err := s.volume(ctx, a, ident)
	if err != nil {
		return Deploy{}, err
	}
	m := Mount{Volume: v.ID, Name: v.Name, Type: typ, Path: path}
	if err := s.checkAttach(ctx, a, m); err != nil {
		return Deploy{}, err
	}
	if v.Mount != nil && *v.Mount == m {
		return Deploy{}, Errorf(ErrConflict, "Volume %s is attached to %s at %s already. Nothing was changed.", v.Name, typ, path)
	}
	return s.deployMounts(ctx, actor, a, m)
}

func (s *Service) checkAttach(ctx context.Context, a App, m Mount) error {
	if err := checkMountPath(m.Path); err != nil {
		return err
	}
	if !processType.MatchString(m.Type) || slices.Contains([]string{RunType, ReleaseType, PostdeployType, SchedulerType}, m.Type) {
		return Errorf(ErrInvalid, "%q is no process type that keeps running: one-off dynos have no volumes. Nothing was changed.", m.Type)
	}
	list, err := s.formation(ctx, a)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(f Formation) bool { return f.Type == m.Type })
	switch {
	case i < 0 && len(list) > 0: // before the first deploy nobody knows which there will be
		return &Error{ID: ErrNotFound, Message: fmt.Sprintf("%s has no process type %s. Nothing was changed.", a.Name, m.Type), Next: "See them: paas ps:scale -a " + a.Name}
	case i >= 0 && list[i].Quantity > 1:
		return &Error{ID: ErrConflict, Message: fmt.Sprintf("%s runs %d dynos, and a volume is for one: two would write over each other. Nothing was changed.", m.Type, list[i].Quantity),
			Next: fmt.Sprintf("Run one: paas ps:scale %s=1 -a %s", m.Type, a.Name)}
	}
	return nil
}

// DetachVolume starts a deploy after which no dyno has the volume. Its data stays.
func (s *Service) DetachVolume(ctx context.Context, actor Actor, app, ident string) (Deploy, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Deploy{}, err
	}
	v, err := s.volume(ctx, a, ident)
	if err != nil {
		return Deploy{}, err
	}
	if v.Mount == nil {
		return Deploy{}, Errorf(ErrConflict, "Volume %s is not attached. Nothing was changed.", v.Name)
	}
	return s.deployMounts(ctx, actor, a, Mount{Volume: v.ID, Name: v.Name})
}

func (s *Service) deployMounts(ctx context.Context, actor Actor, a App, m Mount) (Deploy, error) {
	patch := ConfigPatch{Mounts: []Mount{m}}
	o, err := s.rehearse(ctx, a, patch)
	if err != nil {
		return Deploy{}, err
	}
	volumes, err := s.store.Volumes(ctx, a.ID)
	if err != nil {
		return Deploy{}, err
	}
	if err := checkMounts(changeMounts(o.release.Mounts, patch.Mounts), volumes, o.files); err != nil {
		return Deploy{}, err
	}
	return s.deployPatch(ctx, actor, o, patch, patch.describe())
}

// DestroyVolume deletes a volume with its data, which nobody can bring back.
func (s *Service) DestroyVolume(ctx context.Context, actor Actor, app, ident string) (Volume, error) {
	a, err := s.app(ctx, actor, app, PermManage)
	if err != nil {
		return Volume{}, err
	}
	v, err := s.volume(ctx, a, ident)
	if err != nil {
		return Volume{}, err
	}
	if v.Mount != nil {
		return Volume{}, &Error{ID: ErrConflict, Message: fmt.Sprintf("Volume %s is attached to %s at %s. Nothing was destroyed.", v.Name, v.Mount.Type, v.Mount.Path),
			Next: fmt.Sprintf("Detach it first: paas volumes:detach %s -a %s", v.Name, a.Name)}
	}
	return v, s.store.DestroyVolume(ctx, a.ID, v.ID, actor.Email)
}

// checkSingle refuses to scale what has a volume beyond one.
func checkSingle(r Release, f Formation) error {
	if f.Quantity <= 1 || !r.Mounted(f.Type) {
		return nil
	}
	return &Error{ID: ErrConflict, Message: fmt.Sprintf("%s has a volume, which one dyno at a time writes to: it runs one dyno, not %d. Nothing was changed.", f.Type, f.Quantity),
		Next: "See the volumes: paas volumes -a " + r.App}
}
