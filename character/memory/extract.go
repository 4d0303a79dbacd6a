package memory

import (
	"regexp"
	"strings"

	"kuai/character/memory/term"
	"kuai/companion/fact"
)

// Reading is what a turn tells and what it asks for. Turn and Learned of the
// facts are filled in by the thread.
type Reading struct {
	Facts []fact.Fact
	Asked []fact.Query
}

// Reader reads turns: it returns a reading of each.
type Reader interface {
	Read(turns ...Turn) []Reading
}

// NoFacts finds none.
type NoFacts struct{}

// Read finds nothing.
func (NoFacts) Read(turns ...Turn) []Reading { return make([]Reading, len(turns)) }

// Rules finds facts that users state plainly about themselves and those around
// them, by patterns: few, but nearly always right. A model that was trained to
// extract finds more.
type Rules struct{}

// rule is a pattern whose last group is the object; a group before it is the
// subject.
type rule struct {
	predicate string
	pattern   *regexp.Regexp
}

const (
	people  = `(sister|brother|mother|father|mom|dad|best friend|cousin|colleague|neighbou?r|boss|roommate|aunt|uncle|grandmother|grandfather|daughter|son|wife|husband|partner|dog|cat)`
	peopleZ = `(姐姐|妹妹|哥哥|弟弟|妈妈|爸爸|朋友|表妹|同事|邻居|老板|室友|姑姑|舅舅|奶奶|爷爷|女儿|儿子|老婆|老公|狗|猫)`
	proper  = `([A-Z][\w'-]*(?: [A-Z][\w'-]*){0,3})`
	words   = `([a-z][a-z' -]{1,40}?)(?:[.,!;]|$| and | but | because )`
)

var english = []rule{
	{"lives_in", regexp.MustCompile(`\bI (?:live|just moved|moved|have moved|am living)(?: over)? (?:in|to) ` + proper)},
	{"lives_in", regexp.MustCompile(`\b[Mm]y ` + people + ` (?:lives|moved|just moved|has moved) (?:in|to) ` + proper)},
	{"from", regexp.MustCompile(`\bI(?:'m| am| come)(?: originally)? from ` + proper)},
	{"name", regexp.MustCompile(`\b[Mm]y name is ` + proper)},
	{"name", regexp.MustCompile(`\b[Mm]y ` + people + `(?:'s name is| is called| is named) ` + proper)},
	{"works_at", regexp.MustCompile(`\bI work (?:at|for) ` + proper)},
	{"works_as", regexp.MustCompile(`\bI work as an? ` + words)},
	{"works_as", regexp.MustCompile(`\b[Mm]y ` + people + ` works as an? ` + words)},
	{"birthday", regexp.MustCompile(`\b[Mm]y birthday is(?: on)? ((?:the )?\w+ ?(?:of )?\w+)`)},
	{"allergic_to", regexp.MustCompile(`\bI(?:'m| am) allergic to ` + words)},
	{"allergic_to", regexp.MustCompile(`\b[Mm]y ` + people + ` is allergic to ` + words)},
	{"afraid_of", regexp.MustCompile(`\bI(?:'m| am) (?:afraid|scared) of ` + words)},
	{"likes", regexp.MustCompile(`\bI (?:really )?(?:love|like|adore|enjoy) ` + words)},
	{"dislikes", regexp.MustCompile(`\bI (?:really )?(?:hate|can't stand|dislike) ` + words)},
	{"plays", regexp.MustCompile(`\bI play the (\w+)`)},
	{"learns", regexp.MustCompile(`\bI(?:'m| am) (?:learning|studying) ([A-Z]\w+)`)},
	{"collects", regexp.MustCompile(`\bI collect ` + words)},
	{"favorite_food", regexp.MustCompile(`\b[Mm]y favou?rite (?:food|dish) is ` + words)},
	{"favorite_color", regexp.MustCompile(`\b[Mm]y favou?rite colou?r is ` + words)},
}

const han = `([^，。！？、；\s]{1,16}?)(?:[，。！？；\s]|了|$)`

var chinese = []rule{
	{"lives_in", regexp.MustCompile(`我(?:现在)?(?:住在|搬到|搬去)` + han)},
	{"lives_in", regexp.MustCompile(`我` + peopleZ + `(?:现在)?(?:住在|搬到|搬去)` + han)},
	{"from", regexp.MustCompile(`我老家在` + han)},
	{"name", regexp.MustCompile(`我(?:的名字)?叫` + han)},
	{"name", regexp.MustCompile(`我(?:家)?` + peopleZ + `叫` + han)},
	{"works_at", regexp.MustCompile(`我在([^，。！？、；\s]{1,16}?)(?:上班|工作)`)},
	{"birthday", regexp.MustCompile(`我(?:的)?生日(?:是|在)` + han)},
	{"allergic_to", regexp.MustCompile(`我对([^，。！？、；\s]{1,10}?)过敏`)},
	{"allergic_to", regexp.MustCompile(`我` + peopleZ + `对([^，。！？、；\s]{1,10}?)过敏`)},
	{"likes", regexp.MustCompile(`我(?:很|特别|最)?喜欢` + han)},
	{"dislikes", regexp.MustCompile(`我(?:很|特别|最)?(?:讨厌|受不了)` + han)},
	{"afraid_of", regexp.MustCompile(`我(?:很|特别|最)?(?:怕|害怕)` + han)},
	{"learns", regexp.MustCompile(`我在学` + han)},
}

// Read looks for the patterns in what the user says. What is asked for it does
// not tell.
func (r Rules) Read(turns ...Turn) []Reading {
	out := make([]Reading, len(turns))
	for i, t := range turns {
		out[i].Facts = r.facts(t)
	}
	return out
}

func (Rules) facts(turn Turn) []fact.Fact {
	if turn.Speaker != fact.User || isQuestion(turn.Text) {
		return nil
	}
	rules := english
	if term.Chinese(turn.Text) {
		rules = chinese
	}
	var out []fact.Fact
	for _, r := range rules {
		for _, m := range r.pattern.FindAllStringSubmatch(turn.Text, 4) {
			f := fact.Fact{Subject: fact.User, Predicate: r.predicate, Object: strings.TrimSpace(m[len(m)-1])}
			if len(m) > 2 {
				f.Subject = strings.TrimSpace(m[1])
			}
			if f.Object != "" {
				out = append(out, f)
			}
		}
	}
	return out
}

// language tells a text's, or the thread's where it does not show.
func (t *Thread) language(text string) fact.Language {
	if term.Chinese(text) {
		return fact.Chinese
	}
	for _, r := range text {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return fact.English
		}
	}
	return t.opt.Language
}
