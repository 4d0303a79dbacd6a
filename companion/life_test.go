package companion

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kuai/companion/fact"
)

// live runs a life until so many characters are said.
func live(l *Life, characters int) []Turn {
	var turns []Turn
	for s := range l.Sessions() {
		turns = append(turns, s.Turns...)
		if l.Characters() >= characters {
			break
		}
	}
	return turns
}

func TestLifeSeed(t *testing.T) {
	t.Parallel()
	a, b := NewLife(3, fact.Chinese, Test), NewLife(3, fact.Chinese, Test)
	if diff := cmp.Diff(live(a, 20_000), live(b, 20_000)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(a.Questions(100), b.Questions(100)); diff != "" {
		t.Error(diff)
	}
}

// TestLife checks of several lives that turns are numbered and in the order of
// time, that nothing is left unfilled, that every question's evidence holds its
// answer, that its answer is accepted, and that a newer telling is never passed
// over.
func TestLife(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		l := NewLife(seed, fact.Language(seed%2), Split(seed/2%2))
		turns := live(l, 80_000)
		for i, x := range turns {
			if x.Number != i || i > 0 && x.Time.Before(turns[i-1].Time) {
				t.Fatalf("turn %d: %+v", i, x)
			}
			if strings.TrimSpace(x.Text) == "" || strings.ContainsAny(x.Text, "{}[]|") || strings.Contains(x.Text, "  ") {
				t.Errorf("turn %d: %q", i, x.Text)
			}
			for _, f := range x.Told {
				if !strings.Contains(strings.ToLower(x.Text), strings.ToLower(f.Object)) || len(fact.ParseLines(fact.Line(f))) != 1 {
					t.Errorf("turn %d: %q tells %+v", i, x.Text, f)
				}
			}
		}
		checkQuestions(t, turns, l.Questions(700))
	}
}

func checkQuestions(t *testing.T, turns []Turn, questions []Question) {
	t.Helper()
	var types [questionTypes]int
	for _, q := range questions {
		types[q.Type]++
		if !q.Right(q.Answer) {
			t.Errorf("%v %q: %q is not accepted by %q", q.Type, q.Text, q.Answer, q.Accept)
		}
		if q.IsStale(q.Answer) {
			t.Errorf("%v %q: %q is stale", q.Type, q.Text, q.Answer)
		}
		if q.Type == OfNever {
			continue
		}
		var evidence strings.Builder
		for _, n := range q.Evidence {
			evidence.WriteString(turns[n].Text + turns[n].Time.Format(" January 2 1月2日\n"))
		}
		if q.Type != OfCount && !q.Right(evidence.String()) {
			t.Errorf("%v %q: %q is not in %q", q.Type, q.Text, q.Accept, evidence.String())
		}
		last := slices.Max(q.Evidence)
		for _, f := range turns[last].Told {
			if f.Predicate == "exam" {
				continue
			}
			for _, later := range turns[last+1:] {
				for _, g := range later.Told {
					if g.Subject == f.Subject && g.Predicate == f.Predicate && g.From.After(f.From) && q.Type != OfTime {
						t.Errorf("%v %q: %q was told later", q.Type, q.Text, later.Text)
					}
				}
			}
		}
	}
	for typ, n := range types {
		if n < 4 {
			t.Errorf("%d questions of type %v", n, Type(typ))
		}
	}
}

// TestLifeNever checks that nobody told what is asked for as never told.
func TestLifeNever(t *testing.T) {
	t.Parallel()
	l := NewLife(5, fact.English, Test)
	turns := live(l, 80_000)
	for _, q := range l.Questions(700) {
		if q.Type != OfNever {
			continue
		}
		for _, x := range turns {
			for _, f := range x.Told {
				if f.Predicate == q.Predicate && strings.Contains(q.Text, "my "+f.Subject+" ") {
					t.Errorf("%q was told in %q", q.Text, x.Text)
				}
			}
		}
	}
}

// TestLifeLong streams eight million characters in bounded memory.
func TestLifeLong(t *testing.T) {
	if os.Getenv("KUAI_LONG") != "1" {
		t.Skip("KUAI_LONG=1 makes eight million characters in each language")
	}
	for _, lang := range []fact.Language{fact.English, fact.Chinese} {
		l := NewLife(1, lang, Test).Spread(8_000_000)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		begin, first, sessions := time.Now(), l.Now(), 0
		seen := map[string]bool{}
		turns := 0
		for s := range l.Sessions() {
			sessions++
			turns += len(s.Turns)
			if turns < 50_000 {
				for _, x := range s.Turns {
					seen[x.Text] = true
				}
			}
			if l.Characters() >= 8_000_000 {
				break
			}
		}
		took, distinct := time.Since(begin), len(seen)
		clear(seen)
		runtime.GC()
		runtime.ReadMemStats(&after)
		grown := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20
		t.Logf("%v: %d sessions, %d turns, %.1f years, %v, %d MB kept, %d of the first 50000 turns distinct", lang, sessions, turns,
			l.Now().Sub(first).Hours()/24/365, took, grown, distinct)
		if grown > 50 {
			t.Errorf("%v: %d MB kept", lang, grown)
		}
		var types [questionTypes]int
		for _, q := range l.Questions(700) {
			types[q.Type]++
		}
		t.Logf("questions by type: %v", types)
	}
}
