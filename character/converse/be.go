package converse

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kuai/character/persona"
	"kuai/format/atomicfile"
)

// personaFile, in a thread's directory, names whom the user says to be there.
const personaFile = "persona"

// Be lets the user be a persona from now on, in this conversation; nil is
// nobody in particular.
func (c *Conversation) Be(p *persona.Persona) error {
	path := filepath.Join(c.dir, personaFile)
	var err error
	if p == nil {
		if err = os.Remove(path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		err = atomicfile.WriteBytes(path, []byte(p.ID+"\n"))
	}
	if err != nil {
		return fmt.Errorf("converse: %w", err)
	}
	c.Persona = p
	return nil
}

// Recognise finds out whom the user has said to be in this conversation. A
// persona that was deleted since is nobody in particular.
func (c *Conversation) Recognise(s persona.Store, user string) error {
	c.Persona = nil
	data, err := os.ReadFile(filepath.Join(c.dir, personaFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("converse: %w", err)
	}
	p, err := s.Get(user, strings.TrimSpace(string(data)))
	switch {
	case errors.Is(err, persona.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	c.Persona = &p
	return nil
}
