package converse

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kuai/character/memory/term"
	"kuai/companion/fact"
	"kuai/format/atomicfile"
)

// ageFile, in a thread's directory, says from which age on the user has said to
// be.
const ageFile = "age"

// guarded is what the owner's rules answer before a character is asked: the
// question for an age, what somebody in distress is told, and that a topic is
// not spoken of. An empty reply lets the character answer; keep says whether
// the turn is to be remembered.
func (c *Conversation) guarded(said string, show func(string)) (r Reply, keep bool, err error) {
	l := c.languageOf(said)
	if r.Text, err = c.gate(said, l); err == nil && r.Text == "" {
		r.Text, keep = c.rules().Heard(said, l)
	}
	if err == nil && r.Text != "" && show != nil {
		show(r.Text)
	}
	return r, keep, err
}

// gate asks for the user's age where the rules want it and nobody has asked.
func (c *Conversation) gate(said string, l fact.Language) (string, error) {
	if old, err := c.oldEnough(); err != nil || old {
		return "", err
	}
	ok, say := c.rules().OldEnough(said, l)
	if !ok {
		return say, nil
	}
	if err := atomicfile.WriteBytes(filepath.Join(c.dir, ageFile), fmt.Appendln(nil, c.rules().MinAge)); err != nil {
		return "", fmt.Errorf("converse: %w", err)
	}
	return c.firstWords(), nil
}

// oldEnough says whether the user has said to be of the age that the rules want.
func (c *Conversation) oldEnough() (bool, error) {
	if c.rules().MinAge <= 0 {
		return true, nil
	}
	path := filepath.Join(c.dir, ageFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	age := 0
	if err == nil {
		_, err = fmt.Sscan(string(b), &age)
	}
	if err != nil {
		return false, fmt.Errorf("converse: %s: %w", path, err)
	}
	return age >= c.rules().MinAge, nil
}

// languageOf tells the language of what was said, the conversation's where the
// words do not show it.
func (c *Conversation) languageOf(said string) fact.Language {
	if term.Chinese(said) {
		return fact.Chinese
	}
	return c.Language
}
