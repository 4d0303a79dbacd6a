package companion

import (
	"iter"
	"math"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"kuai/companion/fact"
)

// Act says what a turn does.
type Act uint8

// Acts.
const (
	Greeting   Act = iota // hello and goodbye
	SmallTalk             // about nothing to be remembered
	Telling               // the user tells a fact
	Updating              // the user tells that a fact has changed
	Correcting            // the user takes back what was just told
	Asking                // the user asks for what was told
	Replying              // the companion answers any of these
)

// Turn is one thing said.
type Turn struct {
	Number  int    // over the whole life, from 0
	Speaker string // fact.User or fact.Companion
	Text    string
	Time    time.Time
	Told    []fact.Fact // what the user tells in it
	Act     Act
}

// Session is a conversation without a break.
type Session struct {
	Start time.Time
	Turns []Turn
}

// Life is what a user tells a companion over some years: facts about
// themselves, their people and pets, which are updated and corrected, and
// events, with small talk between. The facts are few and known; everything else
// says nothing that a question asks for. A Life belongs to one goroutine.
type Life struct {
	w     *writer
	size  int // characters over which the planned facts are spread
	every int // characters from a fact to the next

	now     time.Time
	gap     time.Duration // from a session to the next, on average
	turn    int
	written int // characters so far
	due     int // of written, when the next fact is told

	cast     []*someone // who the user speaks of, without themselves
	strands  []*strand
	byKey    map[string]*strand
	events   map[string]*strand // the one event of a day
	sessions int
	promises []promise // oldest first
	planned  []*told   // what will be told because of something before
	session  *Session  // being written
}

// strand is one kind of fact about one subject, with all that was said of it.
type strand struct {
	p    *predicate
	who  *someone
	said []said
}

type said struct {
	v     value
	when  time.Time
	turn  int
	wrong bool // corrected at once
}

func (s *strand) last() *said { return &s.said[len(s.said)-1] }

// DefaultSize is how many characters a Life spreads its facts over unless
// Spread says otherwise.
const DefaultSize = 80_000

// NewLife begins a life. The same seed, language and split give the same.
func NewLife(seed uint64, l fact.Language, split Split) *Life {
	w := newWriter(rand.New(rand.NewPCG(seed, 0x11FE+uint64(split))), split)
	w.lang, w.anySmallTalk = l, true
	life := &Life{w: w, byKey: map[string]*strand{}, events: map[string]*strand{}}
	life.now = time.Date(2019, 1, 1+w.r.IntN(1500), 8+w.r.IntN(10), w.r.IntN(60), 0, 0, time.UTC)
	life.meet()
	return life.Spread(DefaultSize)
}

// meet draws the cast: people, then pets of the user and of some of them. The
// held-out share of roles is too small for a whole cast, so that a life of the
// Test split fills up with the others.
func (l *Life) meet() {
	const people, ownPets, pets = 18, 3, 6
	w := *l.w
	used := map[string]bool{}
	for tries := 0; len(l.cast) < people+pets; tries++ {
		if tries > 200 {
			w.split = Train
		}
		s := &someone{role: w.value("relation")}
		if n := len(l.cast); n >= people {
			s = &someone{role: w.value("animal"), pet: true}
			if n >= people+ownPets {
				s.of = l.cast[n-people-ownPets]
			}
		}
		if k := s.key(l.w.lang); !used[k] {
			used[k] = true
			l.cast = append(l.cast, s)
		}
	}
}

// Spread says over how many characters the life's facts are to be spread: the
// more, the more small talk lies between them. It is called before Sessions.
func (l *Life) Spread(characters int) *Life {
	l.size = max(characters, 1000)
	facts := 60 * math.Pow(float64(l.size)/8000, 0.3)
	l.every = int(float64(l.size) / facts)
	l.due = 0
	years := 2 + 3*l.w.r.Float64()
	perSession := [...]float64{fact.English: 1080, fact.Chinese: 370}[l.w.lang] // measured
	l.gap = time.Duration(years * 365 * 24 * float64(time.Hour) / max(float64(l.size)/perSession, 12))
	return l
}

// Characters is how much has been said so far, in characters.
func (l *Life) Characters() int { return l.written }

// Now is the time of the last turn.
func (l *Life) Now() time.Time { return l.now }

// Sessions tells the life, on and on, in the order of time. Breaking off and
// ranging again goes on where it stood.
func (l *Life) Sessions() iter.Seq[Session] {
	return func(yield func(Session) bool) {
		for yield(l.next()) {
		}
	}
}

// next makes a session and moves the clock on to it.
func (l *Life) next() Session {
	w := l.w
	wait := time.Duration(float64(l.gap) * (0.3 + 1.4*w.r.Float64()))
	start := l.now.Add(max(wait, 15*time.Minute))
	if len(l.planned) > 0 && l.planned[0].p.kind == fact.Event { // on its day, in the morning
		if day := l.planned[0].when.Add(time.Duration(8*60+w.r.IntN(180)) * time.Minute); day.After(l.now) {
			start = day
		}
	} else if start.Hour() < 6 && l.gap > 12*time.Hour { // nobody is awake
		start = start.Add(time.Duration(6-start.Hour()) * time.Hour)
	}
	l.now = start.Truncate(time.Minute)
	l.session = &Session{Start: l.now}
	l.greet()
	for want := 6 + w.r.IntN(33); len(l.session.Turns) < want; {
		l.exchange()
	}
	if w.chance(0.6) {
		l.pair(w.say("bye"), w.say("byeback"), Greeting)
	}
	return *l.session
}

func (l *Life) greet() {
	l.sessions++
	if !l.remind() && l.w.chance(0.8) {
		l.pair(l.w.say("hello"), l.w.say("helloback"), Greeting)
	}
}

// exchange adds two turns or a few.
func (l *Life) exchange() {
	switch {
	case len(l.planned) > 0 && l.planned[0].p.kind == fact.Event && l.planned[0].when.Format(time.DateOnly) == l.now.Format(time.DateOnly):
		f := l.planned[0]
		l.planned = l.planned[1:]
		f.when = l.now
		l.event(f)
	case l.written >= l.due:
		l.tellSomething()
		l.due += l.every/2 + l.w.r.IntN(l.every+1)
	case l.w.chance(0.015):
		l.recall()
	case l.w.chance(0.08):
		l.small(l.w.script())
	default:
		l.small(l.w.chatter())
	}
}

func (l *Life) small(lines []string) {
	for i := 0; i+1 < len(lines); i += 2 {
		l.pair(lines[i], lines[i+1], SmallTalk)
	}
}

// pair adds what the user says and what the companion answers.
func (l *Life) pair(user, companion string, act Act, facts ...fact.Fact) int {
	n := l.say(fact.User, user, act, facts)
	l.say(fact.Companion, companion, Replying, nil)
	return n
}

func (l *Life) say(speaker, text string, act Act, facts []fact.Fact) int {
	for i := range facts {
		facts[i].Learned, facts[i].Turn = l.now, uint64(l.turn)
	}
	l.session.Turns = append(l.session.Turns, Turn{l.turn, speaker, text, l.now, facts, act})
	l.turn++
	l.written += utf8.RuneCountInString(text)
	l.now = l.now.Add(time.Duration(15+l.w.r.IntN(60)) * time.Second)
	return l.turn - 1
}
