package router

import "context"

// Links is what the internal doors of one host serve: of each app that runs
// there the linked apps it reaches.
type Links struct {
	Version int64      `json:"version"` // grows with each change
	Apps    []AppLinks `json:"apps"`
}

// AppLinks are the linked apps that one app reaches, by the host names it
// reaches them at ("shop.internal").
type AppLinks struct {
	AppID  string  `json:"app_id"` // who calls
	Routes []Route `json:"routes"` // who is called
}

// LinkSource gives the doors of a host what they serve. WatchLinks sends the
// newest at once when there is any and after each change (some may be skipped,
// never reordered); the channel closes when ctx ends. AckLinks is told what is
// served, after each change and once a second, with the host as Router; it
// must not block.
type LinkSource interface {
	WatchLinks(ctx context.Context, host string) <-chan Links
	AckLinks(Ack)
}
