package read

import (
	"math/rand/v2"
	"slices"

	"kuai/companion"
	"kuai/companion/fact"
	"kuai/grad"
	"kuai/nn"
	"kuai/reader"
	"kuai/train"
	"kuai/train/talk"
)

const (
	chinese = 0.5
	// group is how many turns of like length are computed at once, so that
	// little is padding.
	group = 64
	// guesses is how many hidden words can be told apart; words share them by
	// their hash.
	guesses = 8192
	// hiddenShare is that of the words of a text that are hidden.
	hiddenShare = 0.15
	// guessWeight is that of guessing beside reading.
	guessWeight = 0.3
)

// Module is what is trained: the reader, and what guesses hidden words, which
// is not kept.
type Module struct {
	Reader *reader.Model `name:"reader"`
	Guess  *nn.Linear    `name:"guess"`
}

// Task trains a reader.
type Task struct {
	Net     *Module
	Corpora []*talk.Corpus
	Turns   int // of a step
	Lines   int // of texts in a step
	Dropout float32
	Seed    uint64

	small map[string]bool // words that the corpora write in small letters
}

// Batch is a step's turns, by length.
type Batch struct {
	groups []labelled
	cloze  []hidden
	units  int
}

type labelled struct {
	*reader.Batch
	labels []reader.Labels
}

type hidden struct {
	*reader.Batch
	answers []int32   // [B·N]
	weight  []float32 // [B·N], 1 where a word is hidden
}

// Module returns what is trained.
func (k *Task) Module() any { return k.Net }

type example struct {
	text   string
	units  []reader.Unit
	labels reader.Labels
	hidden []int32 // which words are to be guessed: their answers, else -1
}

// Batch draws the turns of a step.
func (k *Task) Batch(step int) (Batch, error) {
	r := rand.New(rand.NewPCG(k.Seed, uint64(step)))
	var turns, lines []example
	plain := 0
	if len(k.Corpora) > 0 {
		plain = int(plainShare * float64(k.Turns))
	}
	for len(turns) < plain {
		if e, ok := k.plain(r); ok {
			turns = append(turns, e)
		}
	}
	for range int(handShare * float64(k.Turns)) {
		if e, ok := k.byHand(r); ok {
			turns = append(turns, e)
		}
	}
	for len(turns) < k.Turns {
		if e, ok := k.turn(r, companion.Train); ok {
			turns = append(turns, e)
		}
	}
	for len(lines) < k.Lines && len(k.Corpora) > 0 {
		if e, ok := k.line(r); ok {
			lines = append(lines, e)
		}
	}
	var b Batch
	for some := range byLength(turns) {
		g := labelled{Batch: k.batch(r, some)}
		for _, e := range some {
			g.labels = append(g.labels, e.labels)
		}
		b.groups = append(b.groups, g)
		b.units += g.B * g.N
	}
	for some := range byLength(lines) {
		g := hidden{Batch: k.batch(r, some)}
		g.answers, g.weight = make([]int32, g.B*g.N), make([]float32, g.B*g.N)
		for i, e := range some {
			for j, a := range e.hidden {
				if a >= 0 {
					g.answers[i*g.N+j+1], g.weight[i*g.N+j+1] = a, 1
				}
			}
		}
		b.cloze = append(b.cloze, g)
		b.units += g.B * g.N
	}
	return b, nil
}

func (k *Task) batch(r *rand.Rand, some []example) *reader.Batch {
	texts, units := make([]string, len(some)), make([][]reader.Unit, len(some))
	for i, e := range some {
		texts[i], units[i] = e.text, e.units
	}
	b := k.Net.Reader.Config.Batch(texts, units)
	b.Drop = reader.Drop{Rate: k.Dropout, Seed: r.Uint64()}
	return b
}

func byLength(all []example) func(func([]example) bool) {
	slices.SortStableFunc(all, func(a, b example) int { return len(a.units) - len(b.units) })
	return slices.Chunk(all, group)
}

// turn draws a made turn and its labels.
func (k *Task) turn(r *rand.Rand, split companion.Split) (example, bool) {
	return k.labelled(r, companion.DrawUtterance(r, split, chinese))
}

// byHand draws a turn that was marked by hand.
func (k *Task) byHand(r *rand.Rand) (example, bool) {
	l := fact.English
	if r.Float64() < chinese {
		l = fact.Chinese
	}
	all := companion.Written(companion.Train, l)
	if r.IntN(2) == 0 {
		all = companion.Spoken(companion.Train, l)
	}
	return k.labelled(r, all[r.IntN(len(all))])
}

// handShare is that of a step's turns that were marked by hand.
const handShare = 0.25

// labelled is a turn with its labels, some of its words hidden.
func (k *Task) labelled(r *rand.Rand, u companion.Utterance) (example, bool) {
	e := example{text: u.Text, units: reader.Units(u.Text)}
	var ok bool
	e.labels, ok = k.Net.Reader.Config.Label(u.Text, e.units, u.Facts, u.Asked)
	drop := dropRates[r.IntN(len(dropRates))]
	if e.labels.Kind == reader.Nothing { // "not" may be what makes it so
		drop = 0
	}
	for i := range e.units {
		if r.Float64() < drop {
			e.units[i].Word, e.units[i].Blank = reader.Hidden, r.Float64() < blank
		}
	}
	return e, ok && len(e.units) > 0
}

// dropRates are how many of a made turn's words are hidden: what is meant must
// not hang on one of them.
var dropRates = [...]float64{0, 0.1, 0.25}

// blank is the share of the hidden words of which not even what dictionaries
// know is seen: an animal or a food can be enough.
const blank = 0.5

// line draws a line of a text and hides words of it.
func (k *Task) line(r *rand.Rand) (example, bool) {
	text := lineOf(k.Corpora[r.IntN(len(k.Corpora))], r)
	e := example{text: text, units: reader.Units(text)}
	if len(e.units) < 3 || len(e.units) > 48 {
		return e, false
	}
	some := false
	e.hidden = make([]int32, len(e.units))
	for i := range e.units {
		e.hidden[i] = -1
		if r.Float64() < hiddenShare {
			some = true
			e.hidden[i] = int32(reader.WordRow(e.units[i].Word) % guesses)
			if r.Float64() < 0.85 {
				e.units[i].Word, e.units[i].Blank = reader.Hidden, true
			}
		}
	}
	return e, some
}

// Work counts the turns and units of a step.
func (k *Task) Work(b Batch) train.Work {
	c := k.Net.Reader.Config
	each := float64(c.Layers) * (4 + 6) * float64(c.Width) * float64(c.Width)
	return train.Work{Items: float64(b.units), Unit: "units", FLOPs: 6 * each * float64(b.units)}
}

// Loss is that of reading, and of guessing words.
func (k *Task) Loss(t *grad.Tape, _ int, b Batch) (*grad.Var, []train.Metric, error) {
	var sum *grad.Var
	add := func(v *grad.Var, s float32) {
		v = nn.Scale(t, v, s)
		if sum == nil {
			sum = v
		} else {
			sum = nn.Add(t, sum, v)
		}
	}
	var m [5]float64
	n := float64(len(b.groups))
	for _, g := range b.groups {
		l := k.Net.Reader.Loss(t, g.Batch, g.labels)
		add(l.Sum, float32(1/n))
		for i, v := range []float64{l.KindRight, l.PredicateRight, l.Subjects, l.Tag} {
			m[i] += v / n
		}
	}
	for _, g := range b.cloze {
		h := k.Net.Reader.Forward(t, g.Batch)
		v := nn.HeadLoss(t, nn.Reshape(t, h, g.B*g.N, k.Net.Reader.Config.Width), k.Net.Guess.W, g.answers, g.weight, 0, nil)
		add(v, guessWeight/float32(len(b.cloze)))
		m[4] += float64(v.X[0]) / float64(len(b.cloze))
	}
	return sum, []train.Metric{{Name: "kind", Value: m[0]}, {Name: "predicate", Value: m[1]}, {Name: "subject", Value: m[2]}, {Name: "tag", Value: m[3]}, {Name: "guess", Value: m[4]}}, nil
}
