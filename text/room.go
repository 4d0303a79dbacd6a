package text

import (
	"fmt"
	"slices"

	"kuai/text/attention"
	"kuai/text/checkpoint"
	"kuai/text/room"
)

// Room keeps what the layer that sees everything has seen of long texts, in two
// files: keys of four or eight bits and values of eight, some hundred bytes a
// token in place of 512 of memory. Its sessions hold the last tokens alone in
// memory, exactly. A query attends to those and, by one exact scan of all keys,
// to the best of the past or to all of it (Options.Top).
//
// What a token sees of the past depends on its position and on nothing else: a
// text in pieces gives what the whole gives, and so do forks, rewinds and
// sessions that were saved. Forks share what stands before their point; a text
// that is read again finds what was written the first time.
//
// It may be used by several goroutines, as its sessions; one process has it open
// at a time.
type Room struct {
	m   *Model
	dir string
	r   *room.Room
}

// OpenRoom opens the room in a directory, or makes one, with keys of four bits or
// of eight. Only models of the kuai architecture have rooms.
func (m *Model) OpenRoom(dir string, bits int) (*Room, error) {
	if m.roomLayers == 0 || m.seeAll() != m.roomLayers {
		return nil, fmt.Errorf("text: a model of architecture %q has no room", m.config.Arch)
	}
	x := &Room{m: m, dir: dir}
	err := x.guard(func() (err error) {
		x.r, err = room.Open(dir, m.hash, room.Shape{Bits: bits, Layers: m.roomLayers, Heads: m.config.KVHeads, D: m.config.HeadDim})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	return x, nil
}

// Close closes the room's files. Its sessions must not be used any more.
func (x *Room) Close() error { return x.r.Close() }

// Bytes returns what the room takes on the disk, and what a token takes.
func (x *Room) Bytes() (all int64, perToken float64) {
	return x.r.Bytes(), x.r.Shape().BytesPerPosition()
}

// NewSession returns a session without tokens whose past goes to the room.
func (x *Room) NewSession() *Session {
	s := x.m.NewSession()
	s.room = x
	return s
}

// guard runs what reads the room's mapped files.
func (x *Room) guard(f func() error) error { return checkpoint.Reading(x.dir, f) }

// draft is a block that a pass makes: of a part's session, by number.
type draft struct{ part, block int }

// draft adds the blocks that tokens up to a position fill.
func (s *Session) draft(to []draft, part, end int) []draft {
	for want := s.m.before(end - 1); len(s.far) < want; {
		to = append(to, draft{part, len(s.far)})
		s.far = append(s.far, s.room.r.Shape().Draft())
	}
	return to
}

// kuaiDraft fills one block with what a layer's pages have.
func (p *pass) kuaiDraft(task, _ int) {
	a := p.layer.mixer.(*kuaiMixer)
	d := p.drafts[task]
	s := p.parts[d.part].s
	var key, value [checkpoint.MaxHeadDim]float32
	k, v := key[:a.d], value[:a.d]
	for i := range room.BlockLen {
		pos := d.block*room.BlockLen + i
		for h := range a.kvHeads {
			p.m.layout.Load(s.pages[pos/attention.PageLen], a.cache, h, pos%attention.PageLen, k, v)
			s.far[d.block].Put(a.room, h, i, k, v)
		}
	}
}

// guarded is run for parts that may read rooms. After its error their sessions
// are torn.
func (p *pass) guarded() error {
	for i := range p.parts {
		if x := p.parts[i].s.room; x != nil {
			return x.guard(func() error { p.run(); return nil })
		}
	}
	p.run()
	return nil
}

// settle writes the session's drafts to its room, and gives up the pages that
// these stand for.
func (s *Session) settle() error {
	if s.room == nil {
		return nil
	}
	const pages = room.BlockLen / attention.PageLen
	for i := min(len(s.far)*pages, len(s.pages)) - 1; i >= 0 && s.pages[i] != nil; i-- {
		s.m.drop(s.pages[i])
		s.pages[i] = nil
	}
	first := len(s.far)
	for first > 0 && s.far[first-1].ID() < 0 {
		first--
	}
	if first == len(s.far) {
		return nil
	}
	return s.room.guard(func() error { return s.write(first) })
}

// write writes the drafts from one on, or finds that they are there.
func (s *Session) write(first int) error {
	var chain room.Chain
	if first > 0 {
		chain = s.far[first-1].Chain()
	}
	for i := first; i < len(s.far); i++ {
		tokens := s.tokens[i*room.BlockLen:][:room.BlockLen]
		chain = chain.Next(tokens)
		if b := s.room.r.Find(i, chain); b != nil {
			s.far[i] = b
		} else if s.far[i].ID() >= 0 {
			continue // a fork has written it
		} else if err := s.room.r.Append(s.far[i], i, chain, tokens); err != nil {
			return fmt.Errorf("text: %w", err)
		}
	}
	return nil
}

// near returns the pages after the room's blocks: what a checkpoint must hold
// for a session to go on from it. There are none without a room.
func (s *Session) near() []*attention.Page {
	if s.room == nil {
		return nil
	}
	from, to := len(s.far)*room.BlockLen, s.at+attention.PageLen-1
	return slices.Clone(s.pages[from/attention.PageLen : to/attention.PageLen])
}

// leave goes back to what a checkpoint at s.at holds.
func (s *Session) leave(pages []*attention.Page) {
	if s.room == nil {
		return
	}
	share(pages)
	s.m.give(s.pages)
	s.far = s.far[:s.m.before(s.at-1)]
	s.pages = make([]*attention.Page, len(s.far)*room.BlockLen/attention.PageLen, len(s.pages)+1)
	s.pages = append(s.pages, pages...)
}
