package shelf

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kuai/character/card"
	"kuai/companion/fact"
)

// archived is a charx with a file that no portrait could hold.
func archived(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"card.json":        `{"spec":"chara_card_v3","spec_version":"3.0","data":{"name":"Ada Lovelace","description":"with a voice","assets":[{"type":"x-voice","uri":"embedded://assets/voice.ogg","name":"v","ext":"ogg"}]}}`,
		"assets/voice.ogg": "OggS",
	} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestShelf(t *testing.T) {
	t.Parallel()
	s := Shelf{filepath.Join(t.TempDir(), "cards")}
	before, broken := s.List(fact.English)
	if len(before) < 6 || broken != nil {
		t.Fatalf("%d characters, %v", len(before), broken)
	}
	c, err := card.ParseJSON([]byte(`{"name":"Ada Lovelace","description":"counts"}`))
	if err != nil {
		t.Fatal(err)
	}
	id, err := s.Import(c, false)
	if err != nil || id != "ada-lovelace" {
		t.Fatalf("%q %v", id, err)
	}
	if _, err := s.Import(c, false); !errors.Is(err, ErrExists) {
		t.Errorf("twice: %v", err)
	}
	if _, err := s.Import(c, true); err != nil {
		t.Error(err)
	}
	if got, err := s.Card(id, fact.Chinese); err != nil || got.Description != "counts" {
		t.Errorf("%+v %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "bad.png"), []byte("no"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, broken := s.List(fact.English); len(all) != len(before)+1 || len(broken) != 1 {
		t.Errorf("%d characters, %v", len(all), broken)
	}
	lin, _ := s.Card("lin", fact.Chinese)
	if lin == nil || lin.Name != "小林" {
		t.Errorf("got %+v", lin)
	}
	lin.Name = "Lin"
	if _, err := s.Import(lin, true); !errors.Is(err, ErrExists) {
		t.Errorf("in place of a built-in one: %v", err)
	}
	for _, id := range []string{"nobody", "../x", ""} {
		if _, err := s.Card(id, fact.English); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	files, err := card.Parse(archived(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(files, true); err != nil {
		t.Fatal(err)
	}
	kept, err := s.Card(id, fact.English)
	if err != nil || !kept.HasFiles() || kept.Description != "with a voice" {
		t.Errorf("the card's own files were lost: %+v %v", kept, err)
	}
	if all, _ := s.List(fact.English); len(all) != len(before)+1 {
		t.Errorf("%d characters: the card that was replaced is still there", len(all))
	}
	if err := errors.Join(s.Delete(id)); err != nil {
		t.Error(err)
	}
	if err := s.Delete(id); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := s.Delete("lin"); !errors.Is(err, ErrBuiltIn) {
		t.Error(err)
	}
}
