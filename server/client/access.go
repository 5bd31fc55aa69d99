package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"paas/server/api"
)

func collaboratorsOf(app string) string { return "/apps/" + seg(app) + "/collaborators" }

// Collaborators lists who may do something with an app, besides its owner.
func (c *Client) Collaborators(ctx context.Context, app string) ([]api.Collaborator, error) {
	return list[api.Collaborator](ctx, c, collaboratorsOf(app), "", 0)
}

// AddCollaborator gives access. Nobody has that e-mail yet: the invitation
// that was made is given, else it is nil.
func (c *Client) AddCollaborator(ctx context.Context, app string, in api.AddCollaborator) (a api.Collaborator, i *api.Invitation, err error) {
	var raw json.RawMessage
	res, err := c.do(ctx, call{method: http.MethodPost, path: collaboratorsOf(app), in: in, out: &raw})
	if err != nil {
		return a, nil, err
	}
	var out any = &a
	if res.StatusCode == http.StatusAccepted {
		i = &api.Invitation{}
		out = i
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return a, nil, fmt.Errorf("the answer of %s is not what the API answers: %w", c.host, err)
	}
	return a, i, nil
}

// UpdateCollaborator replaces what somebody may do with an app.
func (c *Client) UpdateCollaborator(ctx context.Context, app, who string, permissions []string) (a api.Collaborator, err error) {
	_, err = c.do(ctx, call{method: http.MethodPatch, path: collaboratorsOf(app) + "/" + seg(who), in: api.UpdateCollaborator{Permissions: permissions}, out: &a})
	return a, err
}

// RemoveCollaborator takes somebody's access to an app away.
func (c *Client) RemoveCollaborator(ctx context.Context, app, who string) (a api.Collaborator, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: collaboratorsOf(app) + "/" + seg(who), out: &a})
	return a, err
}

// Invitations lists an app's open ones.
func (c *Client) Invitations(ctx context.Context, app string) ([]api.Invitation, error) {
	return list[api.Invitation](ctx, c, "/apps/"+seg(app)+"/invitations", "", 0)
}

// RevokeInvitation withdraws one by id or e-mail.
func (c *Client) RevokeInvitation(ctx context.Context, app, ident string) (i api.Invitation, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/apps/" + seg(app) + "/invitations/" + seg(ident), out: &i})
	return i, err
}

// Join accepts an invitation by a new account; no token is needed.
func (c *Client) Join(ctx context.Context, in api.AcceptInvitation) (j api.Joined, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/invitations/accept", in: in, out: &j})
	return j, err
}

// JoinAs accepts an invitation by the account the token belongs to.
func (c *Client) JoinAs(ctx context.Context, code string) (i api.Invitation, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/account/invitations", in: api.AcceptInvitation{Code: code}, out: &i})
	return i, err
}

// Accounts lists everybody. Admins only.
func (c *Client) Accounts(ctx context.Context) ([]api.Account, error) {
	return list[api.Account](ctx, c, "/accounts", "", 0)
}

// SetAdmin makes an account an admin or takes that away. Admins only.
func (c *Client) SetAdmin(ctx context.Context, ident string, admin bool) (a api.Account, err error) {
	_, err = c.do(ctx, call{method: http.MethodPatch, path: "/accounts/" + seg(ident), in: api.UpdateAccount{Admin: &admin}, out: &a})
	return a, err
}

// RemoveAccount ends an account. Admins only.
func (c *Client) RemoveAccount(ctx context.Context, ident string) (a api.Account, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: "/accounts/" + seg(ident), out: &a})
	return a, err
}

const authorizations = "/oauth/authorizations"

// Authorizations lists the account's logins and API tokens, oldest first.
func (c *Client) Authorizations(ctx context.Context) ([]api.Authorization, error) {
	return list[api.Authorization](ctx, c, authorizations, "created_at ..", 0)
}

// Authorization finds one by id; "~" is the one in use.
func (c *Client) Authorization(ctx context.Context, id string) (a api.Authorization, err error) {
	return a, c.get(ctx, authorizations+"/"+seg(id), &a)
}

// Authorize makes an API token; the answer alone holds its secret.
func (c *Client) Authorize(ctx context.Context, in api.CreateAuthorization) (a api.Authorization, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: authorizations, in: in, out: &a})
	return a, err
}

// Revoke ends a token; "~" is the one in use.
func (c *Client) Revoke(ctx context.Context, id string) (a api.Authorization, err error) {
	_, err = c.do(ctx, call{method: http.MethodDelete, path: authorizations + "/" + seg(id), out: &a})
	return a, err
}

// Rotate gives a token a new secret, which the answer alone holds.
func (c *Client) Rotate(ctx context.Context, id string) (a api.Authorization, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: authorizations + "/" + seg(id) + "/actions/regenerate-tokens", out: &a})
	return a, err
}

// Audit lists the newest n entries of an app's audit log, newest first; an
// empty app is the whole installation's, for admins.
func (c *Client) Audit(ctx context.Context, app string, n int) ([]api.AuditEntry, error) {
	path := "/audit"
	if app != "" {
		path = "/apps/" + seg(app) + path
	}
	return list[api.AuditEntry](ctx, c, path, fmt.Sprintf("id ..; max=%d, order=desc", n), n)
}

// VerifyAudit walks the audit log; head is one noted earlier, or empty.
func (c *Client) VerifyAudit(ctx context.Context, head string) (a api.AuditState, err error) {
	_, err = c.do(ctx, call{method: http.MethodGet, path: "/audit/verification?head=" + url.QueryEscape(head), out: &a, limit: waitTimeout})
	return a, err
}
