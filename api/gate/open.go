package gate

import (
	"context"
	"net/http"
)

// Local is who asks where there are no accounts: whoever can reach the server.
var Local = Principal{Org: "local", Project: "local", User: "local", Key: "local", Admin: true}

// Open admits everyone to everything, without counting: for a server that
// listens on its own machine alone. Keys are accepted, whatever they are.
type Open struct{}

// Admit never refuses.
func (Open) Admit(ctx context.Context, _ *http.Request, w Work) (Ticket, error) {
	n := NotesOf(ctx)
	n.Caller(Local, w.Model)
	return free{n}, nil
}

// free is a ticket that costs nothing.
type free struct{ notes *Notes }

func (free) Principal() Principal { return Local }
func (free) Header(http.Header)   {}
func (f free) Settle(_ context.Context, u Usage) error {
	f.notes.Used(u)
	return nil
}
func (free) Release(context.Context, string) error { return nil }
