package httpd

import "github.com/go-chi/chi/v5"

// Runs runs one-offs and opens sessions in instances.
type Runs interface{}

// runRoutes are the routes below /apps/{app}.
func (s *Server) runRoutes(r chi.Router) {}
