package client

import (
	"context"
	"net/http"

	"paas/server/api"
)

// CreateSignInLink makes a URL that signs the account in to the dashboard,
// once; the answer alone holds it.
func (c *Client) CreateSignInLink(ctx context.Context) (l api.SignInLink, err error) {
	_, err = c.do(ctx, call{method: http.MethodPost, path: "/account/sign-in-links", out: &l})
	return l, err
}
