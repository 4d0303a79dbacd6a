// Package event is the platform's nervous system: short messages that tell of
// work to do, of progress and of cancellations. Nothing depends on one
// arriving: the database is the truth, and whoever waits for a message also
// looks there now and then.
//
// Memory serves one process, Embedded runs a NATS server inside it, and
// Connect uses one outside.
package event

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

const (
	maxSubject = 255     // bytes
	maxData    = 1 << 20 // bytes: what a NATS server takes by default
	maxPending = 1024    // messages that wait for one subscriber; more are dropped
)

// Errors that callers branch on.
var (
	ErrClosed  = errors.New("event: the bus is closed")
	ErrSubject = errors.New("event: a subject is words between dots")
	ErrLong    = errors.New("event: the message is longer than a bus takes")
)

// Message is what a subscriber gets. Data must not be changed.
type Message struct {
	Subject string
	Data    []byte
}

// Bus carries messages to everyone who subscribed at the time. Subjects are
// words between dots; a subscription may have * for any word and, at its end,
// > for all further words, as in NATS.
type Bus interface {
	// Publish sends without waiting for anyone.
	Publish(subject string, data []byte) error
	// Subscribe calls f with each message, one after the other, until stop is
	// called. A subscriber who is too slow misses messages.
	Subscribe(subject string, f func(Message)) (stop func(), err error)
	// Close ends all subscriptions.
	Close() error
}

// checkSubject says whether words may stand in a subject, with wildcards in one
// that is subscribed to.
func checkSubject(subject string, wild bool) error {
	if subject == "" || len(subject) > maxSubject {
		return fmt.Errorf("%w: %q", ErrSubject, subject)
	}
	words := strings.Split(subject, ".")
	for i, w := range words {
		isWild := w == "*" || w == ">" && i == len(words)-1
		if w == "" || !isWild && strings.ContainsAny(w, "*> \t\r\n\x00") || isWild && !wild {
			return fmt.Errorf("%w: %q", ErrSubject, subject)
		}
	}
	return nil
}

// matches says whether a subscription's pattern takes a subject.
func matches(pattern, subject string) bool {
	for {
		p, morePattern, deeper := strings.Cut(pattern, ".")
		s, moreSubject, further := strings.Cut(subject, ".")
		switch {
		case p == ">":
			return true
		case p != "*" && p != s, deeper != further:
			return false
		case !deeper:
			return true
		}
		pattern, subject = morePattern, moreSubject
	}
}

// memory is a bus within a process.
type memory struct {
	mu     sync.RWMutex
	subs   map[*subscriber]struct{}
	closed bool
	wait   sync.WaitGroup
}

type subscriber struct {
	pattern string
	queue   chan Message
	done    chan struct{}
}

// Memory returns a bus for one process.
func Memory() Bus { return &memory{subs: map[*subscriber]struct{}{}} }

// Publish hands the message to every subscriber with room for it.
func (m *memory) Publish(subject string, data []byte) error {
	if err := checkSubject(subject, false); err != nil {
		return err
	}
	if len(data) > maxData {
		return ErrLong
	}
	data = append([]byte(nil), data...)
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	for s := range m.subs {
		if !matches(s.pattern, subject) {
			continue
		}
		select {
		case s.queue <- Message{subject, data}:
		default: // too slow: it will look at the database
		}
	}
	return nil
}

// Subscribe begins a goroutine that calls f.
func (m *memory) Subscribe(subject string, f func(Message)) (func(), error) {
	if err := checkSubject(subject, true); err != nil {
		return nil, err
	}
	s := &subscriber{subject, make(chan Message, maxPending), make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	m.subs[s] = struct{}{}
	m.wait.Go(func() {
		for {
			select {
			case <-s.done:
				return
			case msg := <-s.queue:
				f(msg)
			}
		}
	})
	return func() { m.stop(s) }, nil
}

// stop ends a subscription, once.
func (m *memory) stop(s *subscriber) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.subs[s]; ok {
		delete(m.subs, s)
		close(s.done)
	}
}

// Close ends all subscriptions and waits for their calls to end.
func (m *memory) Close() error {
	m.mu.Lock()
	m.closed = true
	for s := range m.subs {
		delete(m.subs, s)
		close(s.done)
	}
	m.mu.Unlock()
	m.wait.Wait()
	return nil
}
