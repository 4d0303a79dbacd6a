package worker

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"

	"kuai/fault"
	"kuai/platform/job"
)

// TestJoinSoon joins a server that is not there yet, then not ready, then is;
// and gives up on what no waiting mends.
func TestJoinSoon(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	at := func(answers ...int) (address string, told func() int) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := int(asked.Add(1)) - 1
			status := answers[min(n, len(answers)-1)]
			if status == 0 {
				panic(http.ErrAbortHandler) // the connection breaks
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"id":"worker_1","lease_ms":1000}`))
		}))
		t.Cleanup(s.Close)
		asked.Store(0)
		return s.URL, func() int { return int(asked.Load()) }
	}
	for _, c := range []struct {
		name    string
		answers []int
		asked   int
		code    fault.Code // "" joins
	}{
		{"there", []int{200}, 1, ""},
		{"starting", []int{0, 0, 502, 503, 200}, 5, ""},
		{"bad token", []int{503, 401, 200}, 2, fault.Unauthenticated},
		{"no such address", []int{404, 200}, 1, fault.NotFound},
	} {
		address, told := at(c.answers...)
		waits := 0
		client, err := joinSoon(t.Context(), Options{URL: address, Token: "t"}, job.Worker{Name: "w"}, func(error, time.Duration) { waits++ }, backoff.NewConstantBackOff(time.Millisecond))
		if told() != c.asked || waits != c.asked-1 {
			t.Errorf("%s: asked %d times with %d waits, want %d", c.name, told(), waits, c.asked)
		}
		switch {
		case c.code == "" && (err != nil || client.ID() != "worker_1"):
			t.Errorf("%s: %v", c.name, err)
		case c.code != "" && (err == nil || fault.From(err).Code != c.code):
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	address, _ := at(http.StatusFound)
	if _, err := joinSoon(t.Context(), Options{URL: address, Token: "t"}, job.Worker{}, func(error, time.Duration) {}, backoff.NewConstantBackOff(time.Millisecond)); err == nil {
		t.Error("a redirection is followed")
	}
	ctx, stop := context.WithCancelCause(t.Context())
	why := errors.New("the end")
	_, err := joinSoon(ctx, Options{URL: "http://127.0.0.1:1", Token: "t"}, job.Worker{}, func(error, time.Duration) { stop(why) }, backoff.NewConstantBackOff(time.Hour))
	if !errors.Is(err, why) {
		t.Errorf("after the end: %v", err)
	}
}
