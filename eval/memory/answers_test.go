package memory

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kuai/internal/report"
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

// TestServed asks a model that is served, and is told what goes wrong.
func TestServed(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Model    string
			Messages []Message
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer k" {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		if in.Model == "empty" {
			_, _ = io.WriteString(w, `{"choices": []}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": Message{"assistant", " " + in.Messages[1].Content + "\n"}}}})
	}))
	defer s.Close()
	got, err := (&Served{URL: s.URL + "/v1/", Model: "m", Key: "k", Task: TaskAnswer}).Answer(t.Context(), "pack", "question")
	if err != nil || got != "pack\nquestion" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []Served{{URL: s.URL + "/v1", Model: "m"}, {URL: s.URL + "/v1", Model: "empty", Key: "k"}, {URL: "http://127.0.0.1:1/v1"}, {URL: ":"}} {
		if _, err := bad.Answer(t.Context(), "", ""); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
	for text, want := range map[string]int{"": 0, "four": 1, "fours": 2, "你好": 2, "你好ab": 3} {
		if got := (&Served{}).Tokens(text); got != want {
			t.Errorf("%q: %d tokens, want %d", text, got, want)
		}
	}
}
