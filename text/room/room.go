package room

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"

	"kuai/internal/check"
)

var (
	// ErrDamaged is returned for files that are not what was written.
	ErrDamaged = errors.New("damaged room")
	// ErrOther is returned for a room of another model or shape, or for blocks of
	// another text.
	ErrOther = errors.New("room of another model")
	// ErrBusy is returned for a room that is open already.
	ErrBusy = errors.New("room is in use by another")
	// ErrFull is returned for a room with no place for another block.
	ErrFull = errors.New("room is full")
)

// Room is an open room. It may be used by several goroutines; one process has it
// open at a time.
type Room struct {
	dir    string
	shape  Shape
	number [16]byte
	lock   *flock.Flock

	mu           sync.Mutex
	keys, values *column
	known        map[Chain]*Block
	blocks       []*Block // nil: in the files, and not asked for yet
}

// The names of a room's files.
const (
	keyFile   = "keys.room"
	valueFile = "values.room"
	lockFile  = "lock"
)

// Open opens the room in a directory, or makes one. The model's hash tells whose
// keys these are.
func Open(dir string, model [32]byte, shape Shape) (*Room, error) {
	r, err := open(dir, model, shape)
	if err != nil {
		return nil, fmt.Errorf("room: %s: %w", dir, err)
	}
	return r, nil
}

func open(dir string, model [32]byte, shape Shape) (_ *Room, err error) {
	if err := shape.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &Room{dir: dir, shape: shape, lock: flock.New(filepath.Join(dir, lockFile)), known: map[Chain]*Block{}}
	if ok, err := r.lock.TryLock(); err != nil || !ok {
		return nil, errors.Join(err, ErrBusy)
	}
	defer func() {
		if err != nil {
			_ = r.Close()
		}
	}()
	fresh := header{shape: shape, model: model, kind: keyColumn}
	_, _ = rand.Read(fresh.number[:]) // never fails
	var h [2]header
	if r.keys, h[0], err = openColumn(filepath.Join(dir, keyFile), fresh); err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	fresh.kind, fresh.number = valueColumn, h[0].number
	if r.values, h[1], err = openColumn(filepath.Join(dir, valueFile), fresh); err != nil {
		return nil, fmt.Errorf("%s: %w", valueFile, err)
	}
	for i, x := range h {
		switch {
		case x.kind != kind(i) || x.number != h[0].number:
			return nil, damage("its files do not belong together")
		case x.model != model || x.shape != shape:
			return nil, ErrOther
		}
	}
	r.number = h[0].number
	return r, r.recover()
}

// recover cuts off what a crash has left, and learns which blocks there are.
func (r *Room) recover() error {
	n := min(r.keys.blocks, r.values.blocks)
	for ; n > 0; n-- {
		k, err := r.keys.at(n - 1)
		if err != nil {
			return err
		}
		v, err := r.values.at(n - 1)
		if err != nil {
			return err
		}
		if sound(k) && sound(v) {
			break
		}
	}
	if err := r.keys.cut(n); err != nil {
		return err
	}
	if err := r.values.cut(n); err != nil {
		return err
	}
	r.blocks = make([]*Block, n)
	for i := range n {
		chain, err := r.keys.chain(i)
		if err != nil {
			return err
		}
		r.blocks[i] = &Block{shape: r.shape, id: i, chain: chain}
		r.known[chain] = r.blocks[i]
	}
	return nil
}

// Shape returns what its blocks hold.
func (r *Room) Shape() Shape { return r.shape }

// Number tells this room from every other.
func (r *Room) Number() [16]byte { return r.number }

// Len returns how many blocks there are.
func (r *Room) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.blocks)
}

// Bytes returns what its files take.
func (r *Room) Bytes() int64 {
	n := int64(r.Len())
	return 2*headerBytes + n*int64(r.shape.keyBytes()+r.shape.valueBytes())
}

// Find returns the block that the tokens of a chain lead to, which comes after
// place others of its text, or nil where there is none that is whole.
func (r *Room) Find(place int, chain Chain) *Block {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.known[chain]
	if b == nil || r.see(b, place) != nil {
		return nil
	}
	return b
}

// Block returns the block of a number. ErrDamaged says that there is none such, or
// that it is not whole; ErrOther that another number of blocks come before it.
// Whether its tokens are the right ones the caller checks, by its chain.
func (r *Room) Block(id, place int) (*Block, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id < 0 || id >= len(r.blocks) {
		return nil, fmt.Errorf("room: %s: %w", r.dir, damage("block %d of %d", id, len(r.blocks)))
	}
	if err := r.see(r.blocks[id], place); err != nil {
		return nil, fmt.Errorf("room: %s: %w", r.dir, err)
	}
	return r.blocks[id], nil
}

// see checks a block's bytes when they are first wanted, and that it is the one
// that is wanted.
func (r *Room) see(b *Block, place int) error {
	if !b.checked {
		k, err := r.keys.at(b.id)
		if err != nil {
			return err
		}
		v, err := r.values.at(b.id)
		if err != nil {
			return err
		}
		if !sound(k) || !sound(v) || string(k[4:headBytes]) != string(v[4:headBytes]) {
			return damage("block %d", b.id)
		}
		b.keys, b.values, b.checked = k, v, true
	}
	if have := int(binary.LittleEndian.Uint32(b.keys[4:])); have != place || Chain(b.keys[8:24]) != b.chain {
		return fmt.Errorf("block %d after %d others, not %d: %w", b.id, have, place, ErrOther)
	}
	return nil
}

// Append writes a draft, the one after place others of the text whose tokens, at
// last the block's own, lead to its end. From then on it is a part of the files.
// After an error it is a draft as before.
func (r *Room) Append(b *Block, place int, chain Chain, tokens []int32) error {
	check.True(len(tokens) == BlockLen, "room: %d tokens of a block", len(tokens))
	check.True(b.id < 0 && b.shape == r.shape, "room: block %d of %v appended to a room of %v", b.id, b.shape, r.shape)
	r.mu.Lock()
	defer r.mu.Unlock()
	id := len(r.blocks)
	if id >= maxBlocks {
		return fmt.Errorf("room: %s: %w: %d blocks", r.dir, ErrFull, id)
	}
	for i, t := range tokens {
		binary.LittleEndian.PutUint32(b.values[headBytes+4*i:], uint32(t))
	}
	seal(b.values, place, chain)
	seal(b.keys, place, chain)
	for _, w := range []struct {
		c *column
		b []byte
	}{{r.values, b.values}, {r.keys, b.keys}} { // the keys last: they make it whole
		if err := w.c.write(w.b); err != nil {
			return fmt.Errorf("room: %w", err)
		}
	}
	r.keys.blocks, r.values.blocks = id+1, id+1
	if r.keys.mapped != nil {
		b.keys, _ = r.keys.at(id) // a map does not fail
	}
	if r.values.mapped != nil {
		b.values, _ = r.values.at(id)
	}
	b.id, b.chain, b.checked = id, chain, true
	r.blocks = append(r.blocks, b)
	r.known[chain] = b
	return nil
}

// Sync has what was appended survive a loss of power.
func (r *Room) Sync() error {
	if err := errors.Join(r.values.file.Sync(), r.keys.file.Sync()); err != nil {
		return fmt.Errorf("room: %w", err)
	}
	return nil
}

// Close closes the room. Its blocks must not be used any more.
func (r *Room) Close() error {
	var err error
	for _, c := range []*column{r.keys, r.values} {
		if c != nil {
			err = errors.Join(err, c.close())
		}
	}
	return errors.Join(err, r.lock.Unlock())
}
