package score

import (
	"fmt"
	"strings"
	"unicode"
)

// Categories of LoCoMo's questions.
const (
	LocomoMulti    = 1 + iota // several turns answer: the mean over the answer's parts
	LocomoTemporal            // when
	LocomoOpen                // what follows; the answer ends at a semicolon
	LocomoSingle              // one turn answers
	LocomoNever               // never said: the reply must say so in the scorer's words
)

// LoCoMo scores a reply to a question of a category as the set's own scorer
// does, from 0 to 1.
//
// Source: snap-research/locomo, branch code, task_eval/evaluation.py.
func LoCoMo(category int, reply, answer string) (float64, error) {
	switch category {
	case LocomoMulti:
		return partsF1(reply, answer), nil
	case LocomoOpen:
		answer, _, _ = strings.Cut(answer, ";")
		return F1(reply, strings.TrimFunc(answer, isSpace)), nil
	case LocomoTemporal, LocomoSingle:
		return F1(reply, answer), nil
	case LocomoNever:
		reply = strings.ToLower(reply)
		if strings.Contains(reply, "no information available") || strings.Contains(reply, "not mentioned") {
			return 1, nil
		}
		return 0, nil
	}
	return 0, fmt.Errorf("score: category %d, want 1 to 5", category)
}

// F1 is the harmonic mean of the shares of the reply's words that are in the
// answer and of the answer's that are in the reply, by their stems, without
// articles.
func F1(reply, answer string) float64 {
	got, want := stems(reply), stems(answer)
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	same := 0
	for _, w := range got {
		if left[w] > 0 {
			left[w]--
			same++
		}
	}
	if same == 0 {
		return 0
	}
	precision, recall := float64(same)/float64(len(got)), float64(same)/float64(len(want))
	return 2 * precision * recall / (precision + recall)
}

// partsF1 is the mean, over the parts of the answer between commas, of the
// best F1 of any part of the reply.
func partsF1(reply, answer string) float64 {
	replies, answers := strings.Split(reply, ","), strings.Split(answer, ",")
	sum := 0.0
	for _, a := range answers {
		best := 0.0
		for _, r := range replies {
			best = max(best, F1(r, a))
		}
		sum += best
	}
	return sum / float64(len(answers))
}

// stems are a text's words as they are compared.
func stems(s string) []string {
	s = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
			return -1
		}
		return r
	}, strings.ToLower(s))
	words := strings.FieldsFunc(withoutArticles(s), isSpace)
	for i, w := range words {
		words[i] = Stem(w)
	}
	return words
}

// withoutArticles puts a space for a, an, the and and.
func withoutArticles(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := strings.IndexFunc(s, isWord)
		if n < 0 {
			break
		}
		b.WriteString(s[:n])
		s = s[n:]
		end := strings.IndexFunc(s, func(r rune) bool { return !isWord(r) })
		if end < 0 {
			end = len(s)
		}
		switch s[:end] {
		case "a", "an", "the", "and":
			b.WriteByte(' ')
		default:
			b.WriteString(s[:end])
		}
		s = s[end:]
	}
	return b.String() + s
}

func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}

// isSpace is what Python parts words at.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }
