// Package limit says how much a caller may use: rules in the database,
// decisions in memory.
//
// A rule bounds one kind of use for one organisation, project, user or key; a
// request must fit into all rules of its caller at once. What is counted by
// the minute is a token bucket, which is full at first and fills up within a
// minute; what is counted by the day or month begins at zero in UTC.
//
//	Check -> Grant -> Commit with what was used, or Release
//
// Days and months are written down and added up over all nodes every few
// seconds; minutes and concurrency hold for each node by itself.
package limit

import (
	"fmt"
	"slices"
	"time"
)

// Kind is what a rule bounds.
type Kind string

// Kinds of rules.
const (
	RequestsPerMinute   Kind = "requests_per_minute"
	RequestsPerDay      Kind = "requests_per_day"
	TokensPerMinute     Kind = "tokens_per_minute" // in and out
	TokensPerDay        Kind = "tokens_per_day"
	Concurrency         Kind = "concurrency" // requests and jobs that are under way
	CharactersPerDay    Kind = "characters_per_day"
	ImagesPerDay        Kind = "images_per_day"
	VideoSecondsPerDay  Kind = "video_seconds_per_day"
	MoneyMicrosPerDay   Kind = "money_micros_per_day" // millionths of a unit of money
	MoneyMicrosPerMonth Kind = "money_micros_per_month"
)

// Need is what a request takes: an estimate before, the truth after it.
type Need struct {
	Requests    int64
	Slots       int64 // of concurrency, held until Commit or Release
	Tokens      int64
	Characters  int64
	Images      int64
	VideoMillis int64
	MoneyMicros int64
}

// span is how long use counts.
type span int

const (
	held span = iota // until it ends
	minute
	day
	month
)

// spec is how a kind is counted.
type spec struct {
	kind  Kind
	span  span
	scale int64 // counted units in one of the rule's
	label string
	of    func(Need) int64
}

func requests(n Need) int64 { return n.Requests }
func tokens(n Need) int64   { return n.Tokens }
func money(n Need) int64    { return n.MoneyMicros }

// kinds is how many there are.
const kinds = 10

// specs are all kinds, in the order in which refusals are told: what ends
// soonest last, so that the longest wait is said.
var specs = [kinds]spec{
	{MoneyMicrosPerMonth, month, 1, "money per month", money},
	{MoneyMicrosPerDay, day, 1, "money per day", money},
	{VideoSecondsPerDay, day, 1000, "seconds of video per day", func(n Need) int64 { return n.VideoMillis }},
	{ImagesPerDay, day, 1, "images per day", func(n Need) int64 { return n.Images }},
	{CharactersPerDay, day, 1, "characters per day", func(n Need) int64 { return n.Characters }},
	{TokensPerDay, day, 1, "tokens per day", tokens},
	{RequestsPerDay, day, 1, "requests per day", requests},
	{TokensPerMinute, minute, 1, "tokens per minute", tokens},
	{RequestsPerMinute, minute, 1, "requests per minute", requests},
	{Concurrency, held, 1, "requests at the same time", func(n Need) int64 { return n.Slots }},
}

// Kinds are all kinds of rules.
func Kinds() []Kind {
	all := make([]Kind, len(specs))
	for i, s := range specs {
		all[i] = s.kind
	}
	return all
}

// index is the place of a kind among specs, -1 if it is none.
func (k Kind) index() int {
	return slices.IndexFunc(specs[:], func(s spec) bool { return s.kind == k })
}

// Level is whose use a rule bounds.
type Level string

// Levels, the widest first.
const (
	Organisation Level = "organisation"
	Project      Level = "project"
	User         Level = "user"
	Key          Level = "key"
)

// Levels are all levels.
func Levels() []Level { return []Level{Organisation, Project, User, Key} }

// MaxAmount bounds a rule, so that buckets count in 64 bits. Money per month
// can be ten thousand times as much.
const (
	MaxAmount = 10_000_000_000
	maxMoney  = 100_000_000_000_000
)

// check refuses an amount that cannot be counted.
func (k Kind) check(amount int64) error {
	if k.index() < 0 {
		return fmt.Errorf("kind is %q, want one of %v", k, Kinds())
	}
	most := int64(MaxAmount)
	if k == MoneyMicrosPerDay || k == MoneyMicrosPerMonth {
		most = maxMoney
	}
	if amount < 0 || amount > most {
		return fmt.Errorf("%s is %d, want 0 to %d", k, amount, most)
	}
	return nil
}

// start is when the span that holds a time began, in microseconds.
func (s span) start(now time.Time) int64 {
	y, m, d := now.UTC().Date()
	if s == month {
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).UnixMicro()
}

// end is when the span that holds a time is over.
func (s span) end(now time.Time) time.Time {
	y, m, d := now.UTC().Date()
	if s == month {
		return time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
}
