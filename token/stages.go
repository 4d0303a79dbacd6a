package token

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"golang.org/x/text/unicode/norm"
)

// maxGrowth bounds how many times longer normalisers may make a text.
const maxGrowth = 1 << 10

// growth is how many times longer a normaliser can make a text, about.
func (s *stage) growth() int {
	most := 1
	if s.Type == "Replace" {
		most = max(1, (len(s.Content)+len(s.Pattern.String))/max(1, len(s.Pattern.String)))
	}
	if s.Type == "Prepend" {
		most += len(s.Prepend)
	}
	for i := range s.Normalizers {
		if most *= s.Normalizers[i].growth(); most > maxGrowth {
			return most
		}
	}
	return most
}

// normalizer returns what a normaliser does, nil for nothing.
func (s *stage) normalizer() (func(string) string, error) {
	if s == nil {
		return nil, nil
	}
	if s.growth() > maxGrowth {
		return nil, fmt.Errorf("the normalizer makes text more than %d times longer", maxGrowth)
	}
	switch s.Type {
	case "NFC":
		return norm.NFC.String, nil
	case "NFD":
		return norm.NFD.String, nil
	case "NFKC":
		return norm.NFKC.String, nil
	case "NFKD":
		return norm.NFKD.String, nil
	case "Lowercase":
		return lower, nil
	case "ByteLevel":
		return nil, nil // bytes are what the model begins with
	case "Prepend":
		return func(text string) string { return s.Prepend + text }, nil
	case "Strip":
		return s.strip, nil
	case "Replace":
		return s.replacer()
	case "Sequence":
		return s.normalizers()
	case "Precompiled":
		if s.Charsmap == nil || *s.Charsmap == "" {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("a normalizer of type %q cannot be read", s.Type)
}

func (s *stage) normalizers() (func(string) string, error) {
	var all []func(string) string
	for i := range s.Normalizers {
		f, err := s.Normalizers[i].normalizer()
		if err != nil {
			return nil, err
		}
		if f != nil {
			all = append(all, f)
		}
	}
	return func(text string) string {
		for _, f := range all {
			text = f(text)
		}
		return text
	}, nil
}

// lower is strings.ToLower, but one capital has a small letter of two characters.
func lower(text string) string {
	return strings.ToLower(strings.ReplaceAll(text, "İ", "i\u0307"))
}

func (s *stage) strip(text string) string {
	if s.StripLeft == nil || *s.StripLeft {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
	}
	if s.StripRight == nil || *s.StripRight {
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	}
	return text
}

func (s *stage) replacer() (func(string) string, error) {
	if s.Pattern.Regex == "" {
		if s.Pattern.String == "" {
			return nil, errors.New("a normalizer of type \"Replace\" has no pattern")
		}
		return func(text string) string { return strings.ReplaceAll(text, s.Pattern.String, s.Content) }, nil
	}
	match, err := matcher(s.Pattern.Regex)
	if err != nil {
		return nil, err
	}
	return func(text string) string {
		var b strings.Builder
		match(text, func(piece string, hit bool) {
			if hit {
				piece = s.Content
			}
			b.WriteString(piece)
		})
		return b.String()
	}, nil
}

// splitter returns what a pre-tokenizer does, nil for nothing.
func (s *stage) splitter() (splitter, error) {
	if s == nil {
		return nil, nil
	}
	switch s.Type {
	case "ByteLevel":
		return s.byteLevel(), nil
	case "Split":
		return s.splits()
	case "Digits":
		if s.Individual {
			return singleDigits, nil
		}
		return runs(isNumber), nil
	case "Whitespace":
		return words, nil
	case "WhitespaceSplit":
		return fields, nil
	case "Punctuation":
		if s.Behavior == "" {
			return punctuation, nil
		}
		return s.behave(marks)
	case "Metaspace":
		if s.Replacement != "" && s.Replacement != spacePiece {
			return nil, fmt.Errorf("a Metaspace that writes spaces as %.20q cannot be read", s.Replacement)
		}
		return s.metaspace(), nil
	case "Sequence":
		var all splitter
		for i := range s.PreTokenizers {
			next, err := s.PreTokenizers[i].splitter()
			if err != nil {
				return nil, err
			}
			switch {
			case next == nil:
			case all == nil:
				all = next
			default:
				all = then(all, next)
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("a pre_tokenizer of type %q cannot be read", s.Type)
}

func (s *stage) byteLevel() splitter {
	var split splitter
	if s.UseRegex == nil || *s.UseRegex {
		split = gpt2.split
	}
	if s.AddPrefix != nil && *s.AddPrefix {
		rest := split
		return func(text string, yield func(string)) {
			if !strings.HasPrefix(text, " ") {
				text = " " + text
			}
			if rest == nil {
				yield(text)
				return
			}
			rest(text, yield)
		}
	}
	return split
}

// prepends returns when a space is put before a text: always, first or never.
func (s *stage) prepends() string {
	switch {
	case s.Scheme != "":
		return s.Scheme
	case s.AddPrefix != nil && !*s.AddPrefix:
		return "never"
	}
	return "always"
}

// lead returns what a Metaspace of the scheme first puts before a text.
func (s *stage) lead() (string, error) {
	switch {
	case s == nil:
		return "", nil
	case s.Type == "Metaspace" && s.prepends() == "first":
		return spacePiece, nil
	case s.Type != "Metaspace" && s.Type != "Sequence" && !s.has("Metaspace"):
		return "", nil
	}
	for i := range s.PreTokenizers {
		mark, err := s.PreTokenizers[i].lead()
		if err != nil || mark != "" && i > 0 {
			return "", errors.Join(err, errors.New("a Metaspace that marks the first word must be the first pre_tokenizer"))
		}
		if mark != "" {
			return mark, nil
		}
	}
	return "", nil
}

// metaspace writes spaces as the replacement, which then begins words.
func (s *stage) metaspace() splitter {
	const mark = spacePiece
	prefix := s.prepends() == "always"
	cut := s.Split == nil || *s.Split
	return func(text string, yield func(string)) {
		text = strings.ReplaceAll(text, " ", mark)
		if prefix && !strings.HasPrefix(text, mark) {
			text = mark + text
		}
		if !cut {
			yield(text)
			return
		}
		for text != "" {
			at := -1
			if _, size := utf8.DecodeRuneInString(text); size < len(text) {
				if at = strings.Index(text[size:], mark); at >= 0 {
					at += size
				}
			}
			if at < 0 {
				yield(text)
				return
			}
			yield(text[:at])
			text = text[at:]
		}
	}
}

// splits is a Split by a regular expression or a text.
func (s *stage) splits() (splitter, error) {
	if known, ok := knownPatterns[s.Pattern.Regex]; ok && s.Behavior == "Isolated" && !s.Invert {
		return known, nil
	}
	if known, ok := knownPatterns[s.Pattern.Regex]; ok && s.Behavior == "Removed" && s.Invert {
		return known, nil // all matches, and everything matches
	}
	expr := s.Pattern.Regex
	if expr == "" {
		expr = regexp2.Escape(s.Pattern.String)
	}
	match, err := matcher(expr)
	if err != nil {
		return nil, err
	}
	return s.behave(match)
}

// behave says what happens to the pieces between matches.
func (s *stage) behave(match func(string, func(string, bool))) (splitter, error) {
	switch s.Behavior {
	case "Isolated":
		return func(text string, yield func(string)) { match(text, func(p string, _ bool) { yield(p) }) }, nil
	case "Removed":
		return func(text string, yield func(string)) {
			match(text, func(p string, hit bool) {
				if hit == s.Invert {
					yield(p)
				}
			})
		}, nil
	case "Contiguous":
		return func(text string, yield func(string)) {
			var held strings.Builder
			was := false
			match(text, func(p string, hit bool) {
				if hit != was {
					yield(held.String())
					held.Reset()
					was = hit
				}
				held.WriteString(p)
			})
			yield(held.String())
		}, nil
	case "MergedWithPrevious":
		return func(text string, yield func(string)) {
			held := ""
			match(text, func(p string, hit bool) {
				if hit != s.Invert {
					yield(held + p)
					held = ""
					return
				}
				if held != "" {
					yield(held)
				}
				held = p
			})
			yield(held)
		}, nil
	case "MergedWithNext":
		return func(text string, yield func(string)) {
			held := ""
			match(text, func(p string, hit bool) {
				if hit != s.Invert {
					yield(held)
					held = p
					return
				}
				yield(held + p)
				held = ""
			})
			yield(held)
		}, nil
	}
	return nil, fmt.Errorf("a Split with behavior %q cannot be read", s.Behavior)
}

// The expressions that are matched by hand.
const (
	gpt2Pattern   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	llama3Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Pattern  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	o200kPattern  = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

var knownPatterns = map[string]splitter{
	gpt2Pattern: gpt2.split, llama3Pattern: llama3.split, qwen2Pattern: qwen2.split, o200kPattern: o200k.split,
}

// matchTimeout bounds expressions that backtrack without end, which only a
// hostile file has.
const matchTimeout = 10 * time.Second

// wordClass writes \w out: the reference counts all marks and numbers in it.
func wordClass(expr string) string {
	const class = `\p{L}\p{M}\p{N}\p{Pc}`
	var b strings.Builder
	inside := false
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case c == '\\' && i+1 < len(expr):
			i++
			switch {
			case expr[i] == 'w' && inside:
				b.WriteString(class)
			case expr[i] == 'w':
				b.WriteString("[" + class + "]")
			case expr[i] == 'W' && !inside:
				b.WriteString("[^" + class + "]")
			default:
				b.WriteString(expr[i-1 : i+1])
			}
			continue
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		}
		b.WriteByte(c)
	}
	return b.String()
}

// matcher compiles an expression that is not known; the function cuts a text
// into what matches and what does not.
func matcher(expr string) (func(text string, yield func(piece string, hit bool)), error) {
	re, err := regexp2.Compile(wordClass(expr), regexp2.Unicode)
	if err != nil {
		return nil, fmt.Errorf("the regular expression %.60q: %w", expr, err)
	}
	re.MatchTimeout = matchTimeout
	return func(text string, yield func(string, bool)) {
		chars := []rune(text)
		last := 0
		m, err := re.FindRunesMatch(chars)
		for err == nil && m != nil {
			if m.Index > last {
				yield(string(chars[last:m.Index]), false)
			}
			if m.Length > 0 {
				yield(string(chars[m.Index:m.Index+m.Length]), true)
			}
			last = m.Index + m.Length
			m, err = re.FindNextMatch(m)
		}
		if last < len(chars) {
			yield(string(chars[last:]), false)
		}
	}, nil
}

// runs splits where f begins or ends to hold.
func runs(f func(rune) bool) splitter {
	return func(text string, yield func(string)) {
		for i := 0; i < len(text); {
			end := run(text, i, 0, f)
			if end == i {
				end = run(text, i, 0, func(r rune) bool { return !f(r) })
			}
			yield(text[i:end])
			i = end
		}
	}
}

// words is \w+|[^\w\s]+ .
func words(text string, yield func(string)) {
	word := func(r rune) bool {
		return r == '_' || unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc,
			unicode.Other_Alphabetic, unicode.Join_Control)
	}
	fields(text, func(field string) { runs(word)(field, yield) })
}

// fields drops white space.
func fields(text string, yield func(string)) {
	for f := range strings.FieldsSeq(text) {
		yield(f)
	}
}

// punctuation isolates each mark.
func punctuation(text string, yield func(string)) {
	marks(text, func(p string, _ bool) { yield(p) })
}

// marks cuts a text into punctuation, each mark by itself, and what is none.
func marks(text string, yield func(piece string, hit bool)) {
	mark := func(r rune) bool {
		return unicode.IsPunct(r) || r < utf8.RuneSelf && unicode.IsSymbol(r)
	}
	for i := 0; i < len(text); {
		end := run(text, i, 1, mark)
		hit := end > i
		if !hit {
			end = run(text, i, 0, func(r rune) bool { return !mark(r) })
		}
		yield(text[i:end], hit)
		i = end
	}
}
