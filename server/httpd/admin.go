package httpd

import "github.com/go-chi/chi/v5"

// AppAdmin changes what an app is: its name, owner, domains, maintenance, lock and settings.
type AppAdmin interface{}

// adminRoutes are the routes below /apps/{app}.
func (s *Server) adminRoutes(r chi.Router) {}
