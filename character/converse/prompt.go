package converse

import (
	"context"
	"slices"

	"kuai/character/card"
	"kuai/companion/fact"
	"kuai/text/sample"
)

// Room is how many tokens a speaker has for the parts of a prompt, and for a
// reply.
type Room struct {
	Card   int // who the character and the user are, and the lorebook
	Pack   int // what is recalled
	Recent int // the last turns
	Turns  int // of them at most
	Reply  int
}

// Speaker writes what somebody says next. It may be used by several goroutines.
type Speaker interface {
	// Speak writes a reply. show, which may be nil, sees it as it is written. It
	// asks Prompt.Admit before a model works, and tells Prompt.Used.
	Speak(ctx context.Context, p *Prompt, show func(piece string)) (string, error)
	// Tokens counts the tokens of a text, at least about.
	Tokens(text string) int
	// Room is how much goes into a prompt.
	Room() Room
	// Sampling is how it draws unless told otherwise.
	Sampling() sample.Params
	// Corrected says that what it says against the memory is put right: a small
	// model may miscopy what it was told.
	Corrected() bool
}

// Line is a turn as a speaker sees it.
type Line struct {
	Name string // of who said it
	User bool   // the user did
	Own  bool   // the one who is to speak did
	Text string
}

// Prompt is what a speaker writes from. The texts of cards, lorebooks and
// personas come from strangers: a speaker keeps them apart from its own words.
type Prompt struct {
	Language   fact.Language
	Char, User string     // names
	Card       *card.Card // its texts not expanded
	Expand     func(string) string
	Lore       []card.Entry // that the scene calls for, expanded
	Persona    string       // who the user says to be
	Profile    string       // what is always known of the user, pinned facts first
	Others     []string     // who else is there
	Memory     string       // what was recalled, "" for nothing to say
	Lines      []Line       // the last turns, oldest first
	Asked      int          // which of Lines the memory was asked with; it stands before that
	Begun      string       // what the reply goes on from
	AsUser     bool         // write the user's next turn
	Sampling   sample.Params

	past    *Native  // has seen everything before Lines[Asked]
	account *account // nil: nobody is told what it uses
}

// latest returns as many of the last lines as there is room for; the newest is
// always among them.
func latest(lines []Line, room Room, tokens func(string) int) []Line {
	from, left := len(lines), room.Recent
	for from > 0 && len(lines)-from < max(room.Turns, 1) {
		left -= tokens(lines[from-1].Text)
		if left < 0 && from < len(lines) {
			break
		}
		from--
	}
	return slices.Clip(lines[from:])
}
