package httpdtest

import (
	"context"
	"strings"
	"time"

	"paas/server"
)

// CreateSignInLink makes one that signs nobody in.
func (f *Fake) CreateSignInLink(context.Context, server.Actor) (server.SignInLink, error) {
	leave, err := f.enter()
	if err != nil {
		return server.SignInLink{}, err
	}
	defer leave()
	return server.SignInLink{Code: "paaslink_" + strings.Repeat("a", 58), ExpiresAt: time.Now().Add(5 * time.Minute)}, nil
}
