package server

import (
	"context"
	"time"

	"paas/scheduler/agent"
)

// MaxVolumes is how many volumes an app may have.
const MaxVolumes = 10

// Volume is a disk of an app. The data of one without a driver is on one host.
type Volume struct {
	ID, AppID, App string
	Name           string
	Driver         string // of Docker, which brings it to any host; empty: it is on Host
	HostID         string // empty: a driver's, or its host was removed
	Host           string // name, also of one that was removed
	Size           int64  // bytes asked for; 0: nothing was said
	Used           int64  // bytes, as of UsedAt
	UsedAt         time.Time
	Made           bool // its host has it
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Mount          *Mount // where the current release has it; nil: nowhere
}

// Mount is where instances of a process type find a volume.
type Mount struct {
	Volume string `json:"volume"` // id
	Name   string `json:"name"`   // of the volume
	Type   string `json:"type"`
	Path   string `json:"path"` // absolute; in a change, empty takes it away
}

// NewVolume is what somebody asks for.
type NewVolume struct {
	Name   string
	Size   int64  // bytes; 0: nothing is said
	Host   string // name or id; empty: the best one
	Driver string // of Docker; empty: data on one host
}

// VolumeStore keeps volumes.
type VolumeStore interface {
	// CreateVolume is ErrConflict when the app has one of that name, or most.
	CreateVolume(ctx context.Context, v Volume, actor string) (Volume, error)
	// Volumes lists those of an app by name, each with where the current
	// release has it.
	Volumes(ctx context.Context, appID string) ([]Volume, error)
	// DestroyVolume is ErrConflict while a release has it that serves or rolls out.
	DestroyVolume(ctx context.Context, appID, id, actor string) error
	// Written is, by process type, what instances of a release have written
	// outside volumes.
	Written(ctx context.Context, releaseID string) (map[string][]agent.Written, error)
}
