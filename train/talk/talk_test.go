package talk

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kuai/companion"
	"kuai/format/safetensors"
	"kuai/grad"
	"kuai/internal/golden"
	"kuai/internal/near"
	"kuai/kernel/gemm"
	"kuai/nn"
	"kuai/token"
	"kuai/train"
)

const fixture = "../../text/testdata/kuai"

// TestGolden compares logits' loss and all gradients with PyTorch's.
func TestGolden(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(fixture, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Read(filepath.Join(fixture, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.Load(m, f); err != nil {
		t.Fatal(err)
	}
	want := golden.Load(t, filepath.Join(fixture, "golden.safetensors"))
	ids, labels := whole(want["tokens"].F32), whole(want["labels"].F32)
	tape := grad.New(nil, nil, gemm.F32)
	x := m.Forward(tape, ids, 1, len(ids))
	loss := nn.HeadLoss(tape, x, m.Embed.W, labels, want["weights"].F32, float32(c.SoftCap), nil)
	near.Check(t, "loss", loss.X, want["loss"].F32, 1e-5)
	tape.Backward(loss)
	for _, p := range nn.Params(m) {
		if g, ok := want["d."+p.Name]; ok {
			near.Check(t, p.Name, p.P.G, g.F32, 5e-5)
		}
	}
}

func whole(x []float32) []int32 {
	ids := make([]int32, len(x))
	for i := range x {
		ids[i] = int32(x[i])
	}
	return ids
}

// learned is a small vocabulary, from a sentence, as a file has it.
func learned(t *testing.T) []byte {
	t.Helper()
	data, err := token.Train(t.Context(), slices.Values([]string{"the cat sat on the mat, the dog on the log. 猫"}), token.TrainConfig{Size: 290, Split: "qwen2", Special: ControlTokens()})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func vocabulary(t *testing.T) *token.Tokenizer {
	t.Helper()
	tok, err := token.FromJSON(learned(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// recall is a source of one fact and a question about it.
func recall(r *rand.Rand) companion.Sample {
	pets, places := []string{"cat", "dog", "log"}, []string{"mat", "log", "猫"}
	pet, place := pets[r.IntN(3)], places[r.IntN(3)]
	return companion.Sample{{Role: companion.User, Text: "the " + pet + " sat on the " + place}, {Role: companion.User, Text: pet}, {Role: companion.Assistant, Text: place, Weight: 1}}
}

// TestTrain trains a small model until it recalls, and checks that rows are a
// function of the step.
func TestTrain(t *testing.T) {
	t.Parallel()
	tok := vocabulary(t)
	c, err := Size("nano", tok.Size())
	if err != nil {
		t.Fatal(err)
	}
	c.HiddenSize, c.Heads, c.HeadDim, c.ExpertWidth, c.FeedForward, c.Experts, c.BigramRows = 32, 2, 16, 32, 64, 4, 64
	c.LayerTypes, c.Layers = []string{Linear, Full}, 2
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), Options{Dir: t.TempDir(), Size: "nano", Vocabulary: 290, Only: "nothing", Sources: []Source{{Name: "recall", Share: 1, Draw: recall}}}); err == nil || !strings.Contains(err.Error(), "no source") {
		t.Errorf("a source that there is not: %v", err)
	}
	task, err := NewTask(m, tok, []Source{{Name: "recall", Share: 1, Draw: recall}}, 512, 120, []Stage{{Until: 1, Length: 64}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := task.Batch(7)
	b, err := task.Batch(7)
	if diff := cmp.Diff(again, b); err != nil || diff != "" {
		t.Errorf("a batch differs from itself: %v %s", err, diff)
	}
	res, err := train.Run(t.Context(), train.Config{Dir: t.TempDir(), Steps: 120, Rate: 5e-3, Warmup: 10, Decay: 40, Clip: 1, Muon: true}, task)
	if err != nil {
		t.Fatal(err)
	}
	tape := grad.NewForward(nil, nil, gemm.F32)
	b, _ = task.Batch(1000)
	loss, _, err := task.Loss(tape, 1000, b)
	if err != nil || loss.X[0] > 0.2 {
		t.Errorf("loss %v after %d steps: %v", loss.X, res.Steps, err)
	}
}

// TestRecall checks that rows of recall are filled, that their questions stand in
// them, and that a training without them draws the same rows as ever.
func TestRecall(t *testing.T) {
	t.Parallel()
	tok := vocabulary(t)
	sources := []Source{
		{Name: "recall of one", Share: 1, Draw: recall},
		{Name: Recall, Draw: recall, Fit: func(r *rand.Rand, bytes int) companion.Sample {
			return companion.Sample{{Role: companion.Text, Text: strings.Repeat("the cat ", bytes/8)}, {Role: companion.User, Text: "cat"}, {Role: companion.Assistant, Text: "log", Weight: 1}}
		}},
	}
	c, err := Size("nano", tok.Size())
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(c, 1)
	if err != nil {
		t.Fatal(err)
	}
	batch := func(share float64, sources []Source) Batch {
		k, err := NewTask(m, tok, sources, 4096, 10, []Stage{{Until: 1, Length: 128, Recall: share}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		b, err := k.Batch(3)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if diff := cmp.Diff(batch(0, sources[:1]), batch(0, sources)); diff != "" {
		t.Errorf("a source that is not drawn changes the rows: %s", diff)
	}
	b, long := batch(0.5, sources), 0
	for row := range b.Rows {
		if b.Roles[row*b.Length+20] == companion.Text {
			long++
		}
	}
	if long < b.Rows/4 || long > b.Rows*3/4 {
		t.Errorf("%d of %d rows are texts to recall from", long, b.Rows)
	}
	for _, c := range []struct {
		o    Options
		want float64
	}{{Options{Recall: 0.3}, 0.3}, {Options{Recall: 0.3, Init: "model"}, 0.3}, {Options{}, 0}, {Options{Recall: 0.3, Only: Recall}, 0}} {
		all := c.o.stages()
		if last := all[len(all)-1]; last.Recall != c.want || last.Until != 1 {
			t.Errorf("%+v ends with %+v", c.o, last)
		}
	}
}

// TestCorpus checks that what is held out never trains.
func TestCorpus(t *testing.T) {
	t.Parallel()
	var lines, talks strings.Builder
	for i := range 400 {
		lines.WriteString(strings.Repeat("x", i%7+1) + " " + string(rune('a'+i%26)) + strings.Repeat("y", i) + "\tright\n")
		talks.WriteString("User 1: hello " + strings.Repeat("z", i) + "\nUser 2: well\n\n")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"p.tsv": lines.String(), "d.txt": talks.String(), "s.txt": lines.String()} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := OpenCorpus(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.test) == 0 || len(c.test) > 45 {
			t.Errorf("%s: %d of %d held out", name, len(c.test), len(c.test)+len(c.train))
		}
		for _, l := range c.test {
			if slices.Contains(c.train, l) {
				t.Errorf("%s: %q trains and is held out", name, l)
			}
		}
		d, ok := c.Held(0)
		if r := rand.New(rand.NewPCG(1, 1)); !ok || len(d) == 0 || len(c.Document(r)) == 0 {
			t.Errorf("%s: no documents", name)
		}
	}
	if _, err := OpenCorpus(filepath.Join(dir, "missing")); err == nil {
		t.Error("a missing file opens")
	}
}

func TestSeparate(t *testing.T) {
	t.Parallel()
	got := slices.Collect(separate("我住在 Oslo，好"))
	if diff := cmp.Diff([]string{"我", "住", "在", " Oslo，", "好"}, got); diff != "" {
		t.Error(diff)
	}
}
