package companion

import (
	"slices"
	"strconv"
	"strings"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// Note puts a fact into a neutral sentence, as a memory writes it into a pack:
// "The user's sister lives in Oslo." The model is trained on packs of such
// notes. A fact of a predicate without phrases is written plainly.
func Note(l fact.Language, f fact.Fact) string {
	s := note(l, f)
	if f.Negated {
		return [...]string{fact.English: "No longer true: ", fact.Chinese: "现在不是了："}[l] + s
	}
	return s
}

func note(l fact.Language, f fact.Fact) string {
	p := files().byName[f.Predicate]
	if p == nil || len(p.forms[l]["note"]) == 0 {
		return f.Subject + " " + strings.ReplaceAll(f.Predicate, "_", " ") + " " + f.Object
	}
	return render(l, p.forms[l]["note"][0], byNeither, subject(l, f.Subject), valueSlots(f.Object))
}

// Noted is an item of a pack and the facts that it says.
type Noted struct {
	fact.Item
	Facts []fact.Fact
}

// Notes writes facts that answer a question as items of a pack: those of the
// same subject and predicate in one, with how many they are, and events with
// their day in words. What counting and a calendar would say is said, so that
// the model need not.
func Notes(l fact.Language, facts []fact.Fact) []Noted {
	var out []Noted
	for _, f := range facts {
		row, _ := fact.Find(f.Predicate)
		at := slices.IndexFunc(out, func(n Noted) bool {
			g := n.Facts[0]
			return row.Kind == fact.Multi && g.Subject == f.Subject && g.Predicate == f.Predicate
		})
		if at < 0 {
			out = append(out, Noted{})
			at = len(out) - 1
		}
		out[at].Facts = append(out[at].Facts, f)
	}
	for i := range out {
		n := &out[i]
		var list []string
		for _, f := range n.Facts {
			list = append(list, f.Object)
		}
		f := n.Facts[len(n.Facts)-1]
		f.Object = speech.Enumerate(l, list)
		n.When, n.Text = f.From, Note(l, f)
		if row, _ := fact.Find(f.Predicate); row.Kind == fact.Event {
			n.Text = aside(l, n.Text, speech.Day(l, f.From))
		} else if len(list) > 1 {
			n.Text = aside(l, n.Text, strconv.Itoa(len(list)))
		}
	}
	return out
}

// aside puts something in brackets before a sentence's end.
func aside(l fact.Language, sentence, what string) string {
	if l == fact.Chinese {
		return strings.TrimSuffix(sentence, "。") + "（" + what + "）。"
	}
	return strings.TrimSuffix(sentence, ".") + " (" + what + ")."
}

// Wordings are questions that a fact answers, as the user would ask them, for
// an index to find the fact by. They are those of the Train split.
func Wordings(l fact.Language, f fact.Fact) []string {
	p := files().byName[f.Predicate]
	if p == nil {
		return nil
	}
	var out []string
	for _, phrase := range p.forms[l]["ask"] {
		if !held(p.name+"ask"+strings.ReplaceAll(phrase, "{T}", "{P}"), heldPhrases) {
			out = append(out, render(l, phrase, byUser, subject(l, f.Subject), valueSlots(f.Object)))
		}
	}
	return out
}

func valueSlots(v string) map[string]string {
	return map[string]string{"v": v, "m": speech.Measure(v)}
}

// subject reads the subject of a line: user, a role, somebody's pet, or a name.
func subject(l fact.Language, s string) *someone {
	if s == fact.User {
		return &someone{}
	}
	if x := role(l, s); x != nil {
		return x
	}
	owner, pet, ok := strings.Cut(s, [...]string{fact.English: "'s ", fact.Chinese: "的"}[l])
	if x := role(l, pet); ok && x != nil && x.pet {
		x.of = &someone{role: value{owner, owner}}
		return x
	}
	return &someone{role: value{s, s}, name: value{s, s}}
}

// role is somebody whom the user calls so, nil if nobody is.
func role(l fact.Language, s string) *someone {
	for _, kind := range [...]string{"relation", "animal"} {
		for _, v := range slices.Concat(files().lexicon[kind], files().kin[kind]) {
			if v[l] == s {
				return &someone{role: v, pet: kind == "animal"}
			}
		}
	}
	return nil
}
