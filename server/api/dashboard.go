package api

import "time"

// SignInLink is what POST /account/sign-in-links answers: a URL that signs the
// caller's account in to the dashboard, once. A local path in its query
// parameter next is where the browser goes then.
type SignInLink struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}
