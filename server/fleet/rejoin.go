package fleet

import (
	"context"
	"errors"
	"time"
)

// ErrRejoined is that this machine is another host than it was when the client
// began: it was removed, and paas agent join has been run on it again.
var ErrRejoined = errors.New("this machine has joined anew")

// rejoinLook is how often the identity is read while the control plane does not
// know it.
const rejoinLook = time.Second

// rejoined waits until this machine has joined as another host. It looks only
// while it is refused: otherwise nothing but this client writes the identity.
func (c *Client) rejoined(ctx context.Context) bool {
	tick := time.NewTicker(rejoinLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
		c.mu.Lock()
		refused, host := c.told == refusedRemoved || c.told == refusedCertificate, c.id.Host
		c.mu.Unlock()
		if !refused {
			continue
		}
		if id, err := ReadIdentity(c.cfg.Dir); err == nil && id.Joined() && id.Host != host {
			return true
		}
	}
}
