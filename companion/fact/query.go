package fact

import (
	"strings"
	"time"
)

// Nothing is the line of a turn that tells and asks nothing to be remembered.
const Nothing = "none"

// Marks in the lines of queries.
const (
	unknown   = "?"
	dayBefore = "? - 1"
)

// Query is what a turn asks for: as a line, a fact with a question mark in the
// place of what is wanted.
//
//	sister | lives_in | ?             the value, or all values
//	user | trip | Kyoto | ?           the day
//	user | ? | ? | 2026-05-03         what was on a day
//	user | exam | physics | ? - 1     what was on the day before
type Query struct {
	Subject   string
	Predicate string    // "" for any
	Object    string    // of the event whose day is wanted
	On        time.Time // the day that is asked about
	Before    bool      // what was on the day before is wanted
	Or        []string  // predicates that it may ask for instead, likeliest first; no part of a line
}

// Line writes a query as the model writes it.
func (q Query) Line() string {
	parts := []string{field(q.Subject), unknown, unknown}
	if q.Predicate != "" {
		parts[1] = field(q.Predicate)
	}
	switch {
	case !q.On.IsZero():
		parts = append(parts, q.On.Format(dateShape))
	case q.Object != "":
		parts[2] = field(q.Object)
		parts = append(parts, unknown)
		if q.Before {
			parts[3] = dayBefore
		}
	}
	return strings.Join(parts, " | ")
}

// ParseQueries reads what is asked for, one a line; other lines are passed
// over.
func ParseQueries(s string) []Query {
	var out []Query
	for line := range strings.Lines(s) {
		if len(out) == MaxLines {
			break
		}
		if q, ok := parseQuery(line); ok {
			out = append(out, q)
		}
	}
	return out
}

func parseQuery(line string) (Query, bool) {
	parts, ok := split(line)
	if !ok {
		return Query{}, false
	}
	q := Query{Subject: parts[0]}
	if parts[1] != unknown {
		if _, ok := Find(parts[1]); !ok {
			return Query{}, false
		}
		q.Predicate = parts[1]
	}
	if len(parts) == 3 {
		return q, q.Predicate != "" && parts[2] == unknown
	}
	if parts[2] != unknown {
		q.Object, q.Before = parts[2], parts[3] == dayBefore
		return q, q.Predicate != "" && (q.Before || parts[3] == unknown)
	}
	at, err := time.Parse(dateShape, parts[3])
	q.On = at
	return q, err == nil && q.Predicate == "" && !at.IsZero()
}
