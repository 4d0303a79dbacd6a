package memory

import (
	"slices"
	"strings"
	"time"

	"kuai/companion/fact"
)

// table finds facts by what is asked for, so that what a turn costs does not
// grow with what is known. Facts stay in it when they are forgotten; the book
// no longer has them.
type table struct {
	asked map[string][]uint64 // subject and predicate
	named map[string][]uint64 // what somebody or something is called
	days  map[string][]uint64 // events by their day
	whom  map[string]bool     // subjects
}

func newTable() table {
	return table{map[string][]uint64{}, map[string][]uint64{}, map[string][]uint64{}, map[string]bool{}}
}

func askKey(subject, predicate string) string { return strings.ToLower(subject) + "\x00" + predicate }

func isName(predicate string) bool { return predicate == "name" || predicate == "pet_name" }

// together says whether two facts of a subject are names told at once, of which
// neither ends the other: two cats, Milo and Luna.
func together(f, g *fact.Fact) bool { return isName(f.Predicate) && f.Turn == g.Turn && f.Turn != 0 }

// add enters a fact.
func (t *table) add(f *Fact) {
	k := askKey(f.Subject, f.Predicate)
	t.asked[k] = append(t.asked[k], f.ID)
	t.whom[strings.ToLower(f.Subject)] = true
	if isName(f.Predicate) && f.Subject != fact.User {
		k := strings.ToLower(f.Object)
		t.named[k] = append(t.named[k], f.ID)
	}
	if row, _ := fact.Find(f.Predicate); row.Kind == fact.Event {
		k := f.From.Format(time.DateOnly)
		t.days[k] = append(t.days[k], f.ID)
	}
}

// knows says whether anything was ever told about somebody, or who is called
// so.
func (t *table) knows(who string) bool {
	who = strings.ToLower(who)
	return t.whom[who] || len(t.named[who]) > 0
}

// standing returns those of some facts that are on the present branch and not
// forgotten.
func (t *Thread) standing(ids []uint64) (out []fact.Fact) {
	for _, id := range ids {
		if f := t.book.facts[id]; f != nil && (f.Turn == 0 || t.path.Has(f.Turn)) {
			out = append(out, f.Fact)
		}
	}
	return out
}

// naming returns the facts that give somebody a name or say whose name it is.
func (t *Thread) naming(who string) []fact.Fact {
	ids := slices.Concat(t.book.table.named[strings.ToLower(who)], t.book.table.asked[askKey(who, "name")], t.book.table.asked[askKey(who, "pet_name")])
	return t.standing(ids)
}

// gather collects the facts that may answer a query: those about whom it asks
// for under any of their names, and those that tell the names.
func (t *Thread) gather(p *pool, q fact.Query) {
	p.add(t.naming(q.Subject)...)
	for _, who := range p.names(q.Subject) {
		p.add(t.naming(who)...)
		p.add(t.standing(t.book.table.asked[askKey(who, q.Predicate)])...)
	}
}

// current says whether no later fact on the branch has ended a fact.
func (t *Thread) current(f *Fact) bool {
	row, _ := fact.Find(f.Predicate)
	if row.Kind != fact.Single && row.Kind != fact.Fixed {
		return true
	}
	all := t.standing(t.book.table.asked[askKey(f.Subject, f.Predicate)])
	return !slices.ContainsFunc(all, func(g fact.Fact) bool { return g.Learned.After(f.Learned) })
}
