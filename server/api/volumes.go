package api

import "time"

// Volume is a disk of an app.
type Volume struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Driver    *string    `json:"driver"` // of Docker, which brings it to any host; null: its data is on one host
	Host      *string    `json:"host"`   // name; null: a driver's
	Gone      bool       `json:"gone"`   // its host was removed: the data is lost to the platform
	Size      int64      `json:"size"`   // bytes asked for; 0: nothing was said
	Used      *int64     `json:"used"`   // bytes, as of used_at; null: not known
	UsedAt    *time.Time `json:"used_at"`
	Mount     *Mount     `json:"mount"` // of the current release; null: it is not attached
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
}

// Mount is where dynos of a process type find a volume.
type Mount struct {
	Type string `json:"process_type"`
	Path string `json:"path"`
}

// NewVolume is the body of POST /apps/{app}/volumes.
type NewVolume struct {
	Name   string `json:"name"`
	Size   int64  `json:"size,omitempty"`   // bytes
	Host   string `json:"host,omitempty"`   // name or id
	Driver string `json:"driver,omitempty"` // of Docker
}

// Written is what was written below a directory outside volumes.
type Written struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"` // on disk
	Mixed bool   `json:"mixed"` // the image has files of its own there
}
