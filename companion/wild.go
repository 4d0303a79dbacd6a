package companion

import (
	"slices"
	"strings"
	"sync"
	"unicode"
)

// wild is the share of the values of a training sample that stand in no list
// of their kind: there are so few of those that a model learns them by heart
// sooner than it learns to copy what was said, and then it has no way to say a
// word that it has not met.
const wild = 0.45

// tame are kinds of values whose form carries what they are.
var tame = []string{"relation", "animal", "date", "number", "digits", "size", "clock", "floor", "weekday"}

// hoard is what wild values are made of: the values of the Train split of all
// kinds, and the characters of all Chinese lines.
type hoard struct {
	values []value
	held   map[string]bool // values of the Test split
	han    []rune
}

var theHoard = sync.OnceValue(func() *hoard {
	h := &hoard{held: map[string]bool{}}
	seen := map[rune]bool{}
	add := func(s string) {
		for _, r := range s {
			if unicode.Is(unicode.Han, r) && r != '的' && !seen[r] {
				seen[r] = true
				h.han = append(h.han, r)
			}
		}
	}
	for kind, all := range files().lexicon {
		for _, v := range all {
			if held(kind+v[0], heldValues) {
				h.held[strings.ToLower(v[0])], h.held[v[1]] = true, true
			} else if !slices.Contains(tame, kind) {
				h.values = append(h.values, v)
			}
		}
	}
	for _, text := range []string{lexiconText, talkText, sayText, phrasesText, moreText("more_lexicon"), moreText("more_zh"), moreText("more_talk"), moreText("chatter")} {
		add(text)
	}
	slices.SortFunc(h.values, func(a, b value) int { return strings.Compare(a[0]+"="+a[1], b[0]+"="+b[1]) })
	slices.Sort(h.han)
	return h
})

// holds reports whether a value is one of the Test split, or has one within.
func (h *hoard) holds(v value) bool {
	return h.held[strings.ToLower(v[0])] || h.held[v[1]] ||
		slices.ContainsFunc(strings.FieldsFunc(strings.ToLower(v[0]), func(r rune) bool { return r == ' ' || r == '-' }), func(word string) bool { return h.held[word] })
}

// wildValue makes a value that is nothing: one of another kind, or halves of
// two, or sounds. What happens to be held out is drawn again.
func (w *writer) wildValue(kind string, own value) value {
	h := theHoard()
	for {
		if v := w.anything(kind, own); !h.held[strings.ToLower(v[0])] && !h.held[v[1]] {
			return v
		}
	}
}

// stranger is somebody whom no list has: my mum, my plumber, my teapot, my gloun.
func (w *writer) stranger(kind string, own value) value {
	if w.chance(kinShare) {
		return w.kin(kind)
	}
	h := theHoard()
	for {
		v := w.listed("job")
		switch at := w.r.Float64(); {
		case w.chance(longerShare):
			v = w.longer(kind, own)
		case at < 0.3:
		case at < 0.5:
			other := h.values[w.r.IntN(len(h.values))]
			words := strings.Fields(strings.ToLower(other[0]))
			v = value{words[len(words)-1], w.han(1 + w.r.IntN(3))}
		case at < 0.8:
			v = value{w.spliced(own[0], h.values[w.r.IntN(len(h.values))][0]), w.mutant(own[1])}
		default:
			v = value{strings.ToLower(w.syllables(1 + w.r.IntN(2))), w.han(2)}
		}
		if v[0] != "user" && !h.holds(v) && !slices.ContainsFunc(files().kin[kind], func(k value) bool { return k[0] == v[0] || k[1] == v[1] }) {
			return v
		}
	}
}

// longerShare is that of strangers of several words.
const longerShare = 0.5

// longer makes somebody of several words, that begin or end with one that lists
// have or not: my little aunt, my chess club friend, my boss's wife, my fat cat.
func (w *writer) longer(kind string, own value) value {
	pick := func(name string) value {
		all := files().kin[name]
		return all[w.r.IntN(len(all))]
	}
	known := func() value {
		if w.chance(kinShare) {
			return w.kin(kind)
		}
		return own
	}
	before := func(a, b value) value {
		if en, ok := strings.CutSuffix(a[0], "-"); ok {
			return value{en + "-" + b[0], a[1] + b[1]}
		}
		return value{a[0] + " " + b[0], a[1] + b[1]}
	}
	at := w.r.Float64()
	switch {
	case kind == "animal":
		return before(pick("coat"), known())
	case at < 0.4:
		return before(pick("how"), known())
	case at < 0.8:
		v := before(pick("circle"), pick("fellow"))
		if w.chance(0.2) {
			v = before(pick("how"), v)
		}
		return v
	}
	a, b := known(), w.kin(kind)
	return value{a[0] + "'s " + b[0], a[1] + "的" + b[1]}
}

func (w *writer) anything(kind string, own value) value {
	h := theHoard()
	other := h.values[w.r.IntN(len(h.values))]
	switch at := w.r.Float64(); {
	case at < 0.2 && kind != "name":
		return other
	case at < 0.7:
		return value{w.spliced(own[0], other[0]), w.han(1 + w.r.IntN(4))}
	case at < 0.85:
		return value{w.inPlace(own[0], w.syllables(1+w.r.IntN(3))), w.mutant(own[1])}
	}
	return value{w.spliced(w.spliced(own[0], other[0]), h.values[w.r.IntN(len(h.values))][0]), w.mutant(own[1])}
}

// spliced puts the end of another's word in the place of a word's end.
func (w *writer) spliced(own, other string) string {
	words := strings.Fields(other)
	from := words[w.r.IntN(len(words))]
	mine := strings.Fields(own)
	at := mine[len(mine)-1]
	word := at[:1+w.r.IntN(min(len(at), 4))] + from[w.r.IntN(len(from)):]
	return w.inPlace(own, strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && r != '-' {
			return -1
		}
		return r
	}, word))
}

// inPlace puts a word in the place of a value's last one, as it is written.
func (w *writer) inPlace(own, word string) string {
	at := strings.LastIndexByte(own, ' ') + 1
	if word == "" || at == len(own) {
		return own
	}
	first := word[:1]
	if unicode.IsUpper(rune(own[at])) {
		first = strings.ToUpper(first)
	} else {
		first = strings.ToLower(first)
	}
	return own[:at] + first + strings.ToLower(word[1:])
}

// han is so many Chinese characters.
func (w *writer) han(n int) string {
	h := theHoard()
	s := make([]rune, n)
	for i := range s {
		s[i] = h.han[w.r.IntN(len(h.han))]
	}
	return string(s)
}

// mutant changes a Chinese value's end.
func (w *writer) mutant(own string) string {
	r := []rune(own)
	at := 0
	if len(r) > 1 {
		at = len(r)/2 + w.r.IntN(len(r)-len(r)/2)
	}
	return string(r[:at]) + w.han(1+w.r.IntN(2)) + string(r[min(len(r), at+1):])
}
