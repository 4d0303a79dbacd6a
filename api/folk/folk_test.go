package folk

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"kuai/api/gate"
	"kuai/api/talk"
	"kuai/character/converse"
	"kuai/character/persona"
	"kuai/text/sample"
)

// parrot says who it is, who the user is, and what it was told.
type parrot struct{}

func (parrot) Room() converse.Room {
	return converse.Room{Card: 1000, Pack: 768, Recent: 500, Turns: 12, Reply: 100}
}
func (parrot) Sampling() sample.Params { return sample.Params{} }
func (parrot) Corrected() bool         { return false }
func (parrot) Tokens(s string) int     { return len(s) / 4 }
func (parrot) Speak(_ context.Context, p *converse.Prompt, show func(string)) (string, error) {
	text := p.Char + " to " + p.User + ": " + p.Lines[len(p.Lines)-1].Text
	if p.Begun != "" {
		text = " And more."
	}
	if show != nil {
		show(text)
	}
	return text, nil
}

// tenant is a gate that takes the key for the project.
type tenant struct{ gate.Open }

func (tenant) Admit(ctx context.Context, r *http.Request, w gate.Work) (gate.Ticket, error) {
	t, err := gate.Open{}.Admit(ctx, r, w)
	return ticket{t, gate.Key(ctx)}, err
}

type ticket struct {
	gate.Ticket
	project string
}

func (t ticket) Principal() gate.Principal { return gate.Principal{Project: t.project} }

func village(t *testing.T, g gate.Gate) *httptest.Server {
	t.Helper()
	dir := t.TempDir()
	h := &converse.House{Dir: filepath.Join(dir, "threads"), People: persona.Store{Dir: filepath.Join(dir, "people")}, Speaker: parrot{}}
	m := chi.NewRouter()
	Register(m, h, &talk.Room{Gate: g}, g)
	s := httptest.NewServer(gate.WithKey(m))
	t.Cleanup(func() {
		s.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// step is a request and what is wanted of the answer.
type step struct {
	method, path, body string
	status             int
	want               string // in the answer
}

func play(t *testing.T, url, key string, steps []step) {
	t.Helper()
	for _, s := range steps {
		r, err := http.NewRequestWithContext(t.Context(), s.method, url+"/api/v1"+s.path, strings.NewReader(s.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Api-Key", key)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != s.status || !strings.Contains(string(got), s.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s: %v", s.method, s.path, s.body, res.StatusCode, got, s.status, s.want, err)
		}
		if res.StatusCode == http.StatusOK && !strings.Contains(s.body, `"stream":true`) && !json.Valid(got) {
			t.Errorf("%s %s: %s", s.method, s.path, got)
		}
	}
}

// TestPersonas makes personas, is one of them, and is forgotten.
func TestPersonas(t *testing.T) {
	t.Parallel()
	s := village(t, gate.Open{})
	play(t, s.URL, "", []step{
		{"GET", "/personas", "", 200, `{"personas":[]}`},
		{"POST", "/personas", `{"name":"Ada","description":"A mathematician."}`, 201, `"id":"ada"`},
		{"POST", "/personas", `{"name":"ADA"}`, 409, `already: ada","param":"name"`},
		{"POST", "/personas", `{"name":""}`, 400, `"message":"a name has a letter, and none of : { } < > |","param":"name"`},
		{"POST", "/personas", `{"nam":"x"}`, 400, "unknown field"},
		{"POST", "/personas?user=Not+One", `{"name":"x"}`, 400, "small letters"},
		{"GET", "/personas?user=Not+One", "", 400, "small letters"},
		{"PATCH", "/personas/ada", `{"pronouns":"she/her"}`, 200, `"description":"A mathematician.","pronouns":"she/her"`},
		{"PATCH", "/personas/eve", `{}`, 404, "no such persona"},
		{"PUT", "/characters/lin/persona", `{"persona":"eve"}`, 404, "no such persona"},
		{"PUT", "/characters/lin/persona", `{"persona":"ada"}`, 204, ""},
		{"POST", "/characters/lin/messages", `{"text":"Hi"}`, 200, "Lin to Ada: Hi"},
		{"PUT", "/characters/lin/persona", `{"persona":""}`, 204, ""},
		{"POST", "/characters/lin/messages", `{"text":"Hi"}`, 200, "Lin to User: Hi"},
		{"DELETE", "/people/me", "", 204, ""},
		{"GET", "/personas", "", 200, `{"personas":[]}`},
		{"GET", "/characters/lin/tree", "", 200, `"turns":[]`},
		{"DELETE", "/people/Not%20One", "", 400, "small letters"},
	})
}

// TestTree edits, goes on, impersonates and walks between branches.
func TestTree(t *testing.T) {
	t.Parallel()
	s := village(t, gate.Open{})
	play(t, s.URL, "", []step{
		{"POST", "/characters/lin/messages", `{"continue":true}`, 400, "nothing was said"},
		{"POST", "/characters/lin/messages", `{"text":"One"}`, 200, `"turn":2`},
		{"POST", "/characters/lin/messages", `{"continue":true}`, 200, `One And more.","turn":3`},
		{"POST", "/characters/lin/messages", `{"edit":1,"text":"Uno"}`, 200, `Uno","turn":5`},
		{"POST", "/characters/lin/messages", `{"edit":2,"text":"x"}`, 400, "not the user's"},
		{"POST", "/characters/lin/messages", `{"edit":99,"text":"x"}`, 404, ""},
		{"POST", "/characters/lin/messages", `{"impersonate":true,"stream":true}`, 200, "event: done"},
		{"GET", "/characters/lin/branches", "", 200, `{"leaf":5,`},
		{"GET", "/characters/lin/tree", "", 200, `"parent":1,"children":[],"active":false}`},
		{"GET", "/characters/lin/tree?from=2&limit=1", "", 200, `"next":3`},
		{"GET", "/characters/lin/tree?limit=0", "", 400, "limit"},
		{"PUT", "/characters/lin/checkpoints/here", ``, 204, ""},
		{"PUT", "/characters/lin/checkpoints/there", `{"turn":3}`, 204, ""},
		{"PUT", "/characters/lin/checkpoints/12", ``, 400, "checkpoint"},
		{"POST", "/characters/lin/goto", `{"checkpoint":"there"}`, 200, `{"head":3}`},
		{"POST", "/characters/lin/goto", `{"swipe":-1}`, 200, `{"head":2}`},
		{"POST", "/characters/lin/goto", `{"turn":5}`, 200, `{"head":5}`},
		{"POST", "/characters/lin/goto", `{"turn":0}`, 200, `{"head":0}`},
		{"POST", "/characters/lin/goto", `{"turn":77}`, 404, ""},
		{"POST", "/characters/lin/goto", `{"checkpoint":"nowhere"}`, 404, "there are here, there"},
		{"POST", "/characters/lin/goto", `{}`, 400, "want one of"},
		{"POST", "/characters/lin/goto", `{"turn":2,"swipe":1}`, 400, "want one of"},
		{"DELETE", "/characters/lin/checkpoints/here", "", 204, ""},
		{"GET", "/characters/lin/tree", "", 200, `"checkpoints":{"there":3}`},
	})
}

// TestGroups seats a group and lets it talk.
func TestGroups(t *testing.T) {
	t.Parallel()
	s := village(t, gate.Open{})
	play(t, s.URL, "", []step{
		{"GET", "/groups", "", 200, `{"groups":[]}`},
		{"POST", "/groups", `{"name":"Tea","order":"list","members":["lin","pip"]}`, 201, `"id":"tea"`},
		{"POST", "/groups", `{"name":"Tea","members":["lin"]}`, 409, "already"},
		{"POST", "/groups", `{"name":"X","members":["nobody"]}`, 404, "no such character"},
		{"POST", "/groups", `{"name":"X","members":[]}`, 400, "want 1 to"},
		{"GET", "/groups/tea/messages", "", 200, `"greetings":[{"text":`},
		{"POST", "/groups/tea/messages", `{"text":"Hello"}`, 200, `"who":"Pip"`},
		{"POST", "/groups/tea/messages", `{"text":"Pip?","who":["pip"],"stream":true}`, 200, `"who":"Pip"`},
		{"POST", "/groups/tea/messages", `{"text":"x","who":["eve"]}`, 404, "nobody of that name"},
		{"POST", "/groups/tea/messages", `{"again":true}`, 200, `"turn":6`},
		{"POST", "/groups/tea/messages", `{"continue":true}`, 200, "And more."},
		{"POST", "/groups/tea/messages", `{"speak":"lin"}`, 200, `"who":"Lin"`},
		{"POST", "/groups/tea/messages", `{"edit":1,"text":"Bye"}`, 200, "Bye"},
		{"GET", "/groups/tea/branches", "", 200, `"active":true`},
		{"POST", "/groups/tea/goto", `{"turn":3}`, 200, `{"head":3}`},
		{"GET", "/groups/tea/messages", "", 200, `"speaker":"Pip","text"`},
		{"PATCH", "/groups/tea", `{"join":["otto"],"leave":["lin"],"mute":["pip"],"order":"manual","name":"Late tea"}`, 200, `"order":"manual","members":[{"id":"pip","name":"Pip","muted":true},{"id":"otto"`},
		{"PATCH", "/groups/tea", `{"leave":["lin"]}`, 404, "nobody of that name"},
		{"PATCH", "/groups/tea", `{"order":"loud"}`, 400, "natural"},
		{"POST", "/groups/tea/messages", `{"text":"Anybody?"}`, 200, `{"replies":[]}`},
		{"DELETE", "/groups/tea", "", 204, ""},
		{"GET", "/groups/tea/messages", "", 404, "no such group"},
		{"GET", "/groups/..%2fx", "", 404, ""},
	})
}

// TestTenants checks that no project reaches the users of another.
func TestTenants(t *testing.T) {
	t.Parallel()
	s := village(t, tenant{})
	play(t, s.URL, "one", []step{
		{"POST", "/personas", `{"name":"Ada"}`, 201, ""},
		{"POST", "/characters/lin/messages", `{"user":"ada","text":"A secret"}`, 200, ""},
		{"GET", "/characters/lin/messages?user=ada", "", 200, "A secret"},
	})
	play(t, s.URL, "two", []step{
		{"GET", "/personas", "", 200, `{"personas":[]}`},
		{"GET", "/characters/lin/messages?user=ada", "", 200, `"messages":[]`},
		{"DELETE", "/people/ada", "", 204, ""},
	})
	play(t, s.URL, "one", []step{{"GET", "/characters/lin/messages?user=ada", "", 200, "A secret"}})
}
