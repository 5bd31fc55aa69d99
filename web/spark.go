package web

import (
	"strconv"

	"paas/server"
)

// A sparkline is sparkPoints wide, two minutes each, and sparkHeight high:
// coarse, so that hundreds of them weigh little.
const (
	sparkPoints = 30
	sparkHeight = 12
)

// sparkline is the last hour of an app as two paths: a line of requests, and
// a bar for each point with errors. Both are empty when there was nothing.
func sparkline(s server.Spark) (line, faults string) {
	var requests, errors [sparkPoints]int64
	high := int64(0)
	for i := range s.Requests {
		p := i * sparkPoints / len(s.Requests)
		requests[p] += max(s.Requests[i], 0)
		errors[p] += max(s.Errors[i], 0)
		high = max(high, requests[p], errors[p])
	}
	if high == 0 {
		return "", ""
	}
	var l, f []byte
	last := 0
	for p := range requests {
		at := sparkHeight - sparkScale(requests[p], high)
		switch {
		case p == 0:
			l = append(strconv.AppendInt(append(l, "M0 "...), int64(at), 10), 'l')
		default:
			l = append(l, '1')
			if at >= last {
				l = append(l, ' ')
			}
			l = strconv.AppendInt(l, int64(at-last), 10)
			if p < len(requests)-1 {
				l = append(l, ' ')
			}
		}
		last = at
		if errors[p] > 0 {
			f = strconv.AppendInt(append(f, 'M'), int64(p), 10)
			f = append(f, " 12v-"...)
			f = strconv.AppendInt(f, int64(max(sparkScale(errors[p], high), 2)), 10)
		}
	}
	return string(l), string(f)
}

// sparkScale is how high a count is; anything is at least a step above nothing.
func sparkScale(n, high int64) int {
	if n <= 0 {
		return 0
	}
	return max(1, int(float64(n)/float64(high)*sparkHeight+0.5))
}
