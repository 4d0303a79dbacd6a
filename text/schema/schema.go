// Package schema makes a model write JSON that a schema accepts.
//
// A JSON Schema is compiled to a grammar over bytes. While an answer is
// written, a Matcher holds where in the grammar it stands and says, as a mask
// over the vocabulary, which tokens may follow; an answer that ends when the
// matcher lets it end is valid by construction.
//
// The subset is that of OpenAI's structured outputs and some more: type (also
// several), properties, required, additionalProperties, items, prefixItems,
// minItems, maxItems, enum, const, pattern, minLength, maxLength, minimum,
// maximum and their exclusive forms, anyOf, oneOf (where its branches cannot
// both hold), allOf of one, $ref within the document, also recursive. The
// formats date, time, date-time, uuid, ipv4, email are kept; others are notes.
// A keyword outside of the subset is an error, never passed over.
//
// What is written is a part of what the schema accepts: properties come in the
// schema's order, further ones only where additionalProperties asks for them
// (or no property is named at all), white space is at most a space, or a line
// break and its indentation, and numbers have at most 16 digits a side.
//
// How it works: the grammar is run as a pushdown automaton whose stacks are
// shared lists; a state is the set of stacks that are possible, numbered once
// it is met, with its transitions and its mask computed once. The mask comes
// from one walk over a tree of all tokens' bytes, cut off where the automaton
// stops.
package schema

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Limits of a schema.
const (
	maxSource  = 256 << 10 // bytes
	maxDepth   = 100       // of nested values in the document
	maxSymbols = 200_000   // of the grammar
	maxCount   = 100_000   // of minItems, maxLength and their like
)

// Limits of the automaton. Past the first the tables are begun anew; past the
// others a schema is too ambiguous to follow.
const (
	maxStates = 8_192
	maxStacks = 4_096 // that are possible at once
	maxMasks  = 2_048 // kept
)

// Errors that callers branch on.
var (
	ErrComplex = errors.New("schema: too many readings are possible at once")
	ErrToken   = errors.New("schema: the token does not fit")
)

// UnsupportedError names a part of a schema that is not supported.
type UnsupportedError struct{ Path, Fact string }

func (e *UnsupportedError) Error() string { return fmt.Sprintf("schema: %s: %s", e.Path, e.Fact) }

func unsupported(path, format string, args ...any) error {
	return &UnsupportedError{path, fmt.Sprintf(format, args...)}
}

// Schema is a compiled schema. Goroutines may share it; what one request finds
// out about it serves the next.
type Schema struct {
	g      *grammar
	start  sym
	source []byte

	mu       sync.Mutex
	machines map[*Vocabulary]*machine
}

// Compile reads a JSON schema.
func Compile(source []byte) (*Schema, error) { return compile(source, false) }

// CompileTight is Compile for JSON without white space between values, which no
// person reads: a small model may otherwise spend its answer on indentation.
func CompileTight(source []byte) (*Schema, error) { return compile(source, true) }

func compile(source []byte, tight bool) (*Schema, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("schema: %d bytes, more than %d", len(source), maxSource)
	}
	doc, err := parse(source)
	if err != nil {
		return nil, err
	}
	g := newGrammar()
	b := &builder{g: g, root: doc, done: map[*node]sym{}, met: map[[2]*node]bool{}, tight: tight}
	start, err := b.schema(doc, "#")
	if err != nil {
		return nil, err
	}
	s, err := finish(g, start)
	if err == nil {
		s.source = slices.Clone(source)
	}
	return s, err
}

// Source is the JSON schema that was compiled, for engines elsewhere; nil is
// that of any object.
func (s *Schema) Source() []byte { return s.source }

// Object is the schema of response_format json_object: any object.
func Object() *Schema {
	g := newGrammar()
	b := &builder{g: g, done: map[*node]sym{}}
	s, _ := finish(g, b.anyObject()) // this one is not empty
	return s
}

func finish(g *grammar, start sym) (*Schema, error) {
	if len(g.symbols) > maxSymbols {
		return nil, fmt.Errorf("schema: a grammar of more than %d symbols", maxSymbols)
	}
	if g.prune(); g.dead[start] {
		return nil, errors.New("schema: no value can fulfil it")
	}
	return &Schema{g: g, start: start, machines: map[*Vocabulary]*machine{}}, nil
}

// Start returns a matcher at the beginning of an answer.
func (s *Schema) Start(v *Vocabulary) (*Matcher, error) {
	m := s.machine(v, nil)
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	at, err := m.state([]int32{m.push(s.start, 0)})
	if err != nil {
		return nil, err
	}
	return &Matcher{schema: s, m: m, at: at}, nil
}

// machine returns the tables for a vocabulary; new ones where the old are full.
func (s *Schema) machine(v *Vocabulary, full *machine) *machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machines[v]
	if m == nil || m == full {
		m = newMachine(s.g, v)
		s.machines[v] = m
	}
	return m
}

// Matcher follows one answer. It is for one goroutine.
type Matcher struct {
	schema *Schema
	m      *machine
	at     int32
}

// Mask has a bit for each token that may come next; tokens that end an answer
// are among them where it may end. It must not be changed, and stays as it is.
func (m *Matcher) Mask() ([]uint64, error) {
	m.schema.g.mu.Lock()
	defer m.schema.g.mu.Unlock()
	return m.m.mask(m.at)
}

// Accept goes on by a token. It fails with ErrToken and stays where it is if
// the token does not fit; one that ends the answer is not for Accept.
func (m *Matcher) Accept(token int32) error {
	m.schema.g.mu.Lock()
	at, err := m.at, error(nil)
	for _, b := range m.m.vocab.bytesOf(token) {
		if at, err = m.m.step(at, b); err != nil || at < 0 {
			break
		}
	}
	full := len(m.m.states) > maxStates
	m.schema.g.mu.Unlock()
	switch {
	case err != nil:
		return err
	case at < 0 || len(m.m.vocab.bytesOf(token)) == 0:
		return ErrToken
	}
	m.at = at
	if full {
		return m.renew()
	}
	return nil
}

// renew moves to new tables.
func (m *Matcher) renew() error {
	old, next := m.m, m.schema.machine(m.m.vocab, m.m)
	m.schema.g.mu.Lock()
	defer m.schema.g.mu.Unlock()
	var tops []int32
	for _, stack := range old.stacks(m.at) {
		top := int32(0)
		for _, s := range slices.Backward(stack) {
			top = next.push(s, top)
		}
		tops = append(tops, top)
	}
	at, err := next.state(tops)
	if err != nil {
		return err
	}
	m.m, m.at = next, at
	return nil
}

// Complete says whether the answer may end here.
func (m *Matcher) Complete() bool {
	m.schema.g.mu.Lock()
	defer m.schema.g.mu.Unlock()
	return m.m.states[m.at].ends
}

// Done says whether the answer must end here.
func (m *Matcher) Done() bool {
	m.schema.g.mu.Lock()
	defer m.schema.g.mu.Unlock()
	s := m.m.states[m.at]
	return s.ends && len(s.tops) == 1
}
