package server

import "sync"

// Bell wakes waiters by topic. A ring while nobody looks is remembered once:
// waiters read the state anew, so how often it rang does not matter.
type Bell struct {
	mu      sync.Mutex
	waiters map[string]map[chan string]struct{}
	hearers map[*func(string)]struct{}
}

// NewBell makes a bell.
func NewBell() *Bell {
	return &Bell{waiters: map[string]map[chan string]struct{}{}, hearers: map[*func(string)]struct{}{}}
}

// anyTopic waiters hear every topic.
const anyTopic = "*"

// Listen gives a channel that receives after each ring of one of the topics,
// and a function that ends it. No topic listens to all.
func (b *Bell) Listen(topics ...string) (<-chan string, func()) {
	ch := make(chan string, 1)
	if len(topics) == 0 {
		topics = []string{anyTopic}
		ch = make(chan string, 4096)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range topics {
		if b.waiters[t] == nil {
			b.waiters[t] = map[chan string]struct{}{}
		}
		b.waiters[t][ch] = struct{}{}
	}
	return ch, func() { b.drop(ch, topics) }
}

// Hear calls fn with every topic, each time and in order, until stop is called:
// for whoever must not miss one. fn must be short and must not ring.
func (b *Bell) Hear(fn func(topic string)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hearers[&fn] = struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.hearers, &fn)
	}
}

func (b *Bell) drop(ch chan string, topics []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range topics {
		delete(b.waiters[t], ch)
		if len(b.waiters[t]) == 0 {
			delete(b.waiters, t)
		}
	}
}

// Ring wakes the waiters of a topic; NoticeAll wakes everyone.
func (b *Bell) Ring(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for fn := range b.hearers {
		(*fn)(topic)
	}
	if topic == NoticeAll {
		for _, set := range b.waiters {
			send(set, topic)
		}
		return
	}
	send(b.waiters[topic], topic)
	send(b.waiters[anyTopic], topic)
}

func send(set map[chan string]struct{}, topic string) {
	for ch := range set {
		select {
		case ch <- topic:
		default: // one is waiting there already
		}
	}
}
