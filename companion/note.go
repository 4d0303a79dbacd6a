package companion

import (
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

// Tellings are ways in which the user would tell a fact, to find where it was
// told; the object may be missing. They are those of the Train split.
func Tellings(l fact.Language, f fact.Fact) []string {
	p := files().byName[f.Predicate]
	if p == nil {
		return nil
	}
	var out []string
	for _, form := range [...]string{"tell", "update"} {
		for _, phrase := range p.forms[l][form] {
			if !held(p.name+form+strings.ReplaceAll(phrase, "{T}", "{P}"), heldPhrases) {
				out = append(out, render(l, phrase, byUser, subject(l, f.Subject), valueSlots(f.Object)))
			}
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
		for _, v := range files().lexicon[kind] {
			if v[l] == s {
				return &someone{role: v, pet: kind == "animal"}
			}
		}
	}
	return nil
}
