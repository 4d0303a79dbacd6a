// Package fact has the written forms that the companion model is trained on
// and that its memory speaks: a fact as a line, and the pack of what is
// recalled for a turn. It has no opinion on how facts are found or kept.
//
// A fact is a subject, a predicate of the table and an object,
//
//	sister | lives_in | Oslo | 2026-05-03
//
// where the date, which may be missing, is when it became true. The subject is
// user, or whom the user would name: a relation, a name, a pet.
package fact

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Language is that of a conversation.
type Language uint8

// Languages.
const (
	English Language = iota
	Chinese
)

// Kind says what a new fact means for those before it.
type Kind uint8

// Kinds of predicates.
const (
	Single Kind = iota // one value at a time: a new one ends the one before
	Fixed              // one value, which never changes; another corrects it
	Multi              // many values, side by side
	Event              // happened, or will, on a day
)

// Predicate is a row of the table.
type Predicate struct {
	Name string
	Kind Kind
	// Words is how a question might put it, for looking it up: English, Chinese.
	Words [2]string
}

// Subjects with a name of their own in lines.
const (
	User      = "user"
	Companion = "companion"
)

// Fact is something that was told. Times are days; zero is open or unknown.
type Fact struct {
	Subject, Predicate, Object string

	Negated  bool      // it was told that it is not, or no longer, so
	From, To time.Time // when it was true
	Learned  time.Time
	Turn     uint64 // that told it
}

// Limits of what ParseLines takes for a fact.
const (
	MaxLines  = 64
	maxField  = 200 // bytes
	dateShape = "2006-01-02"
	negation  = "not "
)

// Line writes a fact as the model writes it.
func Line(f Fact) string {
	fields := []string{field(f.Subject), field(f.Predicate), field(f.Object)}
	if f.Negated {
		fields[1] = negation + fields[1]
	}
	if !f.From.IsZero() {
		fields = append(fields, f.From.Format(dateShape))
	}
	return strings.Join(fields, " | ")
}

// field makes text safe to stand between separators.
func field(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '|' || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	for len(s) > maxField {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return strings.TrimSpace(s)
}

// ParseLines reads facts, one a line. What is no fact is passed over: an
// unknown predicate, a field missing, empty or too long, lines after the
// sixty-fourth.
func ParseLines(s string) []Fact {
	var facts []Fact
	for line := range strings.Lines(s) {
		if len(facts) == MaxLines {
			break
		}
		if f, ok := parse(line); ok {
			facts = append(facts, f)
		}
	}
	return facts
}

// split cuts a line into three or four fields.
func split(line string) ([]string, bool) {
	if len(line) > 4*maxField || !utf8.ValidString(line) {
		return nil, false
	}
	parts := strings.Split(line, "|")
	if len(parts) < 3 || len(parts) > 4 {
		return nil, false
	}
	for i := range parts {
		if parts[i] = field(parts[i]); parts[i] == "" {
			return nil, false
		}
	}
	return parts, true
}

func parse(line string) (Fact, bool) {
	parts, ok := split(line)
	if !ok {
		return Fact{}, false
	}
	f := Fact{Subject: parts[0], Object: parts[2]}
	if f.Object == unknown {
		return Fact{}, false
	}
	f.Predicate, f.Negated = strings.CutPrefix(parts[1], negation)
	if _, ok := Find(f.Predicate); !ok {
		return Fact{}, false
	}
	if len(parts) == 4 {
		at, err := time.Parse(dateShape, parts[3])
		if err != nil {
			return Fact{}, false
		}
		f.From = at
	}
	return f, true
}

// Item is something recalled: a fact in words, or a turn as it was said.
type Item struct {
	When    time.Time
	Text    string
	Speaker string // of a turn; "" for a fact
}

// nothing says that the memory has been searched in vain.
var nothing = [...]string{English: "(nothing found)\n", Chinese: "（没有找到）\n"}

// Pack writes what was recalled for a turn, an item a line in the order given,
// each with its date.
func Pack(l Language, items []Item) string {
	if len(items) == 0 {
		return nothing[l]
	}
	var b strings.Builder
	for _, it := range items {
		b.WriteByte('[')
		b.WriteString(it.When.Format(dateShape))
		b.WriteString("] ")
		if it.Speaker != "" {
			b.WriteString(it.Speaker)
			b.WriteString(": ")
		}
		b.WriteString(strings.Join(strings.Fields(it.Text), " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// Today is the line that a pack begins with: the day of the turn.
func Today(l Language, now time.Time) string {
	if l == Chinese {
		return "今天 " + now.Format(dateShape) + "\n"
	}
	return "today " + now.Format(dateShape) + "\n"
}
