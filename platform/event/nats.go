package event

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	startTimeout = 30 * time.Second       // it takes milliseconds; a busy machine may stop for seconds
	retryEvery   = 500 * time.Millisecond // while a server outside is away
	drainTimeout = 2 * time.Second
)

// bus is a connection to NATS, with the server where it is ours.
type bus struct {
	conn *nats.Conn
	srv  *server.Server // nil: outside
}

// Embedded runs a NATS server in this process and connects to it through
// memory; no port is opened.
func Embedded() (Bus, error) {
	opts := &server.Options{DontListen: true, NoLog: true, NoSigs: true, MaxPayload: maxData}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		srv.Shutdown()
		return nil, errors.New("event: the embedded NATS server does not start")
	}
	conn, err := nats.Connect("", append(options(), nats.InProcessServer(srv), nats.Timeout(startTimeout))...)
	if err != nil {
		srv.Shutdown()
		return nil, fmt.Errorf("event: %w", err)
	}
	return &bus{conn, srv}, nil
}

// Check says whether Connect could understand its argument, without connecting.
func Check(urls string) error {
	for part := range strings.SplitSeq(urls, ",") {
		text := strings.TrimSpace(part)
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return errors.New("event: want nats://HOST:PORT, or several with commas between") // not the address itself: it may hold a password
		}
	}
	return nil
}

// Connect uses the NATS servers at a URL, or several with commas between. While
// they are away, messages are lost and nothing else is.
func Connect(urls string) (Bus, error) {
	conn, err := nats.Connect(urls, append(options(), nats.RetryOnFailedConnect(true))...)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	return &bus{conn, nil}, nil
}

func options() []nats.Option {
	return []nats.Option{
		nats.Name("kuai"), nats.MaxReconnects(-1), nats.ReconnectWait(retryEvery), nats.DrainTimeout(drainTimeout),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				slog.Warn("the connection to NATS broke", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, s *nats.Subscription, err error) {
			if s != nil && errors.Is(err, nats.ErrSlowConsumer) {
				return // it will look at the database
			}
			slog.Warn("NATS", "error", err)
		}),
	}
}

// Publish sends a message; while the server is away it may be lost.
func (b *bus) Publish(subject string, data []byte) error {
	if err := checkSubject(subject, false); err != nil {
		return err
	}
	if len(data) > maxData {
		return ErrLong
	}
	err := b.conn.Publish(subject, data)
	switch {
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		return nil // a lost message only delays
	case err != nil:
		return fmt.Errorf("event: %w", err)
	}
	return nil
}

// Subscribe calls f in a goroutine of the connection.
func (b *bus) Subscribe(subject string, f func(Message)) (func(), error) {
	if err := checkSubject(subject, true); err != nil {
		return nil, err
	}
	sub, err := b.conn.Subscribe(subject, func(m *nats.Msg) { f(Message{m.Subject, m.Data}) })
	if errors.Is(err, nats.ErrConnectionClosed) {
		return nil, ErrClosed
	}
	if err == nil {
		err = sub.SetPendingLimits(maxPending, maxPending*maxData/16)
	}
	if err == nil && b.conn.IsConnected() {
		err = b.conn.FlushTimeout(startTimeout) // so that what is published next arrives
	}
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // closed already: fine
}

// Close ends the connection and the server where it is ours.
func (b *bus) Close() error {
	b.conn.Close()
	if b.srv != nil {
		b.srv.Shutdown()
		b.srv.WaitForShutdown()
	}
	return nil
}
