package memory

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kuai/internal/report"
	"kuai/serve/upstream"
)

func values(rep *report.Report) map[string]float64 {
	got := map[string]float64{}
	for _, b := range rep.Bars {
		if b.Value != nil {
			got[b.Name] = *b.Value
		}
	}
	return got
}

// knower answers as it was told to, if the pack has what it needs.
type knower map[string]string

func (k knower) Answer(_ context.Context, pack, question string) (string, error) {
	for need, reply := range k {
		if strings.Contains(pack, need) && strings.Contains(question, strings.Fields(reply)[0]) {
			return strings.TrimPrefix(reply, strings.Fields(reply)[0]+" "), nil
		}
	}
	return "You haven't told me.", nil
}
func (knower) Tokens(text string) int { return len(text)/3 + 1 }

// TestLocomoAnswers scores the replies to a small conversation's questions.
func TestLocomoAnswers(t *testing.T) {
	t.Parallel()
	set, err := parseLoCoMo(strings.NewReader(smallLoCoMo))
	if err != nil {
		t.Fatal(err)
	}
	who := knower{"plum": "bake A cake", "attic": "violin the attic"}
	rep, err := LocomoAnswers(t.Context(), set, who, AnswersConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	got := values(rep)
	for name, want := range map[string]float64{
		"f1_single": 2. / 3, "f1_multi": 0.5, "f1_temporal": 0, "refused": 0, "refused_own_words": 1, "evidence": 1,
		"f1": (2./3 + 0.5) / 3, "f1_all": (2./3 + 0.5) / 4,
	} {
		if math.Abs(got[name]-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	if got["f1_of_best_line"] == 0 {
		t.Error("the best line says nothing")
	}
}

// TestUpstream asks a model of another server, and is told what goes wrong.
func TestUpstream(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Messages []Message }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/v1/chat/completions" || in.Messages[0].Content != TaskAnswer {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": Message{Role: "assistant", Content: " " + in.Messages[1].Content + "\n"}}}})
	}))
	defer s.Close()
	c, err := upstream.New(s.URL+"/v1#m", "")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := NewUpstream(c, TaskAnswer).Answer(t.Context(), "pack", "question"); err != nil || got != "pack\nquestion" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := NewUpstream(c, "else").Answer(t.Context(), "", ""); err == nil {
		t.Error("no error")
	}
	if n := NewUpstream(c, "").Tokens("four"); n != 2 {
		t.Errorf("%d tokens", n)
	}
}
