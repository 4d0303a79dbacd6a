package gate

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWithKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header map[string]string
		want   string
	}{
		"none":            {nil, ""},
		"bearer":          {map[string]string{"Authorization": "Bearer sk-1"}, "sk-1"},
		"lower case":      {map[string]string{"Authorization": "bearer  sk-1 "}, "sk-1"},
		"x-api-key":       {map[string]string{"X-Api-Key": "sk-2"}, "sk-2"},
		"both":            {map[string]string{"Authorization": "Bearer sk-1", "X-Api-Key": "sk-2"}, "sk-1"},
		"empty bearer":    {map[string]string{"Authorization": "Bearer ", "X-Api-Key": "sk-2"}, "sk-2"},
		"another scheme":  {map[string]string{"Authorization": "Basic abc"}, ""},
		"too long a key":  {map[string]string{"X-Api-Key": strings.Repeat("k", MaxKey+1)}, ""},
		"as long as ours": {map[string]string{"X-Api-Key": strings.Repeat("k", MaxKey)}, strings.Repeat("k", MaxKey)},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		WithKey(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := Key(r.Context()); got != c.want {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
			if r.Header.Get("Authorization") != "" || r.Header.Get("X-Api-Key") != "" {
				t.Errorf("%s: the header still holds the key", name)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	ticket, err := Open{}.Admit(t.Context(), httptest.NewRequest(http.MethodGet, "/", nil), Work{Model: "any"})
	if err != nil {
		t.Fatal(err)
	}
	if p := ticket.Principal(); !p.May("any") || !p.Admin || p.Owner() == "" {
		t.Errorf("got %+v", p)
	}
	if err := ticket.Settle(t.Context(), Usage{OutputTokens: 3}); err != nil {
		t.Error(err)
	}
}

func TestMay(t *testing.T) {
	t.Parallel()
	if p := (Principal{Models: []string{"a"}}); !p.May("a") || p.May("b") {
		t.Error("the list of models does not hold")
	}
}
