package text

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kuai/text/attention"
	"kuai/text/room"
)

// A saved session with a room: what is of constant size, and which blocks of the
// room are its past. All numbers are little endian.
//
//	8   "KUAISESS"
//	4   version, 2
//	4   type of the KV cache: 0 f16, 1 f32, 2 q8
//	32  the model's hash
//	16  the room's number
//	8   T, tokens             8  tokens that the state has seen
//	8   values of the state   8  checkpoints
//	8   bytes of a page       8  pages
//	8   blocks of the room    8  runs of them
//	    runs                  4 bytes of the first block, 4 of how many follow each other
//	    tokens                4 bytes each, those after the blocks'
//	    pages
//	    state                 float32
//	    checkpoints           8 bytes of position, state, pages
//	    the session's pages
//	32  SHA-256 of all that
//
// The pages of a checkpoint or of the session are 8 bytes of how many, then 4
// each of which of the pages above.
const (
	roomSaveVersion = 2
	maxRuns         = 1 << 18
	// maxKept is the most pages of a checkpoint or of a session.
	maxKept = 1 << 12
	// maxRoomPages is the most pages of a saved session.
	maxRoomPages = 1 << 16
)

var (
	// ErrNeedsRoom is returned by LoadSession for a session that has a room: its
	// Room loads it.
	ErrNeedsRoom = errors.New("session with a room")
	// ErrOtherRoom is returned by Room.LoadSession for a session of another room,
	// or of none.
	ErrOtherRoom = errors.New("session of another room")
)

type roomHeader struct {
	Magic                    [8]byte
	Version, Cache           uint32
	Model                    [32]byte
	Room                     [16]byte
	Tokens, At, State, Marks uint64
	PageBytes, Pages         uint64
	Blocks, Runs             uint64
}

// run is blocks that follow each other in a room.
type run struct{ From, N uint32 }

// runs gathers the session's blocks.
func (s *Session) runs() (all []run) {
	for _, b := range s.far {
		id := uint32(b.ID())
		if n := len(all); n > 0 && all[n-1].From+all[n-1].N == id {
			all[n-1].N++
		} else {
			all = append(all, run{id, 1})
		}
	}
	return all
}

// saveRoom writes a session with a room.
func (s *Session) saveRoom(w io.Writer) error {
	if err := s.settle(); err != nil {
		return err
	}
	if err := s.room.r.Sync(); err != nil {
		return fmt.Errorf("text: saving a session: %w", err)
	}
	numbers, pages := map[*attention.Page]uint32{}, []*attention.Page(nil)
	kept := append([][]*attention.Page(nil), s.near())
	for _, k := range s.marks {
		kept = append(kept, k.pages)
	}
	for _, some := range kept {
		for _, p := range some {
			if _, ok := numbers[p]; !ok {
				numbers[p] = uint32(len(pages))
				pages = append(pages, p)
			}
		}
	}
	b := bufio.NewWriterSize(w, 1<<16)
	out := &saver{w: b, sum: sha256.New()}
	runs := s.runs()
	out.number(roomHeader{
		Magic: [8]byte([]byte(saveMagic)), Version: roomSaveVersion, Cache: uint32(s.m.layout.Type), Model: s.m.hash, Room: s.room.r.Number(),
		Tokens: uint64(len(s.tokens)), At: uint64(s.at), State: uint64(len(s.state)), Marks: uint64(len(s.marks)),
		PageBytes: uint64(s.m.layout.Bytes()), Pages: uint64(len(pages)), Blocks: uint64(len(s.far)), Runs: uint64(len(runs)),
	})
	out.number(runs)
	out.bytes(bytesOf(s.tokens[len(s.far)*room.BlockLen:]))
	for _, p := range pages {
		out.bytes(p.Data)
	}
	out.bytes(bytesOf(s.state))
	list := func(some []*attention.Page) {
		out.number(uint64(len(some)))
		for _, p := range some {
			out.number(numbers[p])
		}
	}
	for _, k := range s.marks {
		out.number(uint64(k.pos))
		out.bytes(bytesOf(k.state))
		list(k.pages)
	}
	list(kept[0])
	out.bytes(out.sum.Sum(nil))
	if out.err == nil {
		out.err = b.Flush()
	}
	if out.err != nil {
		return fmt.Errorf("text: saving a session: %w", out.err)
	}
	return nil
}

// LoadSession reads a session that Save wrote of a session of this room. It
// fails with ErrOtherModel, ErrOtherRoom, or ErrDamaged, also where the room has
// lost blocks; or what the reader says.
func (x *Room) LoadSession(r io.Reader) (*Session, error) {
	s := x.NewSession()
	in := &roomRestorer{restorer: restorer{r: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}, x: x}
	err := x.guard(func() error { return in.session(s) })
	for _, p := range in.pages {
		x.m.drop(p) // the reader's own share
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("text: loading a session: %w", err)
	}
	return s, nil
}

// roomRestorer reads a session with a room.
type roomRestorer struct {
	restorer
	x     *Room
	pages []*attention.Page
}

func (in *roomRestorer) header() (roomHeader, error) {
	m := in.x.m
	var h roomHeader
	b := make([]byte, binary.Size(h))
	if err := in.bytes("header", b); err != nil {
		return h, err
	}
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, &h); err != nil {
		return h, damage("header: %v", err)
	}
	switch {
	case string(h.Magic[:]) != saveMagic:
		return h, damage("does not begin with %s", saveMagic)
	case h.Version == saveVersion:
		return h, fmt.Errorf("%w: it has none", ErrOtherRoom)
	case h.Version != roomSaveVersion:
		return h, damage("version %d, want %d", h.Version, roomSaveVersion)
	case h.Model != m.hash:
		return h, ErrOtherModel
	case h.Room != in.x.r.Number():
		return h, ErrOtherRoom
	case h.Cache != uint32(m.layout.Type):
		return h, fmt.Errorf("%w: KV cache of type %d, want %v", ErrOtherModel, h.Cache, m.layout.Type)
	case h.Tokens > uint64(m.config.Context):
		return h, fmt.Errorf("%d tokens: %w of %d", h.Tokens, ErrContext, m.config.Context)
	case h.At > h.Tokens || h.State != uint64(m.stateLen) || h.Marks > maxMarks:
		return h, damage("%d of %d tokens, state of %d values, %d checkpoints", h.At, h.Tokens, h.State, h.Marks)
	case h.PageBytes != uint64(m.layout.Bytes()) || h.Pages > maxRoomPages:
		return h, damage("%d pages of %d bytes, want %d", h.Pages, h.PageBytes, m.layout.Bytes())
	case h.Blocks != uint64(m.before(int(h.At)-1)) || h.Runs > min(h.Blocks, maxRuns):
		return h, damage("%d blocks in %d runs for %d tokens", h.Blocks, h.Runs, h.At)
	}
	return h, nil
}

// session reads all of it.
func (in *roomRestorer) session(s *Session) error {
	m := s.m
	h, err := in.header()
	if err != nil {
		return err
	}
	if err := in.blocks(s, h); err != nil {
		return err
	}
	if err := in.tokens(s, int(h.Tokens)-len(s.tokens)); err != nil {
		return err
	}
	for range h.Pages {
		in.pages = append(in.pages, m.newPage())
		if err := in.bytes("cache", in.pages[len(in.pages)-1].Data); err != nil {
			return err
		}
	}
	if err := in.bytes("state", bytesOf(s.state)); err != nil {
		return err
	}
	last := uint64(0)
	for range h.Marks {
		pos, err := in.mark(h.Tokens, last)
		if err != nil {
			return err
		}
		last = pos
		k := mark{pos: int(pos), state: make([]float32, len(s.state))}
		if err := in.bytes("checkpoint", bytesOf(k.state)); err != nil {
			return err
		}
		if k.pages, err = in.kept(k.pos); err != nil {
			return err
		}
		s.marks = append(s.marks, k)
	}
	pages, err := in.kept(int(h.At))
	if err != nil {
		return err
	}
	s.pages = append(make([]*attention.Page, len(s.far)*room.BlockLen/attention.PageLen), pages...)
	s.at = int(h.At)
	return in.end()
}

// blocks finds the session's blocks in the room, and its first tokens there.
func (in *roomRestorer) blocks(s *Session, h roomHeader) error {
	runs := make([]run, h.Runs)
	for i := range runs {
		var b [8]byte
		if err := in.bytes("runs", b[:]); err != nil {
			return err
		}
		runs[i] = run{binary.LittleEndian.Uint32(b[:]), binary.LittleEndian.Uint32(b[4:])}
	}
	for _, r := range runs {
		for i := range r.N {
			if uint64(len(s.far)) == h.Blocks {
				return damage("more blocks than %d", h.Blocks)
			}
			b, err := in.x.r.Block(int(r.From)+int(i), len(s.far))
			if err != nil {
				return damage("%v", err)
			}
			s.far = append(s.far, b)
			s.tokens = b.Tokens(s.tokens)
		}
	}
	if uint64(len(s.far)) != h.Blocks {
		return damage("%d blocks, want %d", len(s.far), h.Blocks)
	}
	var chain room.Chain
	for i, b := range s.far {
		if chain = chain.Next(s.tokens[i*room.BlockLen:][:room.BlockLen]); chain != b.Chain() {
			return damage("block %d is another text's", b.ID())
		}
	}
	return nil
}

// kept reads the pages that a checkpoint or the session holds at a position.
func (in *roomRestorer) kept(pos int) ([]*attention.Page, error) {
	var b [8]byte
	if err := in.bytes("pages", b[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(b[:])
	const perBlock = room.BlockLen / attention.PageLen
	want := (pos+attention.PageLen-1)/attention.PageLen - in.x.m.before(pos-1)*perBlock
	if n > maxKept || int(n) != want {
		return nil, damage("%d pages at %d, want %d", n, pos, want)
	}
	var pages []*attention.Page
	for range n {
		var b [4]byte
		if err := in.bytes("pages", b[:]); err != nil {
			return nil, err
		}
		i := binary.LittleEndian.Uint32(b[:])
		if uint64(i) >= uint64(len(in.pages)) {
			return nil, damage("page %d of %d", i, len(in.pages))
		}
		pages = append(pages, in.pages[i])
	}
	share(pages)
	return pages, nil
}
