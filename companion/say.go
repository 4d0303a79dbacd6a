package companion

import (
	"slices"
	"strings"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// Denies says whether a reply says that something was not told.
func Denies(l fact.Language, reply string) bool {
	reply = strings.ToLower(reply)
	return slices.ContainsFunc(denials[l], func(d string) bool { return strings.Contains(reply, d) })
}

// Unknown is what a friend says who was never told.
func Unknown(l fact.Language) string {
	return [...]string{fact.English: "You haven't told me that.", fact.Chinese: "你还没告诉过我呢。"}[l]
}

// Agrees says whether a reply to a query says what the facts that answer it do.
func Agrees(l fact.Language, asked string, q fact.Query, facts []fact.Fact, reply string) bool {
	if len(facts) == 0 {
		return Denies(l, reply)
	}
	if Denies(l, reply) {
		return false
	}
	has := func(s string) bool { return strings.Contains(strings.ToLower(reply), strings.ToLower(s)) }
	last := facts[len(facts)-1]
	switch {
	case q.Object != "" && !q.Before:
		return slices.ContainsFunc(speech.Dates(last.From, true), has)
	case len(facts) == 1 && !counts(l, asked):
		return has(last.Object)
	case counts(l, asked):
		return has(speech.Number(l, len(facts))) && !slices.ContainsFunc(facts, func(f fact.Fact) bool { return !has(f.Object) })
	}
	return slices.ContainsFunc(facts, func(f fact.Fact) bool { return has(f.Object) })
}

// counts says whether a question is for how many there are.
func counts(l fact.Language, asked string) bool {
	asked = strings.ToLower(asked)
	for _, w := range [...][]string{fact.English: {"how many", "number of", "count"}, fact.Chinese: {"几", "多少", "数"}}[l] {
		if strings.Contains(asked, w) {
			return true
		}
	}
	return false
}

// Say puts the facts that answer a query as a friend would say them.
func Say(l fact.Language, asked string, q fact.Query, facts []fact.Fact) string {
	if len(facts) == 0 {
		return Unknown(l)
	}
	f := facts[len(facts)-1]
	p := files().byName[f.Predicate]
	if p == nil {
		return Note(l, f)
	}
	slots := valueSlots(f.Object)
	slots["d"] = speech.Day(l, f.From)
	form := "note"
	switch row, _ := fact.Find(f.Predicate); {
	case row.Kind == fact.Event && q.Object != "" && !q.Before:
		form = "was"
	case row.Kind == fact.Event:
	case row.Kind == fact.Multi && counts(l, asked):
		form = "counted"
	case row.Kind == fact.Multi && len(facts) > 1:
	default:
		form = "answer"
	}
	if len(facts) > 1 || form == "counted" {
		var list []string
		for _, f := range facts {
			list = append(list, f.Object)
		}
		slots["n"], slots["list"] = speech.Number(l, len(list)), speech.Enumerate(l, list)
		slots["v"] = slots["list"]
	}
	if form == "was" && len(p.forms[l][form]) == 0 {
		return aside(l, render(l, p.forms[l]["note"][0], byFriend, subject(l, f.Subject), slots), slots["d"])
	}
	if len(p.forms[l][form]) == 0 {
		form = "note"
	}
	return render(l, p.forms[l][form][0], byFriend, subject(l, f.Subject), slots)
}
