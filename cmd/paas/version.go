package main

import (
	"runtime"

	"paas/server/api"
)

// versionInfo is what the API says of this server.
func versionInfo() api.Version {
	return api.Version{Version: buildVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
}
