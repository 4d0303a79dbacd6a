package memory

import (
	"slices"
	"strings"
	"time"

	"kuai/character/memory/term"
	"kuai/character/memory/when"
	"kuai/companion/fact"
)

const (
	// windowTurns is how many turns a window document holds; a new one begins
	// every windowStep, so that what belongs together is whole in one of them.
	windowTurns = 8
	windowStep  = 4
	// sessionGap parts sessions: after so long a silence, people begin anew.
	sessionGap = 30 * time.Minute
	// maxSession bounds the turns of a session document.
	maxSession = 64
	// lookBack is how many turns before a document can be in it.
	lookBack = maxSession + windowTurns
	// textTwice: what is said in a turn counts double, what was said before it
	// once.
	textTwice = 2
)

// Speaker numbers fill the upper three bits of a document's class, its
// salience the lower five.
const (
	salienceBits = 5
	maxSalience  = 1<<salienceBits - 1
	maxSpeaker   = 7
	maxSpeakers  = 64 // whose names a question is searched for
)

// speaker numbers those who speak, the same way whenever the index is made:
// the user, the companion, and others by their names, some of whom may share a
// number.
func speaker(name string) uint8 {
	switch name {
	case fact.User:
		return 0
	case fact.Companion:
		return 1
	}
	return uint8(2 + term.Hash(name)%(maxSpeaker-1))
}

// add makes the documents of a turn. Those that the index has are left as
// they are.
func (t *Thread) add(turn Turn) {
	m := &t.made
	if !slices.Contains(m.speakers, turn.Speaker) && len(m.speakers) < maxSpeakers {
		m.speakers = append(m.speakers, turn.Speaker)
	}
	if n := len(m.recent); n == 0 || m.recent[n-1].ID != turn.Parent {
		m.recent = t.ancestors(turn.Parent, windowTurns-1)
		m.session, m.count = nil, 0
	}
	var prev *Turn
	if n := len(m.recent); n > 0 {
		prev = &m.recent[n-1]
	}
	fresh := prev == nil || turn.Time.Sub(prev.Time) > sessionGap
	if fresh || m.count >= maxSession {
		t.closeSession()
	}
	if fresh {
		m.recent = m.recent[:0]
		prev = nil
	}
	text := m.words.Terms(nil, turn.Text)
	t.addTurn(turn, prev, text)
	m.session = append(m.session, text...)
	m.closed = turn.ID
	m.count++
	m.recent = append(m.recent, turn)
	if len(m.recent) > windowTurns {
		m.recent = slices.Delete(m.recent, 0, 1)
	}
	if m.count%windowStep == 0 {
		t.addWindow()
	}
}

// ancestors returns up to n turns that end in id, oldest first.
func (t *Thread) ancestors(id uint64, n int) (turns []Turn) {
	for ; id != 0 && len(turns) < n; id = turns[len(turns)-1].Parent {
		r, err := t.log.Get(id)
		if err != nil {
			break
		}
		turns = append(turns, turnOf(r))
	}
	slices.Reverse(turns)
	return turns
}

// addTurn adds the document of one turn: the turn before, the date in words,
// who speaks, and the text twice.
func (t *Thread) addTurn(turn Turn, prev *Turn, text []uint64) {
	if turn.ID <= t.turns.Last() {
		return
	}
	m := &t.made
	terms := make([]uint64, 0, 4*len(text)+16)
	for range textTwice {
		terms = append(terms, text...)
	}
	if prev != nil {
		terms = m.words.Terms(terms, prev.Text)
	}
	terms = append(terms, m.words.Stem(strings.ToLower(turn.Speaker)))
	terms = dateWords(&m.words, terms, turn.Time)
	length := len(terms)
	terms = append(terms, daysOf(turn)...)
	class := speaker(turn.Speaker)<<salienceBits | salience(turn)
	t.turns.Add(turn.ID, terms, length, class)
}

// dateWords appends the words that people use of a day.
func dateWords(a *term.Analyzer, terms []uint64, at time.Time) []uint64 {
	y, mon, d := at.Date()
	for _, w := range []string{strings.ToLower(mon.String()), itoa(d), itoa(y)} {
		terms = append(terms, a.Stem(w))
	}
	return terms
}

// daysOf returns the tags of the days that a turn is about: its own, and
// those within a week or so that it speaks of.
func daysOf(turn Turn) []uint64 {
	days := []uint64{dayTag(turn.Time), monthTag(turn.Time)}
	for _, r := range when.Find(turn.Text, turn.Time) {
		if r.Days() > 14 {
			continue
		}
		for d := r.From; !d.After(r.To); d = d.AddDate(0, 0, 1) {
			days = append(days, dayTag(d))
		}
	}
	slices.Sort(days)
	return slices.Compact(days)
}

func dayTag(at time.Time) uint64   { return term.Tag("day", at.Format(time.DateOnly)) }
func monthTag(at time.Time) uint64 { return term.Tag("month", at.Format("2006-01")) }

// addWindow adds the last turns as one document.
func (t *Thread) addWindow() {
	m := &t.made
	last := m.recent[len(m.recent)-1]
	if last.ID <= t.windows.Last() {
		return
	}
	var terms []uint64
	for _, r := range m.recent {
		terms = m.words.Terms(terms, r.Text)
	}
	terms = dateWords(&m.words, terms, last.Time)
	t.windows.Add(last.ID, terms, len(terms), 0)
}

// closeSession adds the session that has ended as one document.
func (t *Thread) closeSession() {
	m := &t.made
	if m.count > 0 && m.count%windowStep != 0 && len(m.recent) > 0 {
		t.addWindow()
	}
	if len(m.session) > 0 {
		t.sessions.Add(m.closed, m.session, len(m.session), uint8(min(m.count, 255)))
	}
	m.session, m.count = nil, 0
}
