package httpd

import (
	"net/http"
	"time"

	"paas/server"
	"paas/server/api"
)

// since is when the region and the stack came to be: they have no row.
func since() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Ready != nil {
		if err := s.cfg.Ready(r.Context()); err != nil {
			s.log.Warn("not ready", "err", err)
			return reply(w, r, http.StatusServiceUnavailable, api.Health{Status: "unavailable"})
		}
	}
	return reply(w, r, http.StatusOK, api.Health{Status: "ok"})
}

func (s *Server) version(w http.ResponseWriter, r *http.Request) error {
	return reply(w, r, http.StatusOK, s.cfg.Version)
}

func (s *Server) regions(w http.ResponseWriter, r *http.Request) error {
	return reply(w, r, http.StatusOK, []api.Region{{
		ID: named("region", api.RegionName), Name: api.RegionName, Country: "-", Locale: "-",
		Description: "This installation", CreatedAt: since(), UpdatedAt: since(),
	}})
}

func (s *Server) stacks(w http.ResponseWriter, r *http.Request) error {
	return reply(w, r, http.StatusOK, []api.Stack{{
		ID: named("stack", api.StackName), Name: api.StackName, Default: true, State: "public",
		CreatedAt: since(), UpdatedAt: since(),
	}})
}

func (s *Server) dynoSizes(w http.ResponseWriter, r *http.Request) error {
	return reply(w, r, http.StatusOK, convert(s.cfg.Sizes, func(z server.Size) api.DynoSize {
		return api.DynoSize{
			ID: named("size", z.Name), Name: z.Name,
			Compute: int((z.MilliCPU + 999) / 1000), CPU: float64(z.MilliCPU) / 1000, Memory: float64(z.Memory) / (1 << 30),
		}
	}))
}
