package httpd

import "github.com/go-chi/chi/v5"

// Crons shows and steers crons.
type Crons interface{}

// cronRoutes are the routes below /apps/{app}.
func (s *Server) cronRoutes(r chi.Router) {}
