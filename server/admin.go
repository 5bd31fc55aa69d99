package server

import (
	"context"
	"fmt"
)

// checkAppName says in words why an app cannot have a name, or nil. kept is
// what to add about what was not done.
func checkAppName(name, kept string) error {
	if !appName.MatchString(name) {
		return Errorf(ErrInvalid, "Name %q must start with a letter, end with a letter or digit, hold only lower-case letters, digits and dashes, and be 1 to 30 characters long. %s", name, kept)
	}
	if name == PlatformHost {
		return Errorf(ErrInvalid, "Name %q is kept for the platform. %s", name, kept)
	}
	return nil
}

// ChangeApp renames an app, puts it into maintenance or takes it out, locks or
// unlocks it, and changes its settings; all of a change or nothing. The app's
// git URL and host name follow its name, and the old name is free at once.
// What runs goes on running: PAAS_APP in it changes with the next release.
func (s *Service) ChangeApp(ctx context.Context, actor Actor, ident string, c AppChange) (App, error) {
	app, err := s.mayChange(ctx, actor, ident, c)
	if err != nil {
		return App{}, err
	}
	if app.Locked && (c.Locked == nil || *c.Locked) && (c.Name != nil || c.Maintenance != nil || c.Settings != nil) {
		return App{}, lockedError(app)
	}
	if c.Name != nil {
		if err := checkAppName(*c.Name, "Nothing was changed."); err != nil {
			return App{}, err
		}
	}
	if err := checkSettings(c.Settings); err != nil {
		return App{}, err
	}
	after, err := s.store.ChangeApp(ctx, app.ID, actor.Email, c)
	if err != nil {
		return App{}, err
	}
	s.tellChange(actor, app, after)
	return after, nil
}

// mayChange finds the app for someone who may make that change.
func (s *Service) mayChange(ctx context.Context, actor Actor, ident string, c AppChange) (App, error) {
	if c.Name == nil && c.Maintenance == nil && c.Locked == nil && c.Settings == nil {
		if app, err := s.App(ctx, actor, ident); err != nil {
			return app, err // who may not see it learns nothing else
		}
		return App{}, Errorf(ErrInvalid, "There is nothing to change: give name, maintenance, locked or settings. Nothing was changed.")
	}
	var app App
	var err error
	if c.Maintenance != nil || c.Settings != nil {
		// Who unlocks in the same change is asked for more below.
		find := s.app
		if c.Locked != nil {
			find = s.appToRead
		}
		if app, err = find(ctx, actor, ident, PermOperate); err != nil {
			return App{}, err
		}
	}
	if c.Name != nil || c.Locked != nil {
		return s.app(ctx, actor, ident, PermManage)
	}
	return app, nil
}

func lockedError(app App) error {
	return &Error{ID: ErrForbidden, Message: app.Name + " is locked: nothing of it can be changed. Nothing was changed.", Next: "Unlock it: paas apps:unlock -a " + app.Name}
}

// tellChange writes the lines of the app's log that people look for there.
func (s *Service) tellChange(actor Actor, before, after App) {
	say := func(format string, args ...any) {
		s.logs.Append(AppLine(after.ID, "api", fmt.Sprintf(format, args...)))
	}
	if before.Name != after.Name {
		say("Renamed from %s to %s by user %s", before.Name, after.Name, actor.Email)
	}
	switch {
	case !before.Maintenance && after.Maintenance:
		say("Maintenance mode enabled by user %s", actor.Email)
	case before.Maintenance && !after.Maintenance:
		say("Maintenance mode disabled by user %s", actor.Email)
	}
	switch {
	case !before.Locked && after.Locked:
		say("Locked by user %s", actor.Email)
	case before.Locked && !after.Locked:
		say("Unlocked by user %s", actor.Email)
	}
}

// TransferApp makes another account the owner, at once. The old owner is
// nothing to the app from then on, unless keep makes a collaborator of them.
// Only the owner or an admin may: who manages an app cannot give it away.
func (s *Service) TransferApp(ctx context.Context, actor Actor, ident, recipient string, keep bool) (App, error) {
	app, err := s.app(ctx, actor, ident, PermManage)
	if err != nil {
		return App{}, err
	}
	if !actor.Admin && actor.ID != app.OwnerID {
		return App{}, Errorf(ErrForbidden, "Only the owner of %s, %s, or an admin may give it away. Nothing was changed.", app.Name, app.OwnerEmail)
	}
	if app.Locked {
		return App{}, lockedError(app)
	}
	if recipient == "" {
		return App{}, Errorf(ErrInvalid, "Field recipient must be the e-mail of an account. Nothing was changed.")
	}
	to, err := s.store.Account(ctx, recipient)
	switch {
	case IsID(err, ErrNotFound):
		return App{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf("%s has no account here. Nothing was changed.", recipient), Next: fmt.Sprintf("Invite them first: paas access:add %s -p view -a %s", recipient, app.Name)}
	case err != nil:
		return App{}, err
	case to.ID == app.OwnerID:
		return App{}, Errorf(ErrInvalid, "%s owns %s already. Nothing was changed.", to.Email, app.Name)
	}
	after, err := s.store.GiveApp(ctx, app.ID, to.ID, actor.Email, keep)
	if err == nil {
		s.logs.Append(AppLine(app.ID, "api", fmt.Sprintf("Transferred from %s to %s by user %s", app.OwnerEmail, to.Email, actor.Email)))
	}
	return after, err
}

// AppSummary is all that apps:info shows, read at once.
type AppSummary struct {
	App           App
	Repo, Slug    int64 // bytes of the repository and of the current image
	Formation     []Formation
	Domains       []Domain
	Collaborators int
	Release       *Release // the current one; nil before the first
}

// AppSummary reads an app with what belongs to it.
func (s *Service) AppSummary(ctx context.Context, actor Actor, ident string) (AppSummary, error) {
	app, err := s.appToRead(ctx, actor, ident, PermView)
	if err != nil {
		return AppSummary{}, err
	}
	sum := AppSummary{App: app}
	if sum.Repo, sum.Slug, err = s.Sizes(ctx, app); err != nil {
		return sum, err
	}
	if sum.Formation, err = s.Formation(ctx, actor, app.ID); err != nil {
		return sum, err
	}
	if sum.Domains, err = s.domainsOf(ctx, app); err != nil {
		return sum, err
	}
	if sum.Collaborators, err = s.store.CountCollaborators(ctx, app.ID); err != nil {
		return sum, err
	}
	if app.Current != "" {
		r, err := s.store.Release(ctx, app.ID, app.Current)
		if err != nil {
			return sum, err
		}
		sum.Release = &r
	}
	return sum, nil
}
