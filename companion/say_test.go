package companion

import (
	"testing"
	"time"

	"kuai/companion/fact"
)

// TestSay checks what is said for facts, and that a reply which says it agrees.
func TestSay(t *testing.T) {
	t.Parallel()
	day := time.Date(2024, 3, 9, 0, 0, 0, 0, time.UTC)
	oslo := fact.Fact{Subject: "sister", Predicate: "lives_in", Object: "Oslo"}
	bees := []fact.Fact{{Subject: fact.User, Predicate: "afraid_of", Object: "bees"}, {Subject: fact.User, Predicate: "afraid_of", Object: "thunder"}}
	lamp := fact.Fact{Subject: fact.User, Predicate: "bought", Object: "lamp", From: day}
	for _, tt := range []struct {
		asked  string
		query  fact.Query
		facts  []fact.Fact
		wrong  string
		l      fact.Language
		phrase string
	}{
		{"Where does my sister live?", fact.Query{Subject: "sister", Predicate: "lives_in"}, []fact.Fact{oslo}, "In Turin.", fact.English, "Oslo"},
		{"How many things scare me?", fact.Query{Subject: fact.User, Predicate: "afraid_of"}, bees, "One: bees.", fact.English, "bees and thunder"},
		{"What scares me?", fact.Query{Subject: fact.User, Predicate: "afraid_of"}, bees, "You haven't told me.", fact.English, "bees and thunder"},
		{"When did I buy the lamp?", fact.Query{Subject: fact.User, Predicate: "bought", Object: "lamp"}, []fact.Fact{lamp}, "On May 9, 2024.", fact.English, "March 9, 2024"},
		{"What was on March 9?", fact.Query{Subject: fact.User, On: day}, []fact.Fact{lamp}, "A party.", fact.English, "lamp"},
		{"What are my cats called?", fact.Query{Subject: "cat", Predicate: "pet_name"}, []fact.Fact{{Subject: "cat", Predicate: "pet_name", Object: "Milo"}, {Subject: "cat", Predicate: "pet_name", Object: "Luna"}}, "Rex.", fact.English, "Milo and Luna."},
		{"Where does my boss live?", fact.Query{Subject: "boss", Predicate: "lives_in"}, nil, "In Oslo.", fact.English, "haven't told"},
		{"我妹妹住哪儿？", fact.Query{Subject: "妹妹", Predicate: "lives_in"}, []fact.Fact{{Subject: "妹妹", Predicate: "lives_in", Object: "杭州"}}, "在苏州。", fact.Chinese, "杭州"},
	} {
		got := Say(tt.l, tt.asked, tt.query, tt.facts)
		if !containsAny(got, []string{tt.phrase}) || !Agrees(tt.l, tt.asked, tt.query, tt.facts, got) {
			t.Errorf("%s %q", tt.asked, got)
		}
		if Agrees(tt.l, tt.asked, tt.query, tt.facts, tt.wrong) {
			t.Errorf("%s %q agrees", tt.asked, tt.wrong)
		}
	}
	for _, p := range files().predicates { // whatever is known can be said
		for l := range p.forms {
			f := fact.Fact{Subject: fact.User, Predicate: p.name, Object: "Xyz", From: day}
			for _, q := range []fact.Query{{Subject: fact.User, Predicate: p.name}, {Subject: fact.User, Predicate: p.name, Object: "Xyz"}} {
				if s := Say(fact.Language(l), "", q, []fact.Fact{f}); !Agrees(fact.Language(l), "", q, []fact.Fact{f}, s) && p.kind == fact.Event {
					t.Errorf("%s: %q", p.name, s)
				}
			}
		}
	}
}
