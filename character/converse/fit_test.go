package converse

import (
	"testing"

	"kuai/companion/fact"
)

// TestFits checks that a reply to a turn that tells nothing notes nothing.
func TestFits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		told  []string
		reply string
		want  bool
	}{
		{nil, "Okay, tin. I'll remember.", false},
		{nil, "Oh no, and then?", true},
		{[]string{"Oslo"}, "Okay, Oslo. I'll remember.", true},
		{[]string{"Oslo"}, "Okay, tin. I'll remember.", false},
	} {
		said := turn{said: "The bus from Oslo was as full as a tin.", l: fact.English, told: tt.told, seen: "The bus from Oslo was as full as a tin."}
		if got := said.fits(tt.reply); got != tt.want {
			t.Errorf("told %v, %q fits: %v", tt.told, tt.reply, got)
		}
	}
}

// TestToDo checks that what somebody likes to do is kept as such.
func TestToDo(t *testing.T) {
	t.Parallel()
	facts := fact.ParseLines("user | likes | hiking\nuser | likes | read\nuser | lives_in | Oslo\nuser | likes | concerts")
	toDo("I love hiking, I like to read, moved to Oslo, and love going to concerts.", facts)
	if facts[0].Object != "hiking" || facts[1].Object != "to read" || facts[2].Object != "Oslo" || facts[3].Object != "concerts" {
		t.Errorf("%v", facts)
	}
}
