package provider

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/websocket"

	"kuai/platform/job"
)

const (
	watchTime   = 5 * time.Second // to open the socket
	maxTelling  = 8 << 20         // bytes of a message
	pictureHead = 8               // bytes before a preview's picture
	isPicture   = 1               // the kind of message that is one
)

// comfyWatch is what a server tells of a client's prompts by itself, over its web
// socket. Where there is none, all of it is silence.
type comfyWatch struct {
	told chan telling
	end  context.CancelFunc
	conn *websocket.Conn // nil: none
}

// telling is a message: how far a node is, what it looks like, or that it is over.
type telling struct {
	Type string `json:"type"`
	Data struct {
		Prompt string `json:"prompt_id"`
		Value  int    `json:"value"`
		Max    int    `json:"max"`
	} `json:"data"`

	picture []byte
}

// message reads texts and pictures.
var message = websocket.Codec{Unmarshal: func(data []byte, kind byte, v any) error {
	t := v.(*telling) //nolint:forcetypeassert // Receive below gives one
	*t = telling{}
	if kind != websocket.BinaryFrame {
		return json.Unmarshal(data, t)
	}
	if len(data) > pictureHead && binary.BigEndian.Uint32(data) == isPicture {
		t.picture = data[pictureHead:]
	}
	return nil
}}

// watch opens a server's socket for a client. Close it. It never fails: without a
// socket the end is asked for.
func (c *Comfy) watch(ctx context.Context, s *Server, client string) *comfyWatch {
	ctx, end := context.WithCancel(ctx)
	w := &comfyWatch{told: make(chan telling), end: end}
	address := *s.Base
	address.Scheme = strings.Replace(address.Scheme, "http", "ws", 1)
	address.Path += "/ws"
	address.RawQuery = url.Values{"clientId": {client}}.Encode()
	cfg, err := websocket.NewConfig(address.String(), s.Base.String())
	if err != nil {
		return w
	}
	cfg.Header = http.Header{}
	if c.pool.o.Key != "" {
		cfg.Header.Set("Authorization", "Bearer "+c.pool.o.Key)
	}
	open, stop := context.WithTimeout(ctx, watchTime)
	defer stop()
	if w.conn, err = cfg.DialContext(open); err != nil {
		slog.DebugContext(ctx, "ComfyUI's web socket cannot be opened; progress is not told", "server", s.Base.Host, "error", err)
		return w
	}
	w.conn.MaxPayloadBytes = maxTelling
	go w.read(ctx)
	return w
}

// read passes messages on until the socket is closed.
func (w *comfyWatch) read(ctx context.Context) {
	for {
		var t telling
		if message.Receive(w.conn, &t) != nil {
			return
		}
		select {
		case w.told <- t:
		case <-ctx.Done():
			return
		}
	}
}

func (w *comfyWatch) close() {
	w.end()
	if w.conn != nil {
		_ = w.conn.Close() // nothing was to be written
	}
}

// follow reports what is told of a prompt until it is time to ask again, or it is
// said to be over.
func (w *comfyWatch) follow(ctx context.Context, id string, ask <-chan time.Time, r job.Report) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ask:
			return nil
		case t := <-w.told:
			switch {
			case t.picture != nil:
				r.Preview(job.Preview{Type: http.DetectContentType(t.picture), Data: t.picture})
			case t.Data.Prompt != id:
			case t.Type == "progress" && t.Data.Max > 0:
				r.Progress(job.Progress{Stage: "sample", Fraction: float64(t.Data.Value) / float64(t.Data.Max), Step: t.Data.Value, Steps: t.Data.Max})
			case strings.HasPrefix(t.Type, "execution_") && t.Type != "execution_start" && t.Type != "execution_cached":
				return nil // success, error or interrupted: the history says it all
			}
		}
	}
}
