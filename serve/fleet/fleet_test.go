package fleet

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kuai/registry"
	"kuai/serve/chat"
	"kuai/serve/chat/chattest"
	"kuai/text"
	"kuai/text/prompt"
)

// house is a fleet of two small models, one of which is loaded.
func house(t *testing.T, hub string) *Fleet {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"org/one.gguf", "org/two.gguf"} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := chattest.Write(at); err != nil {
			t.Fatal(err)
		}
	}
	open := func(ctx context.Context, path string) (*chat.Loaded, error) {
		return chat.Open(ctx, path, text.Options{}, chat.Options{})
	}
	g := &chat.Group{}
	l, err := open(context.WithoutCancel(t.Context()), filepath.Join(dir, "org", "one.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	g.Add("one", l)
	f := New(t.Context(), Options{Group: g, Registry: registry.Registry{Dir: dir}, Hub: registry.Hub{URL: hub, Pause: time.Millisecond}, Open: open})
	t.Cleanup(func() {
		f.Close()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// until waits for a model to come to a state.
func (f *Fleet) until(t *testing.T, name string, ok func(Model) bool) Model {
	t.Helper()
	for t.Context().Err() == nil {
		m, err := f.find(name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		if err == nil && ok(m) {
			return m
		}
	}
	return Model{}
}

func is(s State) func(Model) bool { return func(m Model) bool { return m.State == s } }

// TestLoad loads a model beside another, asks it, and unloads both.
func TestLoad(t *testing.T) {
	t.Parallel()
	f := house(t, "")
	all, err := f.List()
	if err != nil || len(all) != 2 || all[0].Name != "org/one" || all[0].State != Loaded || all[0].ID != "one" || all[1].State != Here || all[1].Bytes == 0 || all[1].Parameters == 0 {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := f.Load("org/one"); !errors.Is(err, ErrState) {
		t.Errorf("what is loaded is loaded again: %v", err)
	}
	if err := f.Unload("org/two"); !errors.Is(err, ErrState) {
		t.Errorf("what is not loaded is unloaded: %v", err)
	}
	if err := f.Load("org/three"); !errors.Is(err, ErrNotFound) {
		t.Errorf("what is not there is loaded: %v", err)
	}
	if err := f.Load("org/two"); err != nil {
		t.Fatal(err)
	}
	m := f.until(t, "org/two", is(Loaded))
	talker, _, ok := f.o.Group.Talker(m.ID)
	if !ok {
		t.Fatalf("nobody is called %q", m.ID)
	}
	for _, text := range []string{"hello", "and again"} {
		a, err := talker.Ask(t.Context(), prompt.Input{Messages: []prompt.Message{{Role: "user", Content: text}}}, chat.Request{MaxTokens: 8})
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := a.Next(t.Context()); err != nil {
				break
			}
		}
	}
	m = f.until(t, "org/two", func(m Model) bool { return m.WriteRate > 0 && m.ReadRate > 0 })
	if m.Requests != 2 || m.WrittenSoFar == 0 {
		t.Errorf("%+v", m)
	}
	for _, name := range []string{"org/one", "org/two"} {
		if err := f.Unload(name); err != nil {
			t.Fatal(err)
		}
		f.until(t, name, is(Here))
	}
	if names := f.o.Group.Names(); len(names) != 0 {
		t.Errorf("still served: %v", names)
	}
}

// TestPull begins a pull that hangs, cancels it, and sees one that fails.
func TestPull(t *testing.T) {
	t.Parallel()
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/models/org/slow/tree/main" {
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer hub.Close()
	f := house(t, hub.URL)
	if err := f.Pull("no name"); !errors.Is(err, registry.ErrName) {
		t.Errorf("a name that is none: %v", err)
	}
	if err := f.Pull("org/slow"); err != nil {
		t.Fatal(err)
	}
	f.until(t, "org/slow", is(Pulling))
	if err := f.Pull("org/slow:Q8_0@main"); err != nil {
		t.Errorf("another file of it: %v", err)
	}
	if err := f.Pull("org/slow"); !errors.Is(err, ErrBusy) {
		t.Errorf("twice at once: %v", err)
	}
	if err := f.Pull("org/third"); !errors.Is(err, ErrBusy) {
		t.Errorf("too many at once: %v", err)
	}
	for _, name := range []string{"org/slow", "org/slow:Q8_0"} {
		if err := f.Cancel(name); err != nil {
			t.Error(err)
		}
	}
	for {
		if err := f.Pull("org/none"); err == nil {
			break
		} else if !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
	}
	if m := f.until(t, "org/none", func(m Model) bool { return m.Error != "" }); m.State != Here {
		t.Errorf("%+v", m)
	}
	if err := f.Cancel("org/none"); err != nil {
		t.Error(err)
	}
	if _, err := f.find("org/none"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a failure that was read is still there: %v", err)
	}
}
