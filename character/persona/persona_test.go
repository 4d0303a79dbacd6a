package persona

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStore(t *testing.T) {
	t.Parallel()
	s := Store{t.TempDir()}
	ada, err := s.Add("me", Persona{Name: " Ada  Lovelace ", Description: "A mathematician.\n", Pronouns: "she/her"})
	if err != nil || ada.ID != "ada-lovelace" || ada.Name != "Ada Lovelace" || ada.Text() != "A mathematician. (she/her)" {
		t.Fatalf("%+v: %v", ada, err)
	}
	if _, err := s.Add("me", Persona{Name: "ada lovelace!"}); !errors.Is(err, ErrExists) {
		t.Errorf("the same name: %v", err)
	}
	if _, err := s.Add("me", Persona{Name: "小雨"}); err != nil {
		t.Error(err)
	}
	ada.Description = "A poet's daughter."
	if err := s.Edit("me", ada); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get("me", ada.ID); err != nil || got != ada {
		t.Errorf("%v: %v", cmp.Diff(ada, got), err)
	}
	if all, broken := s.List("you"); len(all)+len(broken) != 0 {
		t.Errorf("another user has %v, %v", all, broken)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "me", "personas", "bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, broken := s.List("me"); len(all) != 2 || len(broken) != 1 {
		t.Errorf("%v, %v", all, broken)
	}
	if err := s.Delete("me", ada.ID); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"deleted twice": s.Delete("me", ada.ID), "edited": s.Edit("me", ada), "up": s.Delete("me", "../x"),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := s.Add("Me!", Persona{Name: "X"}); !errors.Is(err, ErrUser) {
		t.Errorf("another spelling of a user: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"name": "Ada", "description": "x", "pronouns": "she"}`))
	f.Add([]byte(`{"name": "` + strings.Repeat("a", 200) + `"}`))
	f.Add([]byte(`{"name": "<memory>"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err == nil && (p.Name == "" || len(p.Name) > MaxName || strings.ContainsAny(p.Name, "<>{}")) {
			t.Errorf("%+v", p)
		}
	})
}
