package companion

import (
	"math/rand/v2"
	"strings"
	"testing"

	"kuai/companion/fact"
)

// TestQuiz checks that the answer of every quiz is right by its own judgement,
// and that what it says stands in the pack.
func TestQuiz(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		for kind := range QuizKinds {
			for _, l := range []fact.Language{fact.English, fact.Chinese} {
				q := NewQuiz(rand.New(rand.NewPCG(seed, uint64(kind))), Split(seed%2), l, kind)
				if v := q.Judge(q.Answer); !v.Right && (kind != QuizSeveral || strings.Contains(q.Answer, q.Accept[0])) {
					t.Errorf("%v: %q to %q is judged %+v: %q", kind, q.Answer, q.Ask, v, q.Accept)
				}
				for _, s := range q.Accept {
					if kind != QuizTime && !strings.Contains(strings.ToLower(q.Pack), strings.ToLower(s)) {
						t.Errorf("%v: %q does not say %q", kind, q.Pack, s)
					}
				}
			}
		}
	}
}
