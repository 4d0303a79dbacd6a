// Package room keeps the keys and values of long texts in files: what a layer
// that sees everything has seen, at some hundred bytes a position, so that a
// text of millions of positions takes disk and page cache but hardly memory.
//
// A room is a directory with two files of blocks of [BlockLen] positions, which
// are only ever appended to and are mapped for reading. Texts share blocks: a
// block belongs to the text whose tokens lead to it, told by a chain of hashes,
// so a fork finds what stands before its point and nothing else, and a text that
// is read again finds what was written the first time. All numbers are little
// endian.
//
//	keys.room, values.room:
//	8    "KUAIROOM"
//	4    version, 1                 4   0 keys, 1 values
//	4    bits of a key, 4 or 8      4   layers
//	4    heads                      4   width of a head
//	32   the model's hash
//	16   the room's number, the same in both
//	40   zeros
//	4    CRC-32C of the above       4   zeros
//	     blocks
//
//	a block:
//	4    CRC-32C of what follows, to the block's end
//	4    place: how many blocks of the text come before
//	16   chain: SHA-256 of the chain before and of the block's tokens, cut
//	40   zeros
//	     keys: of each layer and head the keys as attn.Probe has them, and their
//	     scales, in half precision
//	     values: the tokens, 4 bytes each; of each layer and head the values, int8
//	     in panels of 32 columns, and their scales
//
// The values of a block are written before its keys: a block that has keys is
// whole. What a crash left of another is cut off when the room is opened.
package room

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"kuai/kernel/attn"
	"kuai/kernel/vec"
)

const (
	// BlockLen is the positions of a block.
	BlockLen = 256
	// lanes is the columns of a panel of values.
	lanes = 32
	// headBytes is what comes before a block's keys or values.
	headBytes = 64
	scaleSize = 2 // bytes of a scale
	// tokenBytes is what a block's tokens take.
	tokenBytes = 4 * BlockLen

	maxLayers   = 256
	maxHeads    = 1 << 10
	maxWidth    = 1 << 10
	maxBlockLen = 1 << 26 // bytes
)

// Shape says what a block holds.
type Shape struct {
	Bits   int // of a key's values, 4 or 8
	Layers int // that see everything
	Heads  int // of keys and values
	D      int // width of a head
}

// check says what makes a shape impossible.
func (s Shape) check() error {
	switch {
	case s.Bits != 4 && s.Bits != 8:
		return fmt.Errorf("keys of %d bits, want 4 or 8", s.Bits)
	case s.Layers <= 0 || s.Layers > maxLayers || s.Heads <= 0 || s.Heads > maxHeads || s.D <= 0 || s.D > maxWidth:
		return fmt.Errorf("%d layers with %d heads of %d, want 1 to %d, %d and %d", s.Layers, s.Heads, s.D, maxLayers, maxHeads, maxWidth)
	case s.keyBytes() > maxBlockLen || s.valueBytes() > maxBlockLen:
		return fmt.Errorf("blocks of %d and %d bytes, at most %d", s.keyBytes(), s.valueBytes(), maxBlockLen)
	}
	return nil
}

// keys and values are the bytes of a head's in a block, without the scales.
func (s Shape) keys() int   { return BlockLen * attn.ScanWidth(s.D) * s.Bits / 8 }
func (s Shape) values() int { return BlockLen * ((s.D + lanes - 1) / lanes * lanes) }

// keyBytes and valueBytes are the bytes of a block in its files.
func (s Shape) keyBytes() int {
	return headBytes + s.Layers*s.Heads*(s.keys()+BlockLen*scaleSize)
}

func (s Shape) valueBytes() int {
	return headBytes + tokenBytes + s.Layers*s.Heads*(s.values()+BlockLen*scaleSize)
}

// BytesPerPosition is what a position takes on the disk.
func (s Shape) BytesPerPosition() float64 {
	return float64(s.keyBytes()+s.valueBytes()) / BlockLen
}

// Chain tells a text's tokens up to the end of a block. The zero value stands
// for no tokens.
type Chain [16]byte

// Next returns the chain after a block's tokens.
func (c Chain) Next(tokens []int32) Chain {
	h := sha256.New()
	h.Write(c[:])
	var b [4]byte
	for _, t := range tokens {
		binary.LittleEndian.PutUint32(b[:], uint32(t))
		h.Write(b[:])
	}
	return Chain(h.Sum(nil)[:len(c)])
}

// Block is the keys and values of BlockLen positions: a draft in memory until
// Append has written it, then a part of the mapped files. Once it is written it
// never changes.
type Block struct {
	shape        Shape
	id           int // -1: not written
	keys, values []byte
	chain        Chain
	checked      bool // guarded by the room's lock
}

// Draft returns a block to be filled.
func (s Shape) Draft() *Block {
	return &Block{shape: s, id: -1, keys: make([]byte, s.keyBytes()), values: make([]byte, s.valueBytes())}
}

// ID is the block's number in its room, -1 for a draft.
func (b *Block) ID() int { return b.id }

// Bits is how many a key's value has.
func (b *Block) Bits() int { return b.shape.Bits }

// Chain tells the tokens that lead to a written block's end.
func (b *Block) Chain() Chain { return b.chain }

// Put writes the key and the value of a position, [D] each, into a draft.
func (b *Block) Put(layer, head, position int, key, value []float32) {
	keys, scale := b.Keys(layer, head)
	if b.shape.Bits == 4 {
		scale[position] = attn.PutNibbles(keys, position, key)
	} else {
		scale[position] = attn.PutBytes(keys, position, key)
	}
	values, vscale := b.Values(layer, head)
	vscale[position] = putValue(values, position, value)
}

// Keys returns the keys of a head and their scales, as attn.Probe takes them.
func (b *Block) Keys(layer, head int) (keys []byte, scale []uint16) {
	n := b.shape.keys()
	x := b.keys[headBytes+(layer*b.shape.Heads+head)*(n+BlockLen*scaleSize):]
	return x[:n], halves(x[n:])
}

// Values returns the values of a head, [⌈D/32⌉, BlockLen, 32], and their scales.
func (b *Block) Values(layer, head int) (values []int8, scale []uint16) {
	n := b.shape.values()
	x := b.values[headBytes+tokenBytes+(layer*b.shape.Heads+head)*(n+BlockLen*scaleSize):]
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(x))), n), halves(x[n:])
}

// Tokens adds the tokens of a written block to a slice.
func (b *Block) Tokens(to []int32) []int32 {
	for i := range BlockLen {
		to = append(to, int32(binary.LittleEndian.Uint32(b.values[headBytes+4*i:])))
	}
	return to
}

// halves views the scales of a block.
func halves(b []byte) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(b))), BlockLen)
}

// AddValue adds the value of a position times w to o [D].
func (b *Block) AddValue(o []float32, layer, head, position int, w float32) {
	values, scale := b.Values(layer, head)
	var s [1]float32
	vec.FromF16(s[:], scale[position:][:1])
	w *= s[0]
	var wide [lanes]float32
	for i := 0; i < len(o); i += lanes {
		n := min(lanes, len(o)-i)
		attn.Widen(wide[:n], values[(i/lanes*BlockLen+position)*lanes:][:n])
		vec.Axpy(o[i:i+n], w, wide[:n])
	}
}

// putValue rounds a value to int8 and returns its scale.
func putValue(values []int8, position int, value []float32) uint16 {
	var top float32
	for _, v := range value {
		if v > top {
			top = v
		} else if -v > top {
			top = -v
		}
	}
	const maxHalf = 65504
	scale, kept := [1]float32{min(top/math.MaxInt8, maxHalf)}, [1]uint16{}
	vec.ToF16(kept[:], scale[:])
	vec.FromF16(scale[:], kept[:])
	var inv float32
	if scale[0] > 0 {
		inv = 1 / scale[0]
	}
	for i := range value {
		v := value[i] * inv
		if v != v {
			v = 0
		}
		values[(i/lanes*BlockLen+position)*lanes+i%lanes] = int8(max(-math.MaxInt8, min(math.MaxInt8, math.RoundToEven(float64(v)))))
	}
	return kept[0]
}
