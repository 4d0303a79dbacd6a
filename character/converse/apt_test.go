package converse

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"kuai/character/builtin"
	"kuai/character/card"
	"kuai/companion/fact"
)

// TestVoice lets a character speak in the words of its card, whatever anybody
// would say to the same.
func TestVoice(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(map[string]any{"spec": card.SpecV3, "data": map[string]any{
		"name": "Ann", "description": "A miller.", "mes_example": "<START>\n{{user}}: How is the mill?\n{{char}}: Grinding, {{user}}, says {{char}}.",
		"extensions": map[string]any{"kuai": map[string]any{"talk": "U: hello\nU: good morning\nA: Mind the flour!\n\nU: do you sleep well?\nA: Like a sack.\nU: really?\nA: A full sack, mind."}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ann, err := card.ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenWith(filepath.Join(t.TempDir(), "t"), small(t), ann, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	c.Sampling.Seed = 1
	for _, x := range []exchange{
		{"Good morning!", "Mind the flour!", ""},
		{"Do you sleep well?", "Like a sack.", ""},
		{"Really?", "A full sack, mind.", ""},
		{"Are you a robot?", "computer program", "flour"},
		{"How is the mill?", "Grinding, you, says Ann.", "{{"},
		{"My name is Jonas. Do you sleep well?", "Jonas", ""},
		{"What is my name?", "Jonas", "sack"},
	} {
		r, err := c.Say(t.Context(), x.said, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.Text, x.has) || x.not != "" && strings.Contains(r.Text, x.not) {
			t.Errorf("%q: %q, want %q and not %q", x.said, r.Text, x.has, x.not)
		}
	}
}

// TestHonest tells what a character is wherever a turn asks for it, whatever
// voice it has.
func TestHonest(t *testing.T) {
	t.Parallel()
	for l, all := range map[fact.Language]map[string]bool{
		fact.English: {
			"Hi, are you a bot?": true, "Am I talking to a human or a machine?": true, "Are you an actual person?": true, "What are you?": true, "you're a robot": true,
			"Are you human? What makes you laugh?": true, "are you real": true, "is this an AI": true, "Is there a real person there?": false,
			"Are you a morning person?": false, "I was talking to a person at the bank": false, "you're the person I trust most": false, "my computer is broken": false, "What are you doing?": false, "are you really sure": false,
		},
		fact.Chinese: {
			"你好，你是机器人吗？": true, "你是人还是机器": true, "跟我聊天的是真人吗？": true, "你到底是什么": true, "你是AI吧": true, "你是真人吗": true,
			"你是什么星座": false, "你是哪里人": false, "我的电脑坏了": false, "你是不是生气了": false, "你是好人": false,
		},
	} {
		nana, _ := builtin.Card("nana", l)
		c := &Conversation{Card: nana, Language: l}
		for said, want := range all {
			if got := c.honest(said); (got != "") != want {
				t.Errorf("%q: %q", said, got)
			}
		}
	}
}

// TestAnewSaysElse does not say again what another reply is wanted for.
func TestAnewSaysElse(t *testing.T) {
	t.Parallel()
	otto, _ := builtin.Card("otto", fact.English)
	c, err := OpenWith(filepath.Join(t.TempDir(), "t"), small(t), otto, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	r, err := c.Say(t.Context(), "What do you think of rain?", nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{r.Text: true}
	for range 3 {
		if r, err = c.Again(t.Context(), nil); err != nil || seen[r.Text] {
			t.Errorf("%q again, %v", r.Text, err)
		}
		seen[r.Text] = true
	}
}

// TestVoiceBesideMemory lets facts be asked for before a voice speaks, and bad news
// before a question beside them.
func TestVoiceBesideMemory(t *testing.T) {
	t.Parallel()
	lin, _ := builtin.Card("lin", fact.English)
	c, err := OpenWith(filepath.Join(t.TempDir(), "t"), small(t), lin, fact.English)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for _, x := range []exchange{
		{"I have a brother. His name is Admiral and he lives in Bergen.", "", "kettle"},
		{"Who is Admiral?", "brother", "kettle"},
		{"Where does Admiral live?", "Bergen", "stove"},
	} {
		r, err := c.Say(t.Context(), x.said, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(r.Text, x.has) || strings.Contains(r.Text, x.not) {
			t.Errorf("%q: %q, want %q and not %q", x.said, r.Text, x.has, x.not)
		}
	}
}
