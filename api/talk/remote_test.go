package talk

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"kuai/api/gate"
	"kuai/fault"
	"kuai/serve/chat"
	"kuai/serve/upstream"
	"kuai/text/prompt"
)

// engine is a server elsewhere, that answers at once.
type engine struct {
	mu    sync.Mutex
	asked []string
}

func (e *engine) RoundTrip(r *http.Request) (*http.Response, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, said, _ := strings.Cut(string(data), `"content":"`)
	said, _, _ = strings.Cut(said, `"`)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, said)
	status := http.StatusOK
	if said == "broken" {
		status = http.StatusInternalServerError
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}`)),
	}, nil
}

// byName is a gate that takes the caller's name for that of an organisation.
type byName struct{ gate.Open }

type named struct {
	gate.Ticket
	org string
}

func (n named) Principal() gate.Principal { return gate.Principal{Org: n.org} }

func (g byName) Admit(ctx context.Context, r *http.Request, w gate.Work) (gate.Ticket, error) {
	t, err := g.Open.Admit(ctx, r, w)
	return named{t, r.Header.Get("Name")}, err
}

// TestRemoteTurns checks that tenants take turns at the servers of a model
// elsewhere, and that a place comes back from whoever fails or leaves.
func TestRemoteTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		far := &engine{}
		c := upstream.Pooled("large", far)
		c.Slots = 1
		rm := &Room{Models: &Both{Here: &chat.Group{}, Clients: []*upstream.Client{c}}, Gate: byName{}}
		ask := func(ctx context.Context, org, says string) (*Reply, error) {
			r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody)
			r.Header.Set("Name", org)
			return rm.Ask(r, http.Header{}, gate.Work{}, Request{Model: "large", MaxTokens: 9, Messages: []prompt.Message{{Role: "user", Content: says}}})
		}
		first, err := ask(t.Context(), "many", "first")
		if err != nil {
			t.Fatal(err)
		}
		for _, org := range []string{"many", "many", "broken", "many", "many", "single"} {
			go func() {
				a, err := ask(t.Context(), org, org)
				if (err != nil) != (org == "broken") {
					t.Errorf("%s: %v", org, err)
				}
				if err == nil && a.Close(t.Context()) != nil {
					t.Errorf("%s could not be closed", org)
				}
			}()
			synctest.Wait()
		}
		hurry, leave := context.WithCancel(t.Context())
		go func() {
			if _, err := ask(hurry, "gone", "gone"); fault.From(err).Code != fault.Cancelled {
				t.Errorf("one who left: %v", err)
			}
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		if len(far.asked) != 1 {
			t.Errorf("a server with one place was asked %q", far.asked)
		}
		if err := first.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(far.asked) != 7 || slices.Index(far.asked, "single") > 3 || slices.Contains(far.asked, "gone") {
			t.Errorf("order %q", far.asked)
		}
	})
}
