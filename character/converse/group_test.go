package converse

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kuai/character/card"
	"kuai/character/group"
	"kuai/character/guard"
	"kuai/character/memory"
	"kuai/character/persona"
	"kuai/character/shelf"
	"kuai/companion/fact"
	"kuai/serve/upstream"
)

// company is a house with a group of two built-in characters and a card of its
// own, who say their names.
func company(t *testing.T, order group.Order) (*House, *elsewhere) {
	t.Helper()
	e, s := abroad(t, func(asked []upstream.Message) string {
		name, _, _ := strings.Cut(strings.TrimPrefix(asked[0].Content, "You are "), ",")
		return "I am " + name + "."
	})
	dir := t.TempDir()
	h := &House{Dir: filepath.Join(dir, "threads"), People: persona.Store{Dir: filepath.Join(dir, "people")}, Shelf: shelf.Shelf{Dir: filepath.Join(dir, "cards")}, Speaker: s}
	t.Cleanup(func() { _ = h.Close() })
	eve, err := card.ParseJSON([]byte(`{"spec":"chara_card_v3","spec_version":"3.0","data":{"name":"Eve","first_mes":"Hm.","group_only_greetings":["Hello all, and {{user}}."],"extensions":{"talkativeness":"0"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Shelf.Import(eve, false); err != nil {
		t.Fatal(err)
	}
	members, err := Members(h.Shelf, []string{"lin", "eve"}, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Groups().Create("me", group.Group{Name: "Tea", Order: order, Members: members}); err != nil {
		t.Fatal(err)
	}
	return h, e
}

func inGroup(t *testing.T, h *House, f func(g *Group)) {
	t.Helper()
	if err := h.WithGroup(t.Context(), "tea", "me", fact.English, func(g *Group) error { f(g); return nil }); err != nil {
		t.Fatal(err)
	}
}

func names(replies []Reply) (out []string) {
	for _, r := range replies {
		out = append(out, r.Who)
	}
	return out
}

// TestGroup has two characters answer in the order of the list, each from its
// own card and out of the same memory, again and on, muted, gone and back.
func TestGroup(t *testing.T) {
	t.Parallel()
	h, e := company(t, group.List)
	inGroup(t, h, func(g *Group) {
		if hello := g.Greetings(); len(hello) != 1 || hello[0].Who != "Eve" || hello[0].Text != "Hello all, and you." {
			t.Errorf("greeted with %+v", hello)
		}
		var shown strings.Builder
		replies, err := g.Say(t.Context(), "My cat is called Mochi.", nil, func(who, piece string) { shown.WriteString(who + piece) })
		if err != nil || len(replies) != 2 || replies[0].Text != "I am Lin." || replies[1].Text != "I am Eve." || !strings.Contains(shown.String(), "EveI Eveam ") {
			t.Fatalf("%+v, shown %s: %v", replies, shown.String(), err)
		}
		m := e.last()
		if !strings.Contains(m[0].Content, "Also there: Lin.") || strings.Contains(m[0].Content, "tea room") || m[1].Content != "User: My cat is called Mochi.\nLin: I am Lin." {
			t.Errorf("Eve was told %+v", m)
		}
		again, err := g.Again(t.Context(), nil)
		if err != nil || again.Who != "Eve" {
			t.Errorf("%+v: %v", again, err)
		}
		if replies, at, err := g.Swipes(); err != nil || len(replies) != 2 || at != 1 {
			t.Errorf("swipes %v at %d: %v", replies, at, err)
		}
		if more, err := g.Continue(t.Context(), nil); err != nil || !strings.HasPrefix(more.Text, "I am Eve. ") {
			t.Errorf("went on as %+v: %v", more, err)
		}
		if r, err := g.Speak(t.Context(), "lin", nil); err != nil || r.Who != "Lin" {
			t.Errorf("%+v: %v", r, err)
		}
		if _, err := g.Say(t.Context(), "x", []string{"nobody"}, nil); !errors.Is(err, group.ErrMember) {
			t.Errorf("a stranger: %v", err)
		}
	})
	g, err := h.Groups().Get("me", "tea")
	if err != nil {
		t.Fatal(err)
	}
	g.Members[0].Muted = true
	if err := h.Groups().Save("me", g); err != nil {
		t.Fatal(err)
	}
	inGroup(t, h, func(g *Group) {
		replies, err := g.Say(t.Context(), "What is my cat called?", nil, nil)
		if err != nil || !slices.Equal(names(replies), []string{"Eve"}) || !strings.Contains(replies[0].Pack.Text, "Mochi") {
			t.Errorf("%+v: %v", replies, err)
		}
	})
	if _, err := Join(h.Groups(), "me", g, h.Shelf, "lin", fact.English); !errors.Is(err, group.ErrInvalid) {
		t.Errorf("Lin joins twice: %v", err)
	}
	g.Members = g.Members[1:]
	if err := h.Groups().Save("me", g); err != nil {
		t.Fatal(err)
	}
	if g, err = Join(h.Groups(), "me", g, h.Shelf, "lin", fact.English); err != nil || len(g.Members) != 2 {
		t.Errorf("Lin comes back: %+v, %v", g, err)
	}
}

// TestGroupOrder checks who answers where somebody is named, and where nobody
// is asked to.
func TestGroupOrder(t *testing.T) {
	t.Parallel()
	for order, want := range map[group.Order][]string{group.Natural: {"Eve", "Lin"}, group.Manual: nil} {
		h, _ := company(t, order)
		inGroup(t, h, func(g *Group) {
			replies, err := g.Say(t.Context(), "What do you and Lin think, Eve?", nil, nil)
			if order == group.Natural {
				slices.Sort(want)
				got := names(replies)
				slices.Sort(got)
				if err != nil || !slices.Equal(got, want) || replies[0].Who != "Lin" {
					t.Errorf("%s: %v: %v", order, names(replies), err)
				}
				return
			}
			if err != nil || replies != nil || g.Memory().Stats().Turns != 1 {
				t.Errorf("%s: %v, %d turns: %v", order, replies, g.Memory().Stats().Turns, err)
			}
		})
	}
}

// TestGroupRules checks that the owner's rules hold in company, in both
// languages, whatever a model of another server says.
func TestGroupRules(t *testing.T) {
	t.Parallel()
	h, e := company(t, group.List)
	h.Rules = &guard.Rules{MinAge: 18, Blocked: []guard.Topic{{Words: []string{"casino", "赌场"}}}}
	inGroup(t, h, func(g *Group) {
		if hello := g.Greetings(); len(hello) != 1 || !strings.Contains(hello[0].Text, "18") {
			t.Errorf("greeted with %+v before the age is known", hello)
		}
		for _, tt := range []struct {
			say, want string
			turns     int
		}{
			{"你好", "18岁", 0},
			{"不是", "保重", 0},
			{"是的", "Hello all", 0},
			{"我们去赌场吧", "别的", 0},
			{"Come to the casino!", "something else", 0},
			{"我想死", "12356", 2},
			{"I want to die.", "988", 4},
		} {
			replies, err := g.Say(t.Context(), tt.say, nil, nil)
			if err != nil || len(replies) != 1 || !strings.Contains(replies[0].Text, tt.want) || g.Memory().Stats().Turns != tt.turns {
				t.Errorf("%q: %+v, %d turns, want %q, %d: %v", tt.say, replies, g.Memory().Stats().Turns, tt.want, tt.turns, err)
			}
		}
		if len(e.asked) != 0 {
			t.Errorf("the model was asked %d times", len(e.asked))
		}
		e.answer = always("Let us go to the casino and 赌场!")
		var shown strings.Builder
		replies, err := g.Say(t.Context(), "Where shall we go?", nil, func(_, piece string) { shown.WriteString(piece) })
		if err != nil || len(replies) != 2 || strings.Contains(replies[0].Text+replies[1].Text+shown.String(), "casino") {
			t.Errorf("%+v, shown %q: %v", replies, shown.String(), err)
		}
	})
}

// TestUpstreamRules is the same for one character.
func TestUpstreamRules(t *testing.T) {
	t.Parallel()
	e, s := abroad(t, always("赌场 is open"))
	c := begin(t, t.TempDir(), s)
	c.Rules = &guard.Rules{Blocked: []guard.Topic{{Words: []string{"casino", "赌场"}}}}
	for said, want := range map[string]string{"I can't go on living": "988", "活不下去了": "12356", "Casino?": "something else", "去赌场": "别的"} {
		if r := sayTo(t, c, said); !strings.Contains(r.Text, want) {
			t.Errorf("%q: %q", said, r.Text)
		}
	}
	if len(e.asked) != 0 {
		t.Errorf("the model was asked %d times", len(e.asked))
	}
	var shown strings.Builder
	r, err := c.Say(t.Context(), "Where to?", func(p string) { shown.WriteString(p) })
	if err != nil || r.Text != "Let's talk about something else." || shown.String() != r.Text {
		t.Errorf("%q, shown %q: %v", r.Text, shown.String(), err)
	}
	if text, err := c.Impersonate(t.Context(), nil); err != nil || strings.Contains(text, "赌场") {
		t.Errorf("impersonated as %q: %v", text, err)
	}
}

// TestPerson checks that deleting a person leaves nothing of theirs on the
// disk, and everything of others'.
func TestPerson(t *testing.T) {
	t.Parallel()
	h, _ := company(t, group.List)
	const word = "Xylophonist"
	for _, user := range []string{"me", "me-too"} {
		if _, err := h.People.Add(user, persona.Persona{Name: "Ada", Description: word + " " + user}); err != nil {
			t.Fatal(err)
		}
		for _, who := range []string{"lin", "eve"} {
			err := h.With(t.Context(), who, user, fact.English, func(c *Conversation) error {
				_, err := c.Say(t.Context(), "I work as a "+word+" "+user, nil)
				return errors.Join(err, c.Memory().Flush())
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	inGroup(t, h, func(g *Group) {
		if _, err := g.Say(t.Context(), "I am a "+word+" me", nil, nil); err != nil {
			t.Fatal(err)
		}
	})
	root := filepath.Dir(h.Dir)
	if found := grep(t, root, word); len(found) < 6 {
		t.Fatalf("the word stands in %v only", found)
	}
	inGroup(t, h, func(*Group) {
		if err := h.ForgetPerson("me"); !errors.Is(err, ErrBusy) {
			t.Errorf("while somebody speaks: %v", err)
		}
	})
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	held, err := memory.Open(ThreadDir(h.Dir, "eve", "me"), memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := grep(t, root, word)
	if err := h.ForgetPerson("me"); !errors.Is(err, memory.ErrLocked) || len(grep(t, root, word)) != len(before) {
		t.Errorf("while another has a thread open: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.ForgetPerson("me"); err != nil {
		t.Fatal(err)
	}
	left := grep(t, root, word)
	if mine := slices.DeleteFunc(slices.Clone(left), func(path string) bool { return strings.Contains(path, "me-too") }); len(left) == 0 || len(mine) != 0 {
		t.Errorf("the word is left in %v, of the other's %v", mine, left)
	}
	if _, err := h.Groups().Get("me", "tea"); !errors.Is(err, group.ErrNotFound) {
		t.Errorf("the group: %v", err)
	}
	if err := h.ForgetPerson("Me!"); !errors.Is(err, ErrUser) {
		t.Errorf("another spelling: %v", err)
	}
}
