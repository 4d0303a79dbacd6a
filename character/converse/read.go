package converse

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"kuai/character/memory"
	"kuai/character/memory/when"
	"kuai/companion/fact"
	"kuai/models"
	"kuai/par"
	"kuai/reader"
)

// Reader finds what turns tell and ask for with a model of package reader: in
// the words of the user alone, since it points at what stands in the turn.
// It may be used by several goroutines.
type Reader struct {
	mu   sync.Mutex
	read *reader.Reader
	last memory.Turn // what was read last: a turn is read as a question, then kept
	said memory.Reading
}

// NewReader returns the reader of a model. Its products run on a pool; nil is
// one worker.
func NewReader(m *reader.Model, pool *par.Pool) *Reader {
	return &Reader{read: reader.NewReader(m, pool)}
}

// BuiltinReader opens the reader that comes with Kuai, once.
var BuiltinReader = sync.OnceValues(func() (*reader.Model, error) { return reader.Open(models.Reader()) })

// DailyReader is the one reader of all conversations, with the built-in model.
// It is not closed.
var DailyReader = sync.OnceValues(func() (*Reader, error) {
	m, err := BuiltinReader()
	if err != nil {
		return nil, err
	}
	return NewReader(m, nil), nil
})

// Close frees the memory.
func (r *Reader) Close() { r.read.Close() }

// Read reads turns of the user's.
func (r *Reader) Read(turns ...memory.Turn) []memory.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]memory.Reading, len(turns))
	if len(turns) == 1 && turns[0].Text == r.last.Text && turns[0].Time.Equal(r.last.Time) && turns[0].Speaker == r.last.Speaker {
		out[0] = r.said
		return out
	}
	var texts []string
	var at []int
	for i, t := range turns {
		if t.Speaker == fact.User && len(t.Text) <= maxText {
			texts, at = append(texts, t.Text), append(at, i)
		}
	}
	for i, x := range r.read.Read(texts...) {
		turn := turns[at[i]]
		y := memory.Reading{Facts: x.Facts, Asked: x.Asked}
		if x.OnDay {
			y.Asked = onDay(turn, x.Asked)
		}
		byRole(&y)
		toDo(turn.Text, y.Facts)
		out[at[i]] = y
	}
	if len(turns) == 1 {
		r.last, r.said = turns[0], out[0]
	}
	return out
}

// toDo gives what somebody likes to do its "to": who likes to read likes no read.
func toDo(text string, facts []fact.Fact) {
	for i, f := range facts {
		if f.Predicate != "likes" && f.Predicate != "dislikes" && f.Predicate != "hobby" {
			continue
		}
		to := "to " + f.Object
		if at := strings.Index(text, " "+to); at >= 0 && likesTo.MatchString(text[:at]) {
			facts[i].Object = to
		}
	}
}

// likesTo ends where a verb of liking does: one likes to read, and goes to concerts.
var likesTo = regexp.MustCompile(`(?i)\b(?:like|love|hate|prefer|enjoy|adore)s?$`)

// byRole makes "sister Mira" the sister, whose name is Mira.
func byRole(x *memory.Reading) {
	var names []fact.Fact
	for i := range x.Facts {
		role, name, ok := roleAndName(x.Facts[i].Subject)
		if !ok {
			continue
		}
		x.Facts[i].Subject = role
		known := slices.ContainsFunc(names, func(f fact.Fact) bool { return f.Subject == role })
		if !known && x.Facts[i].Predicate != "name" {
			names = append(names, fact.Fact{Subject: role, Predicate: "name", Object: name})
		}
	}
	x.Facts = append(x.Facts, names...)
	for i := range x.Asked {
		if role, _, ok := roleAndName(x.Asked[i].Subject); ok {
			x.Asked[i].Subject = role
		}
	}
}

// roleAndName cuts small words before ones with capitals.
func roleAndName(subject string) (role, name string, ok bool) {
	words := strings.Fields(subject)
	at := slices.IndexFunc(words, func(w string) bool {
		r, _ := utf8.DecodeRuneInString(w)
		return unicode.IsUpper(r)
	})
	if at <= 0 {
		return "", "", false
	}
	return strings.Join(words[:at], " "), strings.Join(words[at:], " "), true
}

// onDay gives queries the one day that a turn names; where it names none or
// several nothing was asked.
func onDay(turn memory.Turn, asked []fact.Query) []fact.Query {
	days := when.Find(turn.Text, turn.Time)
	if len(days) != 1 || days[0].Days() != 1 {
		return nil
	}
	for i := range asked {
		asked[i].On = days[0].From
	}
	return asked
}
