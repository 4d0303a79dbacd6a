package folk

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/api/wire"
	"kuai/character/converse"
	"kuai/serve/chat"
	"kuai/text/sample"
)

// payTime is how long a reply's account may take to be written, also where the client
// has gone.
const payTime = 10 * time.Second

// usualModel is the name, in prices, of what characters speak with where the house
// has none for it.
const usualModel = "companion"

// till charges the replies of a request to a character or a group, each like a
// chat, to whoever asks. It is a converse.Till.
type till struct {
	room     *talk.Room
	w        http.ResponseWriter
	r        *http.Request
	model    string
	sampling sample.Params
}

func newTill(room *talk.Room, h *converse.House, w http.ResponseWriter, r *http.Request, c *converse.Conversation) *till {
	return &till{room, w, r, cmp.Or(h.Speaks, usualModel), c.Sampling}
}

// Open admits a reply.
func (t *till) Open(_ context.Context, most chat.Usage) (converse.Bill, error) {
	ticket, err := t.room.Admit(t.r, gate.Work{
		Dialect: "kuai", Endpoint: wire.Route(t.r), Model: t.model, Scope: Scope, Estimate: usage(most), Within: true,
	}, t.sampling)
	if err != nil {
		return nil, err
	}
	ticket.Header(t.w.Header()) // in vain where an answer has begun
	return bill{ticket}, nil
}

func usage(u chat.Usage) gate.Usage {
	return gate.Usage{
		gate.InputTokens: int64(u.Prompt), gate.CachedInputTokens: int64(u.Reused), gate.OutputTokens: int64(u.Completion), gate.Requests: 1,
	}
}

// bill is a reply's. It is a converse.Bill.
type bill struct{ ticket gate.Ticket }

// Pay charges what was used.
func (b bill) Pay(ctx context.Context, used chat.Usage) {
	b.end(ctx, func(ctx context.Context) error { return b.ticket.Settle(ctx, usage(used)) })
}

// Drop gives everything back.
func (b bill) Drop(ctx context.Context, reason string) {
	b.end(ctx, func(ctx context.Context) error { return b.ticket.Release(ctx, reason) })
}

func (bill) end(ctx context.Context, do func(context.Context) error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), payTime)
	defer stop()
	if err := do(ctx); err != nil { // the reply is written: the log alone is told
		slog.ErrorContext(ctx, "a character's reply could not be charged or its money not be given back; its reservation will lapse", "error", err)
	}
}
