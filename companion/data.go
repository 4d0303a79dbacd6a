package companion

import (
	"embed"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"kuai/companion/fact"
	"kuai/internal/check"
)

//go:embed lexicon.txt
var lexiconText string

//go:embed phrases.txt
var phrasesText string

// The files called more add to those beside them.
//
//go:embed more_lexicon.txt more_en.txt more_zh.txt more_say.txt more_talk.txt chatter.txt kin.txt values.txt mentions.txt quiet.txt quiet_2.txt wider_en.txt wider_zh.txt wider_en_2.txt wider_zh_2.txt wider_en_3.txt wider_zh_3.txt wider_en_4.txt wider_zh_4.txt wider_en_5.txt wider_zh_5.txt wider_en_6.txt wider_zh_6.txt wider_en_7.txt wider_zh_7.txt composed.txt clauses.txt spoken_en.txt spoken_zh.txt written_en.txt written_zh.txt company_en.txt company_zh.txt situations_en.txt situations_zh.txt
var more embed.FS

func moreText(name string) string {
	b, err := more.ReadFile(name + ".txt")
	check.True(err == nil, "companion: %v", err)
	return string(b)
}

//go:embed say.txt
var sayText string

//go:embed talk.txt
var talkText string

// value is a word for a slot, in both languages; a made-up one may be the same
// in both.
type value [2]string

// predicate is a way to tell and to ask for one kind of fact.
type predicate struct {
	name   string
	values string // kind of value
	who    who
	kind   fact.Kind
	forms  [2]map[string][]string // by language: tell, ask, clause ...
	// wider are more of them for the Train split alone. They were written
	// without a look at those held out.
	wider [2]map[string][]string
	// tune are those of them that are for tuning alone.
	tune [2]map[string][]string
	// short are clauses without a subject and labels what stands before a colon,
	// for composed turns.
	short, labels [2][]string
}

type who uint8

const (
	anyone who = iota
	selfOnly
	otherOnly
	petOnly
	anEvent // of the user
)

var whoNames = map[string]who{"any": anyone, "self": selfOnly, "other": otherOnly, "pet": petOnly, "event": anEvent}

// data is what the files hold.
type data struct {
	lexicon    map[string][]value
	kin        map[string][]value // by kind: more values, for training and tuning
	predicates []*predicate
	byName     map[string]*predicate
	say        map[string][]string
	talk       [2][][]string
	chatter    map[string][]string
	mentions   map[string][]string
	quiet      map[string][]string
	composed   map[string][]string // frames of turns that tell several things, by language and shape
}

// files parses the data once.
var files = sync.OnceValue(func() *data {
	d := &data{lexicon: parseLexicon(lexiconText, moreText("more_lexicon")), kin: parseKin(moreText("kin"), moreText("values")), say: sections(sayText, moreText("more_say"))}
	d.parsePhrases(phrasesText + moreText("more_en") + moreText("more_zh"))
	d.parseClauses(moreText("clauses"))
	d.composed = sections(moreText("composed"))
	for name, all := range d.composed {
		d.composed[name] = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	}
	d.chatter, d.mentions, d.quiet = sections(moreText("chatter")), sections(moreText("mentions")), sections(moreText("quiet"), moreText("quiet_2"))
	for name, all := range d.chatter {
		d.chatter[name] = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	}
	talk := sections(talkText, moreText("more_talk"))
	for l, name := range languageKeys {
		for p := range strings.SplitSeq(strings.Join(talk[name], "\n"), "\n\n") {
			d.talk[l] = append(d.talk[l], strings.Split(strings.Trim(p, "\n"), "\n"))
		}
	}
	return d
})

// widen adds the phrases for training and tuning, once: they are most of the
// text, and nothing else needs them.
var widen = sync.OnceFunc(func() {
	d := files()
	d.parseWider(moreText("wider_en")+"\n"+moreText("wider_zh"), 0)
	for _, name := range []string{"wider_en_2", "wider_zh_2", "wider_en_3", "wider_zh_3", "wider_en_4", "wider_zh_4", "wider_en_5", "wider_zh_5", "wider_en_6", "wider_zh_6", "wider_en_7", "wider_zh_7"} {
		d.parseWider(moreText(name), tuneShare)
	}
})

// languageKeys are the languages' names in the files.
var languageKeys = [...]string{fact.English: "en", fact.Chinese: "zh"}

// sections cuts files at their [headings]; comments are the lines before the
// first. Lines keep their spaces, and an empty one stands for nothing said.
func sections(texts ...string) map[string][]string {
	all := map[string][]string{}
	for _, text := range texts {
		name := ""
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
				name = line[1 : len(line)-1]
				continue
			}
			if name != "" {
				all[name] = append(all[name], line)
			}
		}
	}
	return all
}

func parseLexicon(texts ...string) map[string][]value {
	all := map[string][]value{}
	for name, lines := range sections(texts...) {
		for _, line := range lines {
			for pair := range strings.SplitSeq(line, ", ") {
				if en, zh, ok := strings.Cut(pair, "="); ok {
					all[name] = append(all[name], value{en, zh})
				}
			}
		}
	}
	return all
}

// parsePhrases reads the predicates; a later block with the same name adds to
// the first.
func (d *data) parsePhrases(text string) {
	d.byName = map[string]*predicate{}
	d.eachForm(text, func(p *predicate, l fact.Language, form string, phrases []string) {
		p.forms[l][form] = append(p.forms[l][form], phrases...)
	})
}

// kinOf is the section of kin.txt that a kind of value has.
var kinOf = map[string]string{"relation": "kin", "animal": "pets"}

// parseKin reads what people and animals are to somebody, by the kind of value,
// what longer names for them are made of, and other values.
func parseKin(texts ...string) map[string][]value {
	out := parseLexicon(texts...)
	for kind, section := range kinOf {
		out[kind] = out[section]
	}
	return out
}

// tuneShare is which part of the newer phrases is for tuning: one in so many.
const tuneShare = 12

// parseWider reads phrases for training alone, and one in so many (0: none) for
// tuning. What happens to be said in the words of a phrase held out is left out.
func (d *data) parseWider(text string, tune uint32) {
	d.eachForm(text, func(p *predicate, l fact.Language, form string, phrases []string) {
		if p.wider[l] == nil {
			p.wider[l], p.tune[l] = map[string][]string{}, map[string][]string{}
		}
		said := map[string]bool{}
		for _, s := range p.forms[l][form] {
			said[plainly(s)] = true
		}
		for _, s := range phrases {
			switch {
			case said[plainly(s)]:
			case tune > 0 && held("tune"+s, tune):
				p.tune[l][form] = append(p.tune[l][form], s)
			default:
				p.wider[l][form] = append(p.wider[l][form], s)
			}
		}
	})
}

// parseClauses reads clauses and labels.
func (d *data) parseClauses(text string) {
	d.eachForm(text, func(p *predicate, l fact.Language, form string, phrases []string) {
		to := &p.short[l]
		if form == "label" {
			to = &p.labels[l]
		}
		*to = append(*to, phrases...)
	})
}

// plainly is a phrase without the marks that say nothing.
func plainly(s string) string { return strings.ToLower(plainer.Replace(s)) }

var plainer = strings.NewReplacer("{T}", "{P}", ".", "", "!", "", "?", "", ",", "", "。", "", "！", "", "？", "", "，", "")

// eachForm calls f with the alternatives of each line of blocks.
func (d *data) eachForm(text string, f func(p *predicate, l fact.Language, form string, phrases []string)) {
	var p *predicate
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			p = d.heading(strings.Fields(strings.Trim(line, "[]")))
		default:
			key, rest, ok := strings.Cut(line, ": ")
			lang, form, dotted := strings.Cut(key, ".")
			check.True(ok && dotted && p != nil, "companion: phrases: line %q", line)
			l := fact.English
			if lang == languageKeys[fact.Chinese] {
				l = fact.Chinese
			}
			f(p, l, form, strings.Split(rest, " / "))
		}
	}
}

func (d *data) heading(f []string) *predicate {
	if p := d.byName[f[0]]; p != nil {
		return p
	}
	check.True(len(f) == 3, "companion: phrases: heading %v", f)
	row, ok := fact.Find(f[0])
	check.True(ok, "companion: phrases: no predicate %s", f[0])
	p := &predicate{name: f[0], values: f[1], who: whoNames[f[2]], kind: row.Kind}
	for l := range p.forms {
		p.forms[l] = map[string][]string{}
	}
	d.byName[f[0]] = p
	d.predicates = append(d.predicates, p)
	return p
}

// Shares held out, one in so many.
const (
	heldPhrases = 5
	heldValues  = 4
	// fewValues is from how many on a closed list of values is shared out: of the
	// days of the week all are needed.
	fewValues = 12
	// fewPhrases is the same for alternatives.
	fewPhrases = 3
)

// held says whether a text belongs to the share held out.
func held(s string, oneIn uint32) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s))
	x := h.Sum32()
	x ^= x >> 16
	x *= 0x7FEB352D
	x ^= x >> 15
	return x%oneIn == 0
}

// choose draws one of several: from the share of the split, or from all where
// they are too few to share out or none is in it.
func choose[T any](r *rand.Rand, split Split, all []T, few int, isHeld func(T) bool) T {
	if len(all) >= few {
		for range 64 {
			x := all[r.IntN(len(all))]
			if isHeld(x) == (split == Test) {
				return x
			}
		}
	}
	if split == Train && len(all) >= few {
		for _, x := range all { // nearly all are held out
			if !isHeld(x) {
				return x
			}
		}
	}
	return all[r.IntN(len(all))]
}
