package server

import (
	"context"

	"fmt"
	"strings"

	"github.com/google/uuid"
)

// Drains lists where an app's lines are sent to. The URLs are masked: what a
// drain was added with is never shown again.
func (s *Service) Drains(ctx context.Context, actor Actor, app string) ([]Drain, error) {
	a, err := s.appToRead(ctx, actor, app, PermView)
	if err != nil {
		return nil, err
	}
	list, err := s.openDrains(ctx, a.ID)
	for i := range list {
		list[i].URL = MaskDrainURL(list[i].URL)
	}
	return list, err
}

// Drain finds one by id, token or URL; its URL is masked.
func (s *Service) Drain(ctx context.Context, actor Actor, app, ident string) (Drain, error) {
	a, err := s.appToRead(ctx, actor, app, PermView)
	if err != nil {
		return Drain{}, err
	}
	d, err := s.findDrain(ctx, a, ident)
	d.URL = MaskDrainURL(d.URL)
	return d, err
}

// AddDrain has an app's lines sent to a URL from now on.
func (s *Service) AddDrain(ctx context.Context, actor Actor, app, raw string) (Drain, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Drain{}, err
	}
	u, err := ParseDrainURL(raw)
	if err != nil {
		return Drain{}, err
	}
	if s.cfg.Drains == nil {
		return Drain{}, Errorf(ErrUnavailable, "Log drains are switched off here. No drain was added.")
	}
	if err := s.cfg.Drains.Check(ctx, u.Host, u.Port); err != nil {
		return Drain{}, err
	}
	d := SealedDrain{Drain: Drain{ID: uuid.NewString(), AppID: a.ID, App: a.Name, Token: "d." + uuid.NewString()}}
	if d.DataKey, err = s.store.DataKey(ctx, a.ID); err != nil {
		return Drain{}, err
	}
	if d.Sealed, err = s.keyring.SealDrain(d.DataKey, a.ID, d.ID, raw); err != nil {
		return Drain{}, err
	}
	label := MaskDrainURL(raw)
	d, err = s.store.CreateDrain(ctx, d, actor.Email, label, func(have []SealedDrain) error { return s.judgeDrain(a, have, raw) })
	if err != nil {
		return Drain{}, err
	}
	s.logs.Append(AppLine(a.ID, "api", fmt.Sprintf("Add log drain %s (%s) by user %s", label, d.Token, actor.Email)))
	d.URL = label
	return d.Drain, nil
}

// judgeDrain says why a drain cannot be added to those there are, or nil.
func (s *Service) judgeDrain(a App, have []SealedDrain, raw string) error {
	next := "See which there are: paas drains -a " + a.Name
	if len(have) >= MaxDrains {
		return &Error{ID: ErrInvalid, Message: fmt.Sprintf("%s has %d drains, which is the most an app may have. No drain was added.", a.Name, len(have)), Next: next}
	}
	for _, d := range have {
		if url, err := s.keyring.OpenDrain(d.DataKey, d.AppID, d.ID, d.Sealed); err == nil && url == raw {
			return &Error{ID: ErrInvalid, Message: "That URL is a drain of " + a.Name + " already (" + d.Token + "). No drain was added.", Next: next}
		}
	}
	return nil
}

// RemoveDrain ends a drain, named by id, token or URL. Its URL is masked.
func (s *Service) RemoveDrain(ctx context.Context, actor Actor, app, ident string) (Drain, error) {
	a, err := s.app(ctx, actor, app, PermOperate)
	if err != nil {
		return Drain{}, err
	}
	d, err := s.findDrain(ctx, a, ident)
	if err != nil {
		return Drain{}, err
	}
	d.URL = MaskDrainURL(d.URL)
	if err := s.store.DeleteDrain(ctx, a.ID, d.ID, actor.Email, d.URL); err != nil {
		return Drain{}, err
	}
	s.logs.Append(AppLine(a.ID, "api", fmt.Sprintf("Remove log drain %s (%s) by user %s", d.URL, d.Token, actor.Email)))
	return d, nil
}

// findDrain finds one by id, token, its URL, or its masked URL when no other
// looks the same.
func (s *Service) findDrain(ctx context.Context, a App, ident string) (Drain, error) {
	list, err := s.openDrains(ctx, a.ID)
	if err != nil {
		return Drain{}, err
	}
	var alike []Drain
	for _, d := range list {
		if strings.EqualFold(ident, d.ID) || strings.EqualFold(ident, d.Token) || ident == d.URL {
			return d, nil
		}
		if ident == MaskDrainURL(d.URL) {
			alike = append(alike, d)
		}
	}
	next := "See which there are: paas drains -a " + a.Name
	switch len(alike) {
	case 0:
		return Drain{}, &Error{ID: ErrNotFound, Message: "Couldn't find that drain of " + a.Name + ". Nothing was changed.", Next: next}
	case 1:
		return alike[0], nil
	}
	return Drain{}, &Error{ID: ErrInvalid, Message: fmt.Sprintf("%d drains of %s look like that: name one by its token. Nothing was changed.", len(alike), a.Name), Next: next}
}

// openDrains reads drains with their URLs. One that does not open is left out
// of the URLs, not of the list: it can still be removed.
func (s *Service) openDrains(ctx context.Context, appID string) ([]Drain, error) {
	sealed, err := s.store.Drains(ctx, appID)
	if err != nil {
		return nil, err
	}
	list := make([]Drain, len(sealed))
	for i, d := range sealed {
		list[i] = d.Drain
		if list[i].URL, err = s.keyring.OpenDrain(d.DataKey, d.AppID, d.ID, d.Sealed); err != nil {
			s.log.Error("open the URL of a drain", "app", d.App, "drain", d.Token, "err", err)
		}
	}
	return list, nil
}

// AllDrains gives the drains of all apps with their URLs, to who sends the
// lines. One whose URL does not open is left out.
func (s *Service) AllDrains(ctx context.Context) ([]Drain, error) {
	list, err := s.openDrains(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list drains: %w", err)
	}
	open := list[:0]
	for _, d := range list {
		if d.URL != "" {
			open = append(open, d)
		}
	}
	return open, nil
}
