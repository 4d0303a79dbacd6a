package memory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kuai/companion"
	"kuai/companion/fact"
)

func open(t *testing.T, dir string) *Thread {
	t.Helper()
	th, err := Open(dir, Options{NoSync: true, Flush: true})
	if err != nil {
		t.Fatal(err)
	}
	return th
}

func shut(t *testing.T, th *Thread) {
	t.Helper()
	if err := th.Close(); err != nil {
		t.Error(err)
	}
}

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// say appends turns a day apart, by user and companion alternately.
func say(t *testing.T, th *Thread, texts ...string) (last uint64) {
	t.Helper()
	n := th.Stats().Turns
	for i, s := range texts {
		speaker := fact.User
		if i%2 == 1 {
			speaker = fact.Companion
		}
		id, err := th.Append(Turn{Time: start.AddDate(0, 0, n+i), Speaker: speaker, Text: s})
		if err != nil {
			t.Fatal(err)
		}
		last = id
	}
	return last
}

func recall(t *testing.T, th *Thread, query string) string {
	t.Helper()
	p, err := th.Recall(t.Context(), query, start.AddDate(1, 0, 0), 768, func(s string) int { return len(strings.Fields(s)) })
	if err != nil {
		t.Fatal(err)
	}
	return p.Text
}

var chatter = []string{
	"What a grey morning.", "Grey mornings are for tea.", "I burned the toast.", "Scrape it and add jam.", "The bus was full again.", "Did you get a seat?",
}

func TestRecall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	th := open(t, dir)
	say(t, th, append([]string{"My sister Lena moved to Oslo.", "How exciting!", "I am allergic to walnuts.", "Noted.", "我对花生过敏。", "记住了。"}, chatter...)...)
	say(t, th, "I live in Porto.", "Lovely.", "I just moved to Lyon.", "What a change!")
	for query, want := range map[string]string{
		"Where does my sister live?":   "My sister Lena moved to Oslo.",
		"What am I allergic to?":       "walnuts",
		"我对什么过敏？":                      "花生",
		"Which city do I live in now?": "Lyon",
	} {
		if got := recall(t, th, query); !strings.Contains(got, want) {
			t.Errorf("%q: %q is not in %q", query, want, got)
		}
	}
	if got := recall(t, th, "quantum chromodynamics lecture"); !strings.Contains(got, "(nothing found)") {
		t.Errorf("something was found: %q", got)
	}
	for _, f := range th.Facts(false) {
		if f.Predicate == "lives_in" && f.Subject == fact.User && f.Object != "Lyon" {
			t.Errorf("stale: %+v", f)
		}
	}
	before := recall(t, th, "Where does my sister live?")
	shut(t, th)
	th = open(t, dir)
	if got := recall(t, th, "Where does my sister live?"); got != before {
		t.Errorf("after opening again: %q, before: %q", got, before)
	}
	shut(t, th)
	// A damaged index is made anew from the log.
	err := filepath.Walk(filepath.Join(dir, "index"), func(path string, info os.FileInfo, err error) error {
		if err == nil && strings.HasSuffix(path, ".idx") {
			return os.WriteFile(path, []byte("garbage"), 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	th = open(t, dir)
	if got := recall(t, th, "Where does my sister live?"); got != before {
		t.Errorf("after damage: %q, before: %q", got, before)
	}
	shut(t, th)
}

// TestBranch checks that what was said on an abandoned branch is not
// remembered on another.
func TestBranch(t *testing.T) {
	t.Parallel()
	th := open(t, t.TempDir())
	defer shut(t, th)
	fork := say(t, th, append([]string{"I live in Porto.", "Nice."}, chatter...)...)
	say(t, th, "My secret code word is heliotrope.", "I will keep it.", "I just moved to Lyon.", "Oh!")
	if got := recall(t, th, "What is my secret code word?"); !strings.Contains(got, "heliotrope") {
		t.Fatalf("got %q", got)
	}
	if err := th.SetHead(fork); err != nil {
		t.Fatal(err)
	}
	if got := recall(t, th, "What is my secret code word?"); strings.Contains(got, "heliotrope") {
		t.Errorf("the other branch is remembered: %q", got)
	}
	if f := th.Facts(false); len(f) != 1 || f[0].Object != "Porto" {
		t.Errorf("got %+v", f)
	}
	say(t, th, "My code word is marigold.", "Fine.")
	if got := recall(t, th, "What is my secret code word?"); !strings.Contains(got, "marigold") || strings.Contains(got, "heliotrope") {
		t.Errorf("got %q", got)
	}
}

// TestForget checks that what was forgotten does not come back.
func TestForget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	th := open(t, dir)
	id := say(t, th, "I collect old umbrellas.")
	say(t, th, append([]string{"I play the cello.", "Charming."}, chatter...)...)
	if err := th.ForgetTurn(id); err != nil {
		t.Fatal(err)
	}
	if err := th.ForgetTurn(id); !errors.Is(err, ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	facts := th.Facts(false)
	if len(facts) != 1 || facts[0].Object != "cello" {
		t.Fatalf("got %+v", facts)
	}
	if _, err := th.EditFact(facts[0].ID, "viola"); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		if got := recall(t, th, "What do I collect? Old umbrellas?"); strings.Contains(got, "umbrella") {
			t.Errorf("%s: %q", when, got)
		}
		f := th.Facts(false)
		if len(f) != 1 || f[0].Object != "viola" || !f[0].Edited {
			t.Errorf("%s: %+v", when, f)
		}
	}
	check("at once")
	shut(t, th)
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	th = open(t, dir)
	check("made anew")
	if err := th.ForgetFact(th.Facts(false)[0].ID); err != nil {
		t.Fatal(err)
	}
	if f := th.Facts(true); len(f) != 0 {
		t.Errorf("got %+v", f)
	}
	shut(t, th)
}

// TestLife checks that the turns that answer questions about a life of eight
// thousand characters are among what is recalled.
func TestLife(t *testing.T) {
	t.Parallel()
	for _, l := range []fact.Language{fact.English, fact.Chinese} {
		th, err := Open(t.TempDir(), Options{NoSync: true, Flush: true, Language: l})
		if err != nil {
			t.Fatal(err)
		}
		life := companion.NewLife(4, l, companion.Test)
		life.Spread(8000)
		ids := map[int]uint64{}
		for s := range life.Sessions() {
			for _, turn := range s.Turns {
				id, err := th.Append(Turn{Time: turn.Time, Speaker: turn.Speaker, Text: turn.Text})
				if err != nil {
					t.Fatal(err)
				}
				ids[turn.Number] = id
			}
			if life.Characters() >= 8000 {
				break
			}
		}
		asked, found := 0, 0
		for _, q := range life.Questions(60) {
			if q.Type == companion.OfNever || len(q.Evidence) == 0 {
				continue
			}
			got, err := th.Search(t.Context(), q.Text, life.Now(), 20)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range q.Evidence {
				asked++
				for _, r := range got {
					if r.Turn == ids[e] {
						found++
						break
					}
				}
			}
		}
		t.Logf("language %d: %d of %d turns of evidence among 20", l, found, asked)
		if asked == 0 || float64(found) < 0.6*float64(asked) {
			t.Errorf("language %d: %d of %d turns of evidence were recalled", l, found, asked)
		}
		shut(t, th)
	}
}
