// Package companion makes conversations with ground truth: what somebody tells
// a friend about a life, small talk around it, and questions whose answers are
// known. They train the companion model and measure its memory.
//
// Everything is drawn from a seed out of files of data: values (lexicon), how
// facts are put (phrases; en and zh), what stands around them (say), scripts of
// small talk (talk) and a grammar of more (chatter); the files called more add
// to the others. A fifth of the phrases and a quarter of the values are held
// out by their hash: the Train split never draws them, the Test split only
// them, wherever there are enough. Package leak measures what passes over all
// the same, package hand has questions that no grammar made.
//
// Samples are for training, quizzes for a quick look at a model. A Life is for
// measuring a memory: years of sessions, streamed, with questions at the end
// and the turns that answer them.
package companion

import (
	"iter"
	"math/rand/v2"

	"kuai/companion/fact"
)

// Role is who speaks a part of a sample.
type Role uint8

// Roles.
const (
	System    Role = iota
	Memory         // what was recalled for the turn that follows
	User           // who is remembered
	Assistant      // the companion
	Extract        // the facts of the turn before, as lines
	Text           // prose, by nobody
)

// Part is what one role says, and how much its tokens count in a loss.
type Part struct {
	Role   Role
	Text   string
	Weight float32
}

// Sample is a training document.
type Sample []Part

// Split says from which share of phrases and values is drawn.
type Split uint8

// Splits.
const (
	Train Split = iota
	Test
	// Tune is Train but for phrases of utterances and lives that training does not
	// show: what is chosen by trying is tried on them, not on Test.
	Tune
)

// Format is a kind of sample.
type Format uint8

// Formats.
const (
	Chat   Format = iota // facts, small talk and questions, all within the sample
	Packed               // questions whose facts stand in a memory pack, or not at all
	Lines                // turns, their facts and what they ask for as lines
	Pairs                // made-up words that belong together, and questions about them
	Small                // small talk alone
	formats
)

// Mix says what share of the samples each format and language has; the zero
// value stands for Usual.
type Mix struct {
	Formats [formats]float64
	Chinese float64
}

// Usual is the mix that the built-in model learns from: it is package reader
// that reads turns as lines.
func Usual() Mix {
	return Mix{Formats: [formats]float64{Chat: 0.12, Packed: 0.32, Lines: 0.01, Pairs: 0.05, Small: 0.5}, Chinese: 0.45}
}

// Weights of the loss: the model should learn to answer, and not to speak for
// the user.
const (
	userWeight  = 0.3
	replyWeight = 1
)

// Samples draws endless samples.
func Samples(seed uint64, split Split, mix Mix) iter.Seq[Sample] {
	return func(yield func(Sample) bool) {
		r := rand.New(rand.NewPCG(seed, uint64(split)))
		for yield(Draw(r, split, mix)) {
		}
	}
}

// Draw makes one sample.
func Draw(r *rand.Rand, split Split, mix Mix) Sample {
	if mix == (Mix{}) {
		mix = Usual()
	}
	w := &writer{r: r, split: split, lang: fact.English}
	if split == Train {
		w.wild = wild
	}
	if r.Float64() < mix.Chinese {
		w.lang = fact.Chinese
	}
	switch mix.draw(r) {
	case Chat:
		return w.chat()
	case Packed:
		return w.packed()
	case Lines:
		return w.lines()
	case Pairs:
		return w.pairs()
	default:
		return w.small()
	}
}

func (m Mix) draw(r *rand.Rand) Format {
	var all float64
	for _, share := range m.Formats {
		all += share
	}
	at := r.Float64() * all
	for f, share := range m.Formats {
		if at -= share; at < 0 {
			return Format(f)
		}
	}
	return Small
}
