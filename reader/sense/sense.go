// Package sense says what dictionaries know of words: what kind of thing a noun
// names, what a verb is a way of doing, and where words of Chinese begin and
// end. A reader that was trained on some animals thereby knows the others.
//
// What is known of a word is a set of numbers, for rows of a table: the kinds of
// things above it (a labrador is a retriever, a dog, an animal), how Chinese
// characters are cut into words, and their parts of speech. The numbers belong
// to words.gz, and so does every model that was trained with them.
//
// Sources: WordNet 3.0 (Miller, CACM 38(11), 1995); Chinese Open WordNet (Wang
// and Bond, 2013); word list of jieba 0.42.1; words around a character as
// features of it: Ma et al., "Simplify the Usage of Lexicon in Chinese NER",
// arXiv:1908.05969.
package sense

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"kuai/internal/check"
)

//go:embed words.gz
var packed []byte

// Limits of what is looked up.
const (
	longestHan   = 6 // characters of a word
	longestWords = 4 // words of a name such as "guinea pig"
	mostNouns    = 2 // meanings of a word that count
	mostVerbs    = 2
	// general is the depth of what is above so many things that it says nothing.
	general = 3
)

// dictionary is words.gz, unpacked.
type dictionary struct {
	above []int32 // of each synset its hypernym, or itself
	depth []int8
	noun  []bool
	text  string
	lines []uint32 // where each word's line begins, and the end
}

var theDictionary = sync.OnceValue(func() *dictionary {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	check.True(err == nil, "sense: %v", err)
	all, err := io.ReadAll(z)
	check.True(err == nil, "sense: %v", err)
	d := &dictionary{text: string(all)}
	at := 0
	line := func() string {
		n := strings.IndexByte(d.text[at:], '\n')
		s := d.text[at : at+n]
		at += n + 1
		return s
	}
	n := number(line())
	d.above, d.depth, d.noun = make([]int32, n), make([]int8, n), make([]bool, n)
	for i := range d.above {
		up := int32(i) - number(line())
		check.True(up >= 0 && up <= int32(i), "sense: synset %d is below %d", i, up)
		d.above[i] = up
		if up != int32(i) {
			d.depth[i], d.noun[i] = d.depth[up]+1, d.noun[up]
		}
	}
	for at < len(d.text) {
		d.lines = append(d.lines, uint32(at))
		line()
	}
	d.lines = append(d.lines, uint32(at))
	entity := d.find("entity")[0] // above all nouns, and no verb
	for i := range d.noun {
		d.noun[i] = int32(i) == entity || d.above[i] != int32(i) && d.noun[d.above[i]]
	}
	return d
})

func number(s string) int32 {
	n, err := strconv.Atoi(s)
	check.True(err == nil, "sense: %v", err)
	return int32(n)
}

// entry is the line of a word, "" if there is none.
func (d *dictionary) entry(word string) string {
	i := sort.Search(len(d.lines)-1, func(i int) bool { return head(d.text[d.lines[i]:d.lines[i+1]]) >= word })
	if i == len(d.lines)-1 {
		return ""
	}
	if s := d.text[d.lines[i] : d.lines[i+1]-1]; head(s) == word {
		return s[len(word)+1:]
	}
	return ""
}

func head(line string) string { return line[:strings.IndexByte(line, '\t')] }

// find returns the synsets of a word.
func (d *dictionary) find(word string) (out []int32) {
	if s := d.entry(word); s != "" {
		for _, f := range strings.Split(s, "\t")[1:] {
			out = append(out, number(f))
		}
	}
	return out
}

// Kinds of what is known.
const (
	ofThing    = 'H' // a synset at or above the word
	ofPlace    = 'B' // where in a word a character stands, and its length
	ofClass    = 'P' // part of speech of a Chinese word
	ofBegin    = 'b' // the longest word that begins with a character
	ofEnd      = 'e' // the longest that ends with it
	ofCompound = 'm' // where in a name of several words a word stands
)

func known(kind byte, n int) uint32 {
	x := uint32(kind)<<24 ^ uint32(n)
	x ^= x >> 16
	x *= 0x7FEB352D
	x ^= x >> 15
	x *= 0x846CA68B
	return x ^ x>>16
}

// Of returns for each word of a turn, in small letters, or Chinese character, or
// mark, what is known of it. What is in no dictionary, a hidden word say, is
// known for nothing and belongs to no longer word.
func Of(words []string) [][]uint32 {
	d := theDictionary()
	out := make([][]uint32, len(words))
	for i := 0; i < len(words); {
		if n := han(words[i:]); n > 0 {
			d.cut(words[i:i+n], out[i:i+n])
			i += n
			continue
		}
		n, synsets := d.longest(words[i:])
		for j := range n {
			out[i+j] = d.things(nil, synsets)
			if n > 1 {
				out[i+j] = append(out[i+j], known(ofCompound, min(j, 1)+2*min(n-1-j, 1)))
			}
		}
		i += n
	}
	return out
}

// han is how many Chinese characters follow each other.
func han(words []string) int {
	for i, w := range words {
		r, n := utf8.DecodeRuneInString(w)
		if n != len(w) || !unicode.Is(unicode.Han, r) {
			return i
		}
	}
	return len(words)
}

// longest is the longest name that words begin with, of at least one word, and
// what it may name.
func (d *dictionary) longest(words []string) (n int, synsets []int32) {
	for n = min(longestWords, len(words)); n > 1; n-- {
		if last := words[n-1]; len(last) > 1 && last[0] >= 'a' {
			if synsets = d.inflected(strings.Join(words[:n], " ")); len(synsets) > 0 {
				return n, synsets
			}
		}
	}
	if w := words[0]; len(w) > 1 && w[0] >= 'a' && w[0] <= 'z' {
		return 1, d.inflected(w)
	}
	return 1, nil
}

// endings are what words end with, and what stands there in a dictionary.
var endings = [...][2]string{{"", ""}, {"s", ""}, {"es", ""}, {"ies", "y"}, {"ing", ""}, {"ing", "e"}, {"ed", ""}, {"ed", "e"}, {"ied", "y"}}

func (d *dictionary) inflected(word string) []int32 {
	for _, e := range endings {
		stem, ok := strings.CutSuffix(word, e[0])
		if !ok || len(stem) < 2 {
			continue
		}
		if found := d.find(stem + e[1]); len(found) > 0 {
			return found
		}
		if n := len(stem); (e[0] == "ing" || e[0] == "ed") && n > 2 && stem[n-1] == stem[n-2] { // running, stopped
			if found := d.find(stem[:n-1]); len(found) > 0 {
				return found
			}
		}
	}
	return nil
}

// things adds what is at or above the first meanings of a word.
func (d *dictionary) things(out []uint32, synsets []int32) []uint32 {
	left := [2]int{mostVerbs, mostNouns}
	for _, s := range synsets {
		kind := 0
		if d.noun[s] {
			kind = 1
		}
		if left[kind] == 0 {
			continue
		}
		left[kind]--
		for kind == 0 || d.depth[s] >= general {
			if x := known(ofThing, int(s)); !slices.Contains(out, x) {
				out = append(out, x)
			}
			if d.above[s] == s {
				break
			}
			s = d.above[s]
		}
	}
	return out
}

// Weights of cutting Chinese: a word's logarithm is that of its class of
// commonness, less that of all words.
const (
	aClass  = 1.5
	ofAll   = 17.9
	unknown = -2 // class of a character in no dictionary
	rare    = '2'
)

// lattice is, for each character, where the likeliest word that begins with it
// ends, and how long the longest words are that begin and end with it.
func (d *dictionary) lattice(chars []string) (next, begins, ends []int) {
	n := len(chars)
	text := strings.Join(chars, "")
	at := places(chars)
	score := make([]float64, n+1)
	next, begins, ends = make([]int, n+1), make([]int, n), make([]int, n)
	for i := n - 1; i >= 0; i-- {
		score[i], next[i] = unknown*aClass-ofAll+score[i+1], i+1
		for j := i + 1; j <= min(n, i+longestHan); j++ {
			e := d.entry(text[at[i]:at[j]])
			if e == "" {
				continue
			}
			class := byte(rare)
			if e[0] != '-' {
				class = e[1]
			}
			if s := float64(class-'0')*aClass - ofAll + score[j]; s > score[i] {
				score[i], next[i] = s, j
			}
			if j > i+1 {
				begins[i], ends[j-1] = max(begins[i], j-i), max(ends[j-1], j-i)
			}
		}
	}
	return next, begins, ends
}

// places is where characters begin in their text, and its end.
func places(chars []string) []int {
	at := make([]int, len(chars)+1)
	for i, c := range chars {
		at[i+1] = at[i] + len(c)
	}
	return at
}

// cut cuts Chinese characters into the likeliest words and says what is known of
// them.
func (d *dictionary) cut(chars []string, out [][]uint32) {
	n, text, at := len(chars), strings.Join(chars, ""), places(chars)
	next, begins, ends := d.lattice(chars)
	for i := 0; i < n; i = next[i] {
		j := next[i]
		var all []uint32
		for from := i; from < j && len(all) == 0; from++ { // or else of its end
			all = d.things(nil, d.find(text[at[from]:at[j]]))
		}
		if e := d.entry(text[at[i]:at[j]]); e != "" && e[0] != '-' {
			all = append(all, known(ofClass, int(e[0])))
		}
		for k := i; k < j; k++ {
			out[k] = append(slices.Clone(all), known(ofPlace, min(k-i, 2)+4*min(j-1-k, 2)), known(ofBegin, begins[k]), known(ofEnd, ends[k]))
		}
	}
}

// Someone says how many of the words that something begins with, in small
// letters, or Chinese characters, name a person or an animal: three of "book club
// friend is here", two of 继母爱跳舞; 0 for none.
func Someone(words []string) int {
	d := theDictionary()
	if n := min(han(words), longestSomeone+longestHan); n > 0 {
		ends := map[int]bool{}
		next, _, _ := d.lattice(words[:n])
		for i := 0; i < n; i = next[i] {
			ends[next[i]] = true
		}
		for n = min(n, longestSomeone); n > 0; n-- {
			if ends[n] && d.someoneZH(words[:n]) {
				return n
			}
		}
		return 0
	}
	for i, w := range words[:min(len(words), longestSomeone)] {
		switch {
		case w == "-" && i > 0:
		case w == "" || w[0] < 'a' || w[0] > 'z' || slices.Contains(noNoun, w):
			return 0
		case !slices.Contains(seldom, w) && d.being(d.inflected(w)):
			for i+2 < len(words) && words[i+1] == "-" { // in-law
				i += 2
			}
			if i+1 < len(words) && d.onlyNoun(words[i+1]) { // dog food
				continue
			}
			return i + 1
		}
	}
	return 0
}

// Thing says whether a word, in small letters, is a noun that dictionaries have
// for things alone, not for people, their groups or animals.
func Thing(word string) bool {
	d := theDictionary()
	nouns := 0
	for _, s := range d.inflected(word) {
		if d.noun[s] {
			if nouns++; d.under(s, "person", "animal", "group") {
				return false
			}
		}
	}
	return nouns > 0
}

// HasWord says whether a word of several characters, and no name, stands within
// Chinese characters.
func HasWord(chars string) bool {
	d, r := theDictionary(), []rune(chars)
	for i := range r {
		for j := i + 2; j <= len(r); j++ {
			if e := d.entry(string(r[i:j])); e != "" && e[0] != ofName {
				return true
			}
		}
	}
	return false
}

// ofName is the class of names of people.
const ofName = 'r'

// Ends says whether Chinese characters end with a word of several that is in the
// dictionary.
func Ends(chars []string) bool {
	d := theDictionary()
	for n := 2; n <= min(longestHan, len(chars)); n++ {
		if d.entry(strings.Join(chars[len(chars)-n:], "")) != "" {
			return true
		}
	}
	return false
}

// longestSomeone is how many words or characters somebody has.
const longestSomeone = 7

// noNoun are words that end what a noun may be said with.
var noNoun = strings.Fields(`a an and are as at be but by can could did do does for from had has have he her his i if in is it its me mine my no not of on or our
	she so than that the their them they this to us was we were what when where which who whom whose why will with would you your`)

// seldom are adjectives and machines that can be people too, who are seldom meant.
var seldom = strings.Fields(`favorite favourite native local junior senior female male adult human minor major elder younger older best last first
	reader printer speaker player scanner mixer counter drawer heater`)

// onlyNoun says whether a word is a noun and no verb.
func (d *dictionary) onlyNoun(word string) bool {
	all := d.find(word)
	return len(all) > 0 && !slices.ContainsFunc(all, func(s int32) bool { return !d.noun[s] })
}

// someoneZH says whether characters are what somebody is called: nouns, of which
// the last is a person or an animal.
func (d *dictionary) someoneZH(chars []string) bool {
	text := strings.Join(chars, "")
	if kinZH.MatchString(text) || len(chars) > 1 && text != "个人" && d.being(d.find(text)) {
		return true
	}
	for i := 1; i < len(chars); i++ {
		first := strings.Join(chars[:i], "")
		if e := d.entry(first); e != "" && e[0] != '-' && strings.ContainsRune("nabfjst", rune(e[0])) && d.someoneZH(chars[i:]) {
			return true
		}
	}
	return false
}

// kinZH is who belongs to a family or is met every day: the Open Wordnet has few
// of them.
var kinZH = regexp.MustCompile(`^(?:[狗猫兔鸟鱼龟猪羊鸡鸭鹅]|[大小老二三四堂表干前继养义曾外亲]?(?:妈[妈咪]?|爸[爸]?|爹|娘|奶奶?|爷爷?|姥姥|姥爷|婆婆?|公公|哥哥?|姐姐?|弟弟?|妹妹?|姑姑?|姑妈|舅舅?|舅妈|姨妈?|叔叔?|伯[伯父母]|婶婶?|嫂子?|嫂嫂|媳妇|女婿|侄[子女儿]|外甥女?|孙[子女]|老公|老婆|丈夫|妻子?|女儿|儿子|儿媳|男友|女友)|[前继养义干][夫任父母子女]|[教岳祖伯叔姑姨师]?[父母]|教[子女]|[同室校学战战球牌旅网好女男朋队舍]友|[男女]朋友|闺[蜜密]|宝[宝贝]|对象|搭子|[大小]家伙|发小|死党|邻居|房东|总监|主任|主管|经理|部长|局长|院长|校长|科长|队长|店长|会计|编辑|助理|实习生|老板娘?|合伙人|客户|租客|同桌|室友|同[学事桌]|上铺|下铺|上司|下属|组长|班长|社长|[工师徒学导医司保]?[师傅])$`)

// being says whether the first meaning of a noun is a person or an animal: a
// computer can be somebody who computes, too.
func (d *dictionary) being(synsets []int32) bool {
	at := slices.IndexFunc(synsets, func(s int32) bool { return d.noun[s] })
	return at >= 0 && d.under(synsets[at], "person", "animal")
}

// under says whether a meaning is the first one of some words, or below it.
func (d *dictionary) under(s int32, words ...string) bool {
	for {
		for _, w := range words {
			if s == d.find(w)[0] {
				return true
			}
		}
		if d.above[s] == s {
			return false
		}
		s = d.above[s]
	}
}
