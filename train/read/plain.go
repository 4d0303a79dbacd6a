package read

import (
	"math/rand/v2"
	"strings"
	"unicode"

	"kuai/reader"
	"kuai/train/talk"
)

// plainShare is that of a step's turns that are lines of texts which speak of
// nobody whom the reader would remember: made turns alone teach it that nearly
// everything tells something.
const plainShare = 0.2

// persons are words of lines that may tell something of the user, or of somebody
// mentioned before, an animal too.
var persons = func() map[string]bool {
	all := map[string]bool{}
	for w := range strings.FieldsSeq("i me my mine myself i'm i've i'd i'll im ive we us our ours ourselves we're we've we'd we'll " +
		"he him his himself he's he'd he'll she her hers herself she's she'd she'll they them their theirs themselves they're they've they'd they'll " +
		"it 我 咱 俺 他 她") {
		all[w] = true
	}
	return all
}()

// names begin lines of Chinese that are about somebody.
var names = []string{"汤姆", "玛丽", "约翰", "本人", "杰克", "麦克", "迈克"}

// plain draws a line of a text that tells nothing.
func (k *Task) plain(r *rand.Rand) (example, bool) {
	text := lineOf(k.Corpora[r.IntN(len(k.Corpora))], r)
	e := example{text: text, units: reader.Units(text)}
	if !k.impersonal(e) {
		return e, false
	}
	e.labels = reader.Labels{Kind: reader.Nothing, Tags: make([]int32, len(e.units))}
	return e, true
}

// Impersonal returns what says of lines whether they speak of nobody in
// particular, neither of who speaks nor of another; words that the texts write
// in small letters too are no names.
func Impersonal(corpora []*talk.Corpus) func(line string) bool {
	k := &Task{small: smallWords(corpora)}
	return func(line string) bool { return k.impersonal(example{text: line, units: reader.Units(line)}) }
}

// impersonal says whether a line speaks of nobody in particular: neither of who
// speaks, nor of somebody mentioned before, nor of one whose name it begins with.
func (k *Task) impersonal(e example) bool {
	if len(e.units) < 2 || len(e.units) > 48 {
		return false
	}
	for _, u := range e.units {
		if persons[u.Word] {
			return false
		}
	}
	for _, name := range names {
		if strings.HasPrefix(e.text, name) {
			return false
		}
	}
	for _, u := range e.units {
		if first := rune(u.Word[0]); first < 'a' || first > 'z' {
			continue // a mark
		}
		written := e.text[u.From:u.To]
		return !unicode.IsUpper(rune(written[0])) || k.small[u.Word]
	}
	return true
}

// smallWords are the words that texts write in small letters: others that a
// line begins with are names.
func smallWords(corpora []*talk.Corpus) map[string]bool {
	r := rand.New(rand.NewPCG(1, 0x5A11))
	small := map[string]bool{}
	for _, c := range corpora {
		for range 20_000 {
			text := lineOf(c, r)
			for _, u := range reader.Units(text) {
				if text[u.From] >= 'a' && text[u.From] <= 'z' {
					small[u.Word] = true
				}
			}
		}
	}
	return small
}

// lineOf draws a line of a text.
func lineOf(c *talk.Corpus, r *rand.Rand) string {
	doc := c.Document(r)
	text := doc[r.IntN(len(doc))].Text
	if lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' }); len(lines) > 0 {
		text = lines[r.IntN(len(lines))]
	}
	return text
}
