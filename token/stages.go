package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"golang.org/x/text/unicode/norm"

	"kuai/token/charsmap"
	"kuai/token/split"
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
	if m, err := s.precompiled(); err == nil && m != nil {
		most = max(most, m.Longest())
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
		m, err := s.precompiled()
		if err != nil || m == nil {
			return nil, err
		}
		return m.Normalize, nil
	}
	return nil, fmt.Errorf("a normalizer of type %q cannot be read", s.Type)
}

// precompiled reads the map of a Precompiled, nil for none.
func (s *stage) precompiled() (*charsmap.Map, error) {
	if s.chars != nil || s.Type != "Precompiled" || s.Charsmap == nil || *s.Charsmap == "" {
		return s.chars, nil
	}
	if len(*s.Charsmap) > base64.StdEncoding.EncodedLen(charsmap.MaxBytes) {
		return nil, fmt.Errorf("precompiled_charsmap: %d characters of base64, more than %d bytes make", len(*s.Charsmap), charsmap.MaxBytes)
	}
	data, err := base64.StdEncoding.DecodeString(*s.Charsmap)
	if err == nil {
		s.chars, err = charsmap.Parse(data)
	}
	if err != nil {
		return nil, fmt.Errorf("precompiled_charsmap: %w", err)
	}
	return s.chars, nil
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
	match, err := split.Compile(s.Pattern.Regex)
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
func (s *stage) splitter() (split.Func, error) {
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
			return split.SingleDigits, nil
		}
		return split.Runs(split.IsNumber), nil
	case "Whitespace":
		return split.Words, nil
	case "WhitespaceSplit":
		return split.Fields, nil
	case "Punctuation":
		if s.Behavior == "" {
			return split.Punctuation, nil
		}
		return s.behave(split.Marks)
	case "Metaspace":
		if s.Replacement != "" && s.Replacement != spacePiece {
			return nil, fmt.Errorf("a Metaspace that writes spaces as %.20q cannot be read", s.Replacement)
		}
		return s.metaspace(), nil
	case "Sequence":
		var all split.Func
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
				all = split.Then(all, next)
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("a pre_tokenizer of type %q cannot be read", s.Type)
}

func (s *stage) byteLevel() split.Func {
	var words split.Func
	if s.UseRegex == nil || *s.UseRegex {
		words, _ = split.ByExpression(split.GPT2)
	}
	if s.AddPrefix != nil && *s.AddPrefix {
		rest := words
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
	return words
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
func (s *stage) metaspace() split.Func {
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
func (s *stage) splits() (split.Func, error) {
	if known, ok := split.ByExpression(s.Pattern.Regex); ok && s.Behavior == "Isolated" && !s.Invert {
		return known, nil
	}
	if known, ok := split.ByExpression(s.Pattern.Regex); ok && s.Behavior == "Removed" && s.Invert {
		return known, nil // all matches, and everything matches
	}
	expr := s.Pattern.Regex
	if expr == "" {
		expr = regexp2.Escape(s.Pattern.String)
	}
	match, err := split.Compile(expr)
	if err != nil {
		return nil, err
	}
	return s.behave(match)
}

// behave says what happens to the pieces between matches.
func (s *stage) behave(match func(string, func(string, bool))) (split.Func, error) {
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
