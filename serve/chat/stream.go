package chat

import (
	"context"
	"io"
	"sync"
)

// Stream is an answer on its way. It is for one reader.
type Stream struct {
	limit int // tokens

	mu     sync.Mutex
	events []Event
	tokens int // in events
	ended  bool
	read   bool // the result was
	gone   bool // the reader closed it
	ready  chan struct{}
	cancel func()
}

func newStream(limit int) *Stream {
	return &Stream{limit: limit, ready: make(chan struct{}, 1)}
}

// Next returns the next event; after the one with the result, io.EOF. It waits
// until there is one, or ctx is done.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		s.mu.Lock()
		if len(s.events) > 0 {
			e := s.events[0]
			s.events[0] = Event{}
			s.events = s.events[1:]
			s.tokens--
			s.read = e.Result != nil
			s.mu.Unlock()
			return e, nil
		}
		read := s.read
		s.mu.Unlock()
		if read {
			return Event{}, io.EOF
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Event{}, context.Cause(ctx)
		}
	}
}

// Close says that nobody reads on: the request ends with the next step. It
// may be called at any time, also twice.
func (s *Stream) Close() {
	s.mu.Lock()
	s.gone = true
	cancel := s.cancel
	s.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// put adds an event; false if the reader is too far behind.
func (s *Stream) put(e Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return true
	}
	if e.Result == nil && s.tokens >= s.limit {
		return false
	}
	s.ended = e.Result != nil
	s.tokens++
	s.events = append(s.events, e)
	select {
	case s.ready <- struct{}{}:
	default:
	}
	return true
}

func (s *Stream) abandoned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// ReadAll reads an answer to its end and returns its text. A failure is the
// result's and returned as well.
func (s *Stream) ReadAll(ctx context.Context) (string, *Result, error) {
	var text []byte
	for {
		e, err := s.Next(ctx)
		if err != nil {
			return string(text), nil, err
		}
		text = append(text, e.Text...)
		if e.Result != nil {
			return string(text), e.Result, e.Result.Err
		}
	}
}
