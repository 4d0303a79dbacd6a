package wire

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	pingEvery    = 15 * time.Second // keeps proxies from ending a quiet stream
	eventTimeout = 30 * time.Second // for a client to take an event
)

// Stream writes events to a client as they come: server-sent ones, or a JSON
// object a line. Each is flushed, and must be taken within a time, so that a
// client that reads no more does not hold a place. It may be used by several
// goroutines.
type Stream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
	lines   bool
	stop    chan struct{}
	stopped sync.WaitGroup
	err     error // the first
}

// Events begins a stream of server-sent events, with a comment every fifteen
// seconds. Close ends it.
func Events(w http.ResponseWriter) *Stream {
	s := begin(w, "text/event-stream", false)
	s.stopped.Go(s.pings)
	return s
}

// Lines begins a stream of JSON objects, one a line. Close ends it.
func Lines(w http.ResponseWriter) *Stream { return begin(w, "application/x-ndjson", true) }

func begin(w http.ResponseWriter, kind string, lines bool) *Stream {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx
	w.WriteHeader(http.StatusOK)
	return &Stream{w: w, control: http.NewResponseController(w), lines: lines, stop: make(chan struct{})}
}

func (s *Stream) pings() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			if s.write([]byte(": ping\n\n")) != nil {
				return
			}
		}
	}
}

// Send writes an event; name may be empty, and is not written in lines. Its
// error, which stays, says that the client has gone.
func (s *Stream) Send(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if s.lines {
		return s.write(append(data, '\n'))
	}
	if name != "" {
		name = "event: " + name + "\n"
	}
	return s.write(slices.Concat([]byte(name+"data: "), data, []byte("\n\n")))
}

// SendID writes an event with an id, after which a client that lost its
// connection resumes.
func (s *Stream) SendID(id, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return s.write(slices.Concat([]byte("id: "+id+"\nevent: "+name+"\ndata: "), data, []byte("\n\n")))
}

// Text writes an event that is no JSON, such as [DONE].
func (s *Stream) Text(data string) error { return s.write([]byte("data: " + data + "\n\n")) }

func (s *Stream) write(data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(eventTimeout)) // where the server can
	if _, s.err = s.w.Write(data); s.err == nil {
		s.err = s.control.Flush()
	}
	return s.err
}

// Close ends the pings.
func (s *Stream) Close() {
	close(s.stop)
	s.stopped.Wait()
	_ = s.control.SetWriteDeadline(time.Time{}) // the connection may serve another request
}
