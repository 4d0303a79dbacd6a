package converse

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"kuai/companion/fact"
)

// speller says which lines can be written of a turn: what is in them stands in
// the turn, or in the table of predicates. A small model knows which word is
// meant sooner than it can spell one that it has hardly met; this spells for it.
type speller struct {
	turn   string // in small letters
	said   string // as it was written
	shouts bool   // has capital letters, so that a name would have one
}

func newSpeller(turn string) speller {
	return speller{lower(turn), turn, strings.ContainsFunc(turn, unicode.IsUpper)}
}

// lower makes small letters of ASCII ones: what is written so far may end amid
// a character.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// may says whether lines that end with the present text can be completed.
func (s speller) may(lines string) bool {
	lines = lower(lines)
	at := strings.LastIndexByte(lines, '\n') + 1
	if at > 0 {
		before := lines[:at-1]
		if !s.whole(before[strings.LastIndexByte(before, '\n')+1:]) {
			return false
		}
	}
	fields := strings.Split(lines[at:], "|")
	last := len(fields) - 1
	for i, f := range fields[:last] {
		if !s.field(i, f) {
			return false
		}
	}
	return last < 4 && s.begins(last, fields[last])
}

// whole says whether a line is complete.
func (s speller) whole(line string) bool {
	line = lower(line)
	if line == fact.Nothing {
		return true
	}
	if !utf8.ValidString(line) || strings.Contains(line, "\n") {
		return false
	}
	fields := strings.Split(line, "|")
	for i, f := range fields {
		if i > 3 || !s.field(i, f) {
			return false
		}
	}
	return len(fields) >= 3
}

// field says whether a field is complete.
func (s speller) field(i int, f string) bool {
	f = strings.TrimSpace(f)
	switch i {
	case 0:
		return f == fact.User || f != "" && s.stands(f, true, true)
	case 1:
		name := strings.TrimPrefix(f, "not ")
		_, known := fact.Find(name)
		return known || f == "?"
	case 2:
		return f == "?" || f != "" && s.stands(f, true, false)
	}
	return f != ""
}

// begins says whether a field can be completed.
func (s speller) begins(i int, f string) bool {
	f = strings.TrimLeft(f, " ")
	if f == "" {
		return true
	}
	switch i {
	case 0:
		return strings.HasPrefix(fact.User+" ", f) || strings.HasPrefix(fact.Nothing, f) || s.goesOn(f, true)
	case 1:
		if strings.HasPrefix("? ", f) || strings.HasPrefix("not ", f) {
			return true
		}
		name := strings.TrimPrefix(f, "not ")
		for _, p := range fact.Predicates() {
			if strings.HasPrefix(p.Name+" ", name) {
				return true
			}
		}
		return false
	case 2:
		return strings.HasPrefix("? ", f) || s.goesOn(f, false)
	}
	return strings.Trim(f, "0123456789-? ") == ""
}

// goesOn says whether text stands in the turn, from the beginning of a word.
func (s speller) goesOn(f string, whom bool) bool {
	return s.stands(f, false, whom) || strings.HasSuffix(f, " ") && s.stands(strings.TrimRight(f, " "), true, whom)
}

// stands says whether text is in the turn from the beginning of a word, and
// with ended to the end of one; with whom only where it may be somebody: after
// my or our, or with a capital letter.
func (s speller) stands(f string, ended, whom bool) bool {
	for from := 0; ; {
		at := strings.Index(s.turn[from:], f)
		if at < 0 {
			return false
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(s.turn[:at])
		after, _ := utf8.DecodeRuneInString(s.turn[at+len(f):])
		first, _ := utf8.DecodeRuneInString(f)
		last, _ := utf8.DecodeLastRuneInString(f)
		if whom && s.shouts && letter(first) && !s.somebody(at) {
			from = at + 1
			continue
		}
		if (!letter(before) || !letter(first)) && (!ended || !letter(last) || !letter(after)) {
			return true
		}
		from = at + 1
	}
}

// somebody says whether the word at a place may be whom a sentence is about.
func (s speller) somebody(at int) bool {
	before := s.turn[:at]
	return s.said[at] >= 'A' && s.said[at] <= 'Z' || strings.HasSuffix(before, "my ") || strings.HasSuffix(before, "our ")
}

// letter says whether a rune is part of a word that is written with letters.
func letter(r rune) bool {
	return (unicode.IsLetter(r) || unicode.IsDigit(r)) && !unicode.Is(unicode.Han, r) && r != utf8.RuneError
}
