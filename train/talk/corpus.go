package talk

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"kuai/companion"
)

const (
	maxCorpusBytes = 1 << 30
	maxLineBytes   = 1 << 20
	proseLines     = 8  // of independent sentences in a document
	pairLines      = 6  // of translated pairs
	maxTurns       = 24 // of a dialogue
)

// Corpus is a text file to learn from besides the conversations of package
// companion. Dialogues are turns of two speakers with an empty line between
// one dialogue and the next; pairs are lines with a tab between a sentence and
// its translation; everything else is a sentence a line.
//
// A tenth is held out for evaluation: the end of dialogues, and lines by their
// hash.
type Corpus struct {
	Name  string
	kind  corpusKind
	train []string // documents or lines
	test  []string
}

type corpusKind uint8

const (
	sentences corpusKind = iota
	dialogues
	pairs
)

// OpenCorpus reads a text file, packed with gzip if its name ends so.
func OpenCorpus(path string) (*Corpus, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	in := io.Reader(f)
	name := filepath.Base(path)
	if base, ok := strings.CutSuffix(name, ".gz"); ok {
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, fmt.Errorf("talk: %s: %w", path, err)
		}
		in, name = z, base
	}
	lines, err := readLines(io.LimitReader(in, maxCorpusBytes+1))
	if err != nil {
		return nil, fmt.Errorf("talk: %s: %w", path, err)
	}
	c := &Corpus{Name: name, kind: kindOf(name, lines)}
	c.split(lines)
	if len(c.train) == 0 {
		return nil, fmt.Errorf("talk: %s: no text", path)
	}
	return c, nil
}

func readLines(in io.Reader) ([]string, error) {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 1<<16), maxLineBytes)
	var lines []string
	total := 0
	for s.Scan() {
		line := strings.ToValidUTF8(strings.TrimSpace(s.Text()), "")
		if total += len(line) + 1; total > maxCorpusBytes {
			return nil, errors.New("over 1 GiB of text")
		}
		lines = append(lines, line)
	}
	return lines, s.Err()
}

// kindOf tells dialogues by their empty lines and pairs by their name.
func kindOf(name string, lines []string) corpusKind {
	if strings.HasSuffix(name, ".tsv") {
		return pairs
	}
	empty := 0
	for _, l := range lines {
		if l == "" {
			empty++
		}
	}
	if empty > len(lines)/100 {
		return dialogues
	}
	return sentences
}

// split sets a tenth aside.
func (c *Corpus) split(lines []string) {
	if c.kind == dialogues {
		var all []string
		for d := range strings.SplitSeq(strings.Join(lines, "\n"), "\n\n") {
			if d = strings.Trim(d, "\n"); strings.Contains(d, "\n") {
				all = append(all, d)
			}
		}
		at := len(all) - len(all)/10
		c.train, c.test = all[:at], all[at:]
		return
	}
	for _, l := range lines {
		if l == "" {
			continue
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(strings.Split(l, "\t")[0])) // all translations of a sentence on one side
		if h.Sum32()%20 == 0 {
			c.test = append(c.test, l)
		} else {
			c.train = append(c.train, l)
		}
	}
}

// Document draws a document of the training part.
func (c *Corpus) Document(r *rand.Rand) companion.Sample {
	return c.document(c.train, r.IntN(len(c.train)), r)
}

// Held returns the i-th document of the part held out, and whether there is
// one.
func (c *Corpus) Held(i int) (companion.Sample, bool) {
	each := 1
	if c.kind != dialogues {
		each = proseLines
	}
	if i*each >= len(c.test) {
		return nil, false
	}
	return c.document(c.test, i*each, nil), true
}

func (c *Corpus) document(from []string, at int, r *rand.Rand) companion.Sample {
	switch c.kind {
	case dialogues:
		return dialogue(from[at], r)
	case pairs:
		var b strings.Builder
		for i := range min(pairLines, len(from)-at) {
			j := at + i
			if r != nil {
				j = r.IntN(len(from))
			}
			left, right, _ := strings.Cut(from[j], "\t")
			if r != nil && r.IntN(2) == 0 {
				left, right = right, left
			}
			b.WriteString(left + "\n" + right + "\n")
		}
		return companion.Sample{{Role: companion.Text, Text: b.String(), Weight: 1}}
	default:
		return companion.Sample{{Role: companion.Text, Text: strings.Join(from[at:min(at+proseLines, len(from))], "\n"), Weight: 1}}
	}
}

// dialogue gives the turns to user and companion alternately; who begins is
// drawn.
func dialogue(text string, r *rand.Rand) companion.Sample {
	lines := strings.Split(text, "\n")
	if r != nil && len(lines) > 4 && r.IntN(2) == 0 {
		lines = lines[1:]
	}
	var d companion.Sample
	for i, l := range lines[:min(len(lines), maxTurns)] {
		for _, speaker := range [...]string{"User 1: ", "User 2: "} {
			l = strings.TrimPrefix(l, speaker)
		}
		role := companion.User
		if i%2 == 1 {
			role = companion.Assistant
		}
		d = append(d, companion.Part{Role: role, Text: l, Weight: 1})
	}
	return d
}
