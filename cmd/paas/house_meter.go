package main

import (
	"context"
	"time"
)

// flushMeter stores what the last minute brought, once nothing counts any
// more. A database that is away costs that minute.
func (h *house) flushMeter() {
	if h.service == nil {
		return // it did not come so far that anything could be counted
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := h.meter.Flush(ctx, h.store); err != nil {
		h.log.Warn("keep the last figures of apps", "err", err)
	}
}
