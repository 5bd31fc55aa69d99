package doctor

// The floors below which a version has a known hole that concerns paas.
// Kept in one place so that raising one is one line.

func runcFloor() floor {
	return floor{[]version{must(1, 3, 6), must(1, 4, 3)},
		"container breakouts (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881, CVE-2026-41579)"}
}

func containerdFloor() floor {
	return floor{[]version{must(1, 7, 33)}, "an image label can run a command on the host (CVE-2026-53488)"}
}

func kernelFloor() floor {
	return floor{[]version{must(5, 10, 0)}, "holes of older kernels are not mended any more"}
}

func goFloor() floor {
	return floor{[]version{must(1, 25, 13), must(1, 26, 6)},
		"slow-header, TLS and reverse-proxy holes in the standard library (CVE-2026-56853, CVE-2026-56862, CVE-2026-39825)"}
}

// moduleFloors are the floors of the libraries paas is built from.
func moduleFloors() []moduleFloor {
	return []moduleFloor{
		{"golang.org/x/crypto", floor{[]version{must(0, 52, 0)}, "holes in the SSH server before login (CVE-2026-39829, CVE-2026-46595)"}},
		{"github.com/go-git/go-git/v5", floor{[]version{must(5, 19, 2)}, "symlink and ref-name traversal (CVE-2026-71556, CVE-2026-71557)"}},
		{"github.com/jackc/pgx/v5", floor{[]version{must(5, 9, 2)}, "memory safety (CVE-2026-33815, CVE-2026-33816)"}},
		{"github.com/moby/buildkit", floor{[]version{buildkitFirst()}, buildkitWhy}},
	}
}

const buildkitWhy = "a Dockerfile frontend can leave the storage root (CVE-2026-33747)"

func buildkitFirst() version { return must(0, 28, 1) }

// moduleFloor is the floor of one module.
type moduleFloor struct {
	path  string
	floor floor
}

// met for a library has no series: versions only grow.
func (m moduleFloor) met(v version) bool { return !v.below(m.floor.first[0]) }
