package card

import (
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
)

// maxMacros bounds the replacements in a text, which may make the text longer.
const maxMacros = 4096

// Macros replaces what cards write in double braces, in any case: {{char}},
// {{user}}, {{random:a,b}}, {{pick:a,b}} (the same each time in a
// conversation), {{roll:d6}}, {{reverse:x}}, {{original}}, and comments, which
// vanish. What it does not know stays as it is.
type Macros struct {
	Char, User string
	Original   string // what a system prompt replaces
	Rand       *rand.Rand
	Pick       uint64 // of the conversation
}

// Expand replaces the macros of a text. What they stand for is not looked
// through again.
func (m Macros) Expand(s string) string {
	var b strings.Builder
	for range maxMacros {
		from := strings.Index(s, "{{")
		if from < 0 {
			break
		}
		end := strings.Index(s[from:], "}}")
		if end < 0 {
			break
		}
		b.WriteString(s[:from])
		inner := s[from+2 : from+end]
		if v, ok := m.value(inner, b.Len()); ok {
			b.WriteString(v)
		} else {
			b.WriteString(s[from : from+end+2])
		}
		s = s[from+end+2:]
	}
	b.WriteString(s)
	return b.String()
}

func (m Macros) value(inner string, at int) (string, bool) {
	name, arg, _ := strings.Cut(inner, ":")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "char":
		return m.Char, true
	case "user":
		return m.User, true
	case "original":
		return m.Original, true
	case "random":
		if all := choices(arg); len(all) > 0 && m.Rand != nil {
			return all[m.Rand.IntN(len(all))], true
		}
		return "", true
	case "pick":
		h := fnv.New64a()
		_, _ = h.Write([]byte(strconv.Itoa(at) + inner))
		if all := choices(arg); len(all) > 0 {
			return all[(h.Sum64()^m.Pick)%uint64(len(all))], true
		}
		return "", true
	case "roll":
		digits := strings.ToLower(strings.TrimSpace(arg)) // 20, d20 or 1d20
		n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(digits, "1d"), "d"))
		if err != nil || n < 1 || m.Rand == nil {
			return "", true
		}
		return strconv.Itoa(1 + m.Rand.IntN(n)), true
	case "reverse":
		r := []rune(arg)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		return string(r), true
	case "comment", "hidden_key":
		return "", true
	}
	if strings.HasPrefix(strings.TrimSpace(inner), "//") {
		return "", true
	}
	return "", false
}

func choices(arg string) []string {
	sep := ","
	if !strings.Contains(arg, ",") {
		sep = ":"
	}
	var all []string
	for c := range strings.SplitSeq(arg, sep) {
		all = append(all, strings.TrimSpace(c))
	}
	return all
}
