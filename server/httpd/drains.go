package httpd

import "github.com/go-chi/chi/v5"

// Drains sends log lines elsewhere.
type Drains interface{}

// drainRoutes are the routes below /apps/{app}.
func (s *Server) drainRoutes(r chi.Router) {}
