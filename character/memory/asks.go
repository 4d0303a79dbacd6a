package memory

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"kuai/character/memory/term"
)

// Sentence is a part of a turn, and whether it asks.
type Sentence struct {
	Text string
	Asks bool
}

const verbsEN = `do|does|did|is|are|am|was|were|can|could|will|would|have|has|should|don't|doesn't|isn't|aren't|didn't`

var (
	// what asks though it has no mark: a verb first, or after a question word
	asksEN = regexp.MustCompile(`(?i)^(?:(?:and|but|so|hey|hm+|well|oh|ok|okay|now)[, ]+)?(?:(?:who|whom|whose|what|where|when|why|which|how)(?:'s|((?: [\w'-]+){0,5}?) (?:` + verbsEN + `))\b|(?:` + verbsEN + `) ` + subjectEN + `)`)
	// what stands between them in "what I like is tea", which tells
	insideEN  = regexp.MustCompile(`(?i)\b(?:i|you|we|he|she|they|it|my|your|our|her|his|their)\b`)
	subjectEN = `(?:(?:i|you|we|he|she|they|it|my|your|our|her|his|their|the|a|an|any|some|that|this|there|these|those|every|no)(?:one|body|thing)?\b|(?-i:[A-Z])|\w+ing\b)` // whom a verb that stands first is of; "Don't forget" tells
	// two questions in one sentence
	twoEN = regexp.MustCompile(`(?i),? and (?:what|where|when|who|how|which|do|does|is|are|did)(?:'s|'re)? `)
	// what is put as a question and yet tells
	tellsEN = regexp.MustCompile(`(?i)\b(?:did you know|do you know that (?:i|my|we)\b|did i (?:ever )?(?:tell|mention)|have i (?:told|mentioned)|guess|can you believe|would you believe)\b|^you know\b|,\s*(?:right|huh|ok|okay|eh)\?+$`)
	tellsZH = regexp.MustCompile(`你知道吗|知不知道|(?:跟|和|告诉)过?你(?:说|讲|提|了)?过?|猜猜|是吧|对吧|好吗[？?]?$|[，,](?:是不是)?[很挺真多够太蛮也还]?(?:好听|好看|可爱|漂亮|厉害|不错|有意思|有趣|好玩|好笑|神奇|奇怪|巧|酷|棒|怪|难听)的?[吧吗呢不][？?]?$`)
	// of these, what still asks
	wantsEN = regexp.MustCompile(`(?i)\b(?:do you know|did i (?:ever )?(?:tell|mention) (?:to )?(?:you )?|have i (?:told|mentioned) ?(?:you )?)\s*(?:about|who|whom|whose|what|where|when|why|which|how|if|whether)\b`)
)

// Sentences cuts a turn at the marks that end sentences.
func Sentences(text string) (out []Sentence) {
	add := func(s string) {
		if s = strings.TrimSpace(s); s == "" {
			return
		}
		if at := twoEN.FindStringIndex(s); at != nil && asks(s) {
			out = append(out, Sentence{s[:at[0]] + "?", true})
			s = strings.TrimLeft(s[at[0]:], ", ")[len("and "):]
		}
		out = append(out, Sentence{s, asks(s)})
	}
	from := 0
	for i, r := range text {
		end := i + utf8.RuneLen(r)
		switch {
		case r == utf8.RuneError || i < from:
			continue
		case strings.ContainsRune("。！？；\n", r):
		case strings.ContainsRune(".!?", r) && (end == len(text) || text[end] == ' ' || text[end] == '\n' || text[end] >= utf8.RuneSelf):
		default:
			continue
		}
		for end < len(text) && strings.ContainsRune(".!?", rune(text[end])) {
			end++
		}
		add(text[from:end])
		from = end
	}
	add(text[from:])
	return out
}

// asks says whether a sentence asks and tells nothing by the way.
func asks(s string) bool {
	marked := strings.HasSuffix(s, "?") || strings.HasSuffix(s, "？")
	if term.Chinese(s) {
		bare := strings.TrimRight(s, "?？。.! ！")
		if !marked && !strings.HasSuffix(bare, "吗") && !strings.HasSuffix(bare, "么") {
			return false
		}
		return !tellsZH.MatchString(s)
	}
	if m := asksEN.FindStringSubmatch(s); !marked && (m == nil || insideEN.MatchString(m[1])) {
		return false
	}
	return !tellsEN.MatchString(s) || wantsEN.MatchString(s)
}

// echo says whether what asks is only words said again, which the next sentence
// answers: "Oslo? I was there today."
func echo(s string) bool {
	if term.Chinese(s) {
		if at := strings.LastIndexAny(s, "，,：:"); at >= 0 {
			_, n := utf8.DecodeRuneInString(s[at:])
			s = s[at+n:]
		}
		return utf8.RuneCountInString(s) <= 8 && !strings.ContainsAny(s, "吗呢么谁哪几吧")
	}
	if at := strings.LastIndexAny(s, ",:"); at >= 0 && at+1 < len(s) { // "by the way, Oslo?"
		s = strings.TrimSpace(s[at+1:])
	}
	return len(strings.Fields(s)) <= 3 && !asksEN.MatchString(s)
}

var refersBack = regexp.MustCompile(`(?i)\b(?:there|that's|it's|them)\b|那[里儿边]|这[里儿边]`)

// isQuestion says whether a text asks and tells nothing besides.
func isQuestion(text string) bool {
	text = strings.TrimSpace(text)
	if !strings.HasSuffix(text, "?") && !strings.HasSuffix(text, "？") {
		return false
	}
	return len(text) < 80 || strings.Count(text, ".") == 0
}

var (
	requestEN = regexp.MustCompile(`(?i)\b(?:tell me|remind me|give me|name|list|look up|recall|remember|count|number of|total|do you know|please|who|whom|whose|what|where|when|which|how|whether)\b`)
	requestZH = regexp.MustCompile(`告诉|提醒|说说|记得|忘了|什么|啥|哪|几|多少|谁`)
)

// wants says whether a text asks for something, with a mark or without.
func wants(text string) bool {
	if term.Chinese(text) {
		return isQuestion(text) || requestZH.MatchString(text)
	}
	return isQuestion(text) || requestEN.MatchString(text)
}
