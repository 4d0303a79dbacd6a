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
func (Open) Admit(context.Context, *http.Request, Work) (Ticket, error) { return free{}, nil }

// free is a ticket that costs nothing.
type free struct{}

func (free) Principal() Principal                  { return Local }
func (free) Header(http.Header)                    {}
func (free) Settle(context.Context, Usage) error   { return nil }
func (free) Release(context.Context, string) error { return nil }
