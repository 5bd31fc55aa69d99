package server

import (
	"context"
	"regexp"
	"strings"
)

// emailForm is what an e-mail may look like here: it is shown in commands for
// people to copy, so it holds nothing that a shell would understand, and no
// letters that look like others.
var emailForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._%+=-]{0,63}@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

func checkEmail(email string) error {
	const longest = 254
	if len(email) > longest {
		return Errorf(ErrInvalid, "An e-mail address has at most %d characters. Nothing was changed.", longest)
	}
	if !emailForm.MatchString(email) {
		return Errorf(ErrInvalid, "%q is not an e-mail address (letters, digits and . _ %% + = - before the @). Nothing was changed.", email)
	}
	return nil
}

// Accounts lists everybody. Admins only.
func (s *Service) Accounts(ctx context.Context, actor Actor) ([]Account, error) {
	if err := allowAdmin(actor, "list accounts"); err != nil {
		return nil, err
	}
	return s.store.Accounts(ctx)
}

// CreateAccount makes an account, or finds the one with that e-mail, and gives
// it a public key when one is sent: both or neither. Admins only.
func (s *Service) CreateAccount(ctx context.Context, actor Actor, email string, admin bool, authorizedKey string) (Account, error) {
	if err := allowAdmin(actor, "add accounts"); err != nil {
		return Account{}, err
	}
	if err := checkEmail(email); err != nil {
		return Account{}, err
	}
	if authorizedKey == "" {
		return s.store.CreateAccount(ctx, email, admin, nil)
	}
	k, err := newKey(authorizedKey)
	if err != nil {
		return Account{}, err
	}
	return s.store.CreateAccount(ctx, email, admin, &k)
}

// FindAccount finds an account by id or e-mail; "~" or "" is the actor. Others
// than oneself only admins find.
func (s *Service) FindAccount(ctx context.Context, actor Actor, ident string) (Account, error) {
	if ident == "" || ident == "~" || ident == actor.ID || strings.EqualFold(ident, actor.Email) {
		return actor.Account, nil
	}
	if !actor.Admin || !actor.has() {
		return Account{}, noAccount()
	}
	a, err := s.store.Account(ctx, ident)
	if IsID(err, ErrNotFound) {
		return a, noAccount()
	}
	return a, err
}

func noAccount() error {
	return &Error{ID: ErrNotFound, Message: "Couldn't find that account. Nothing was changed.", Next: "Admins see which there are: paas accounts"}
}

// SetAdmin makes an account an admin or takes that away. Admins only; the last
// one besides the operator stays one.
func (s *Service) SetAdmin(ctx context.Context, actor Actor, ident string, admin bool) (Account, error) {
	a, err := s.otherAccount(ctx, actor, ident, "change who is an admin")
	if err != nil || a.Admin == admin {
		return a, err
	}
	return s.store.SetAdmin(ctx, a.ID, admin)
}

// RemoveAccount ends an account: its keys, tokens and access are gone at once.
// What it did stays under its name. Admins only; refused while it owns apps.
func (s *Service) RemoveAccount(ctx context.Context, actor Actor, ident string) (Account, error) {
	a, err := s.otherAccount(ctx, actor, ident, "remove accounts")
	if err != nil {
		return a, err
	}
	return s.store.RemoveAccount(ctx, a.ID)
}

// otherAccount finds an account to be changed, which the operator's is not.
func (s *Service) otherAccount(ctx context.Context, actor Actor, ident, what string) (Account, error) {
	if err := allowAdmin(actor, what); err != nil {
		return Account{}, err
	}
	a, err := s.FindAccount(ctx, actor, ident)
	if err == nil && a.ID == s.operator.ID {
		return a, Errorf(ErrInvalid, "%s is whoever holds the server's socket: that account stays as it is. Nothing was changed.", OperatorEmail)
	}
	return a, err
}
