package companion

import (
	"strings"
	"unicode/utf8"

	"kuai/companion/fact"
	"kuai/companion/speech"
)

// phraseShare is that of clauses that are cut out of phrases.
const phraseShare = 0.3

// everyday are what people tell of themselves first.
var everyday = [...]string{"lives_in", "works_as", "age", "from", "likes", "hobby", "works_at", "studies", "has_pet", "speaks"}

// clause tells a fact of somebody without naming them: lives in Oslo. Its verb
// agrees with as.
func (c *composer) clause(who, as *someone, several bool) string {
	for {
		p := c.about(who, several)
		all := p.short[c.lang]
		if len(all) == 0 {
			continue
		}
		clause := c.plainest(all)
		if c.chance(phraseShare) || c.tune {
			for range 8 {
				if s, ok := clauseOf(c.lang, c.phrase(p, "tell")); ok {
					clause = s
					break
				}
			}
		}
		return c.told(p, clause, who, as, several)
	}
}

// about draws a predicate that somebody can have and nothing was told of yet.
func (c *composer) about(who *someone, several bool) *predicate {
	for {
		p := c.predicate(nil)
		if c.chance(0.5) {
			p = files().byName[everyday[c.r.IntN(len(everyday))]]
		}
		fits := p.who == anyone || p.who == selfOnly && who.self() || p.name == "name"
		if fits && (!several || p.kind == fact.Multi) && !c.used[who.key(c.lang)+"/"+p.name] {
			return p
		}
	}
}

// plainest draws one, of the first more often: they are the plainest.
func (c *composer) plainest(all []string) string { return all[c.r.IntN(1+c.r.IntN(len(all)))] }

// clauseOf cuts a clause out of a phrase: what follows a subject that is not
// spoken of again, if it is short.
func clauseOf(l fact.Language, phrase string) (string, bool) {
	s, ok := strings.CutPrefix(strings.TrimRight(phrase, ".!。！"), "{S}")
	if !ok || strings.Contains(s, "{S}") || !oneValue(s) || strings.ContainsAny(s, ",.;:!?\"，。！？：；、") {
		return "", false
	}
	if l == fact.English {
		s, ok = strings.CutPrefix(s, " ")
		return s, ok && len(strings.Fields(s)) <= 8
	}
	first, _ := utf8.DecodeRuneInString(s)
	return s, !strings.ContainsRune("的家那这嘛呀啊呢啦哦 ", first) && utf8.RuneCountInString(s) <= 16
}

func oneValue(phrase string) bool {
	return strings.Count(phrase, "{v}")+strings.Count(phrase, "{a}") == 1
}

// told fills a phrase in with a value, or with several, and writes the facts
// down.
func (c *composer) told(p *predicate, phrase string, who, as *someone, several bool) string {
	n := 1
	if several {
		n = 2 + c.r.IntN(2)*c.r.IntN(2)
	}
	article, counted := strings.Contains(phrase, "{a}"), strings.Contains(phrase, "{m}{v}")
	phrase = strings.Replace(phrase, "{a}", "{v}", 1)
	list, first := make([]string, n), ""
	for i := range list {
		v := c.distinct(p)
		c.tell(who, p.name, v[c.lang])
		list[i] = c.written(v, article)
		switch {
		case i == 0:
			first = counter(v)
		case counted:
			list[i] = "一" + counter(v) + list[i]
		}
	}
	return filled(c.lang, phrase, byUser, as, map[string]string{"v": c.joined(list), "m": first})
}

// counter is by what an animal is counted in Chinese.
func counter(animal value) string {
	if m := speech.Measure(animal[fact.Chinese]); m != "个" {
		return m
	}
	return "只"
}

// separators stand between values, and before the last.
var separators = [...][][2]string{
	fact.English: {{", ", " and "}, {", ", " and "}, {", ", " and "}, {", ", ", and "}, {", ", ", "}, {" and ", " and "}, {", ", " & "}, {", ", " plus "}, {", ", " as well as "}, {", ", " and also "}},
	fact.Chinese: {{"、", "和"}, {"、", "和"}, {"、", "、"}, {"、", "跟"}, {"、", "还有"}, {"，", "，"}, {"、", "以及"}, {"和", "和"}, {"，", "还有"}},
}

func (c *composer) joined(list []string) string {
	all := separators[c.lang]
	s, last := all[c.r.IntN(len(all))], len(list)-1
	if last == 0 {
		return list[0]
	}
	return strings.Join(list[:last], s[0]) + s[1] + list[last]
}

// colons stand after a label.
var colons = [...][]string{
	fact.English: {": ", ": ", ": ", ": ", " - ", ":", " = "},
	fact.Chinese: {"：", "：", "：", ":", " "},
}

// label tells a fact, or several, after its label: hobbies: chess, yoga.
func (c *composer) label(who *someone, several bool) string {
	for {
		p := c.about(who, several)
		labels := p.labels[c.lang]
		if len(labels) == 0 {
			continue
		}
		label := c.plainest(labels)
		if c.lang == fact.English && c.said == nil && c.chance(0.4) {
			label = speech.Sentence(label)
		}
		phrase := "{v}"
		if p.name == "has_pet" && c.chance(0.5) {
			phrase = [...]string{fact.English: "{a}", fact.Chinese: "一{m}{v}"}[c.lang]
		}
		if all := colons[c.lang]; c.colon == "" {
			c.colon = all[c.r.IntN(len(all))]
		}
		return label + c.colon + c.told(p, phrase, who, who, several)
	}
}

// plurals are those of animals that are not made with an s alone.
var plurals = map[string]string{"mouse": "mice", "goose": "geese", "calf": "calves", "pony": "ponies", "kitty": "kitties", "bunny": "bunnies", "puppy": "puppies", "canary": "canaries", "tabby": "tabbies", "husky": "huskies", "finch": "finches", "ostrich": "ostriches"}

// plural is that of an animal.
func plural(animal string) string {
	at := strings.LastIndexByte(animal, ' ') + 1
	last := animal[at:]
	switch p := plurals[last]; {
	case p != "":
		return animal[:at] + p
	case strings.HasSuffix(last, "fish") || strings.HasSuffix(last, "s") || last == "koi" || last == "sheep":
		return animal
	}
	return animal + "s"
}
