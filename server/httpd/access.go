package httpd

import "github.com/go-chi/chi/v5"

// Access gives and takes access, tokens and invitations, and shows the audit log.
type Access interface{}

// accessRoutes are the routes below /apps/{app}.
func (s *Server) accessRoutes(r chi.Router) {}

// accountRoutes are the routes that belong to no app.
func (s *Server) accountRoutes(r chi.Router) {}
