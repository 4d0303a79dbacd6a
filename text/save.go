package text

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"unsafe"

	"kuai/text/attention"
)

// A saved session, all numbers little endian:
//
//	8   "KUAISESS"
//	4   version, 1
//	4   type of the KV cache: 0 f16, 1 f32, 2 q8
//	32  the model's hash
//	8   T, tokens             8  tokens that the state has seen
//	8   values of the state   8  checkpoints
//	8   bytes of a page       8  pages, ⌈T/64⌉ or none
//	    tokens                4 bytes each
//	    state                 float32
//	    checkpoints           8 bytes of position, state
//	    pages
//	32  SHA-256 of all that
const (
	saveMagic   = "KUAISESS"
	saveVersion = 1
	maxMarks    = 1 << 10
)

var (
	// ErrOtherModel is returned by LoadSession for a session of another model,
	// or of the same with another type of KV cache.
	ErrOtherModel = errors.New("session of another model")
	// ErrDamaged is returned by LoadSession for a file that is not what Save
	// wrote.
	ErrDamaged = errors.New("damaged session")
)

// saveHeader is the fixed part of a saved session.
type saveHeader struct {
	Magic                    [8]byte
	Version, Cache           uint32
	Model                    [32]byte
	Tokens, At, State, Marks uint64
	PageBytes, Pages         uint64
}

// Save writes the session. Nothing of it is lost: a session that is loaded
// again, in another process too, goes on exactly as this one.
func (s *Session) Save(w io.Writer) error {
	switch {
	case s.closed:
		return ErrClosed
	case s.torn:
		return ErrTorn
	case s.room != nil:
		return s.saveRoom(w)
	}
	sum := sha256.New()
	b := bufio.NewWriterSize(w, 1<<16)
	out := &saver{w: b, sum: sum}
	h := saveHeader{
		Magic: [8]byte([]byte(saveMagic)), Version: saveVersion, Cache: uint32(s.m.layout.Type), Model: s.m.hash,
		Tokens: uint64(len(s.tokens)), At: uint64(s.at), State: uint64(len(s.state)), Marks: uint64(len(s.marks)),
		PageBytes: uint64(s.m.layout.Bytes()), Pages: uint64(len(s.pages)),
	}
	out.number(h)
	out.bytes(bytesOf(s.tokens))
	out.bytes(bytesOf(s.state))
	for _, k := range s.marks {
		out.number(uint64(k.pos))
		out.bytes(bytesOf(k.state))
	}
	for _, p := range s.pages {
		out.bytes(p.Data)
	}
	out.bytes(sum.Sum(nil))
	if out.err == nil {
		out.err = b.Flush()
	}
	if out.err != nil {
		return fmt.Errorf("text: saving a session: %w", out.err)
	}
	return nil
}

// saver writes and sums up until the first error.
type saver struct {
	w   io.Writer
	sum hash.Hash
	err error
}

func (o *saver) bytes(b []byte) {
	if o.err != nil {
		return
	}
	o.sum.Write(b) // never fails
	_, o.err = o.w.Write(b)
}

func (o *saver) number(v any) {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, v) // a buffer takes all
	o.bytes(b.Bytes())
}

// bytesOf views values as the bytes they are in memory.
func bytesOf[T int32 | float32](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
}

// LoadSession reads a session that Save wrote. It fails with ErrOtherModel, or
// ErrDamaged, or what the reader says.
func (m *Model) LoadSession(r io.Reader) (*Session, error) {
	s := m.NewSession()
	in := &restorer{r: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
	if err := in.session(s); err != nil {
		s.tokens, s.at = nil, 0 // nothing for the prefix cache
		s.Close()
		return nil, fmt.Errorf("text: loading a session: %w", err)
	}
	return s, nil
}

// restorer reads and sums up.
type restorer struct {
	r   io.Reader
	sum hash.Hash
}

func damage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// bytes fills b.
func (in *restorer) bytes(what string, b []byte) error {
	n, err := io.ReadFull(in.r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return damage("%s ends after %d of %d bytes", what, n, len(b))
	}
	if err != nil {
		return err
	}
	in.sum.Write(b)
	return nil
}

// header reads and checks the fixed part: after it every size is the model's
// own.
func (in *restorer) header(m *Model) (saveHeader, error) {
	var h saveHeader
	b := make([]byte, binary.Size(h))
	if err := in.bytes("header", b); err != nil {
		return h, err
	}
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, &h); err != nil {
		return h, damage("header: %v", err)
	}
	pages := uint64(0)
	if m.layout.Layers > 0 {
		pages = (h.Tokens + attention.PageLen - 1) / attention.PageLen
	}
	switch {
	case string(h.Magic[:]) != saveMagic:
		return h, damage("does not begin with %s", saveMagic)
	case h.Version == roomSaveVersion:
		return h, ErrNeedsRoom
	case h.Version != saveVersion:
		return h, damage("version %d, want %d", h.Version, saveVersion)
	case h.Model != m.hash:
		return h, ErrOtherModel
	case h.Cache != uint32(m.layout.Type):
		return h, fmt.Errorf("%w: KV cache of type %d, want %v", ErrOtherModel, h.Cache, m.layout.Type)
	case h.Tokens > uint64(m.config.Context):
		return h, fmt.Errorf("%d tokens: %w of %d", h.Tokens, ErrContext, m.config.Context)
	case h.At > h.Tokens || h.State != uint64(m.stateLen) || h.Marks > maxMarks:
		return h, damage("%d of %d tokens, state of %d values, %d checkpoints", h.At, h.Tokens, h.State, h.Marks)
	case h.PageBytes != uint64(m.layout.Bytes()) || h.Pages != pages:
		return h, damage("%d pages of %d bytes, want %d of %d", h.Pages, h.PageBytes, pages, m.layout.Bytes())
	}
	return h, nil
}

// session reads all of it; memory is taken as its bytes arrive.
func (in *restorer) session(s *Session) error {
	m := s.m
	h, err := in.header(m)
	if err != nil {
		return err
	}
	if err := in.tokens(s, int(h.Tokens)); err != nil {
		return err
	}
	if err := in.bytes("state", bytesOf(s.state)); err != nil {
		return err
	}
	if err := in.marks(s, h); err != nil {
		return err
	}
	for range h.Pages {
		s.pages = append(s.pages, m.newPage())
		if err := in.bytes("cache", s.pages[len(s.pages)-1].Data); err != nil {
			return err
		}
	}
	s.at = int(h.At)
	return in.end()
}

// tokens reads n more tokens, as they arrive.
func (in *restorer) tokens(s *Session, n int) error {
	const block = 1 << 16
	for n > 0 {
		b := make([]int32, min(n, block))
		if err := in.bytes("tokens", bytesOf(b)); err != nil {
			return err
		}
		s.tokens = append(s.tokens, b...)
		n -= len(b)
	}
	for _, t := range s.tokens {
		if t < 0 || int(t) >= s.m.config.Vocab {
			return damage("token %d of a vocabulary of %d", t, s.m.config.Vocab)
		}
	}
	return nil
}

// mark reads the position of a checkpoint after the last.
func (in *restorer) mark(tokens, last uint64) (pos uint64, err error) {
	var b [8]byte
	if err := in.bytes("checkpoint", b[:]); err != nil {
		return 0, err
	}
	pos = binary.LittleEndian.Uint64(b[:])
	if pos <= last || pos > tokens {
		return 0, damage("checkpoint at %d after %d, of %d tokens", pos, last, tokens)
	}
	return pos, nil
}

// marks reads the checkpoints.
func (in *restorer) marks(s *Session, h saveHeader) error {
	last := uint64(0)
	for range h.Marks {
		pos, err := in.mark(h.Tokens, last)
		if err != nil {
			return err
		}
		last = pos
		state := make([]float32, len(s.state))
		if err := in.bytes("checkpoint", bytesOf(state)); err != nil {
			return err
		}
		s.marks = append(s.marks, mark{pos: int(pos), state: state})
	}
	return nil
}

// end checks the sum, and that nothing follows.
func (in *restorer) end() error {
	want := in.sum.Sum(nil)
	var got [sha256.Size]byte
	if err := in.bytes("checksum", got[:]); err != nil {
		return err
	}
	if !bytes.Equal(got[:], want) {
		return damage("wrong checksum")
	}
	if n, _ := in.r.Read(make([]byte, 1)); n > 0 {
		return damage("bytes after its end")
	}
	return nil
}
