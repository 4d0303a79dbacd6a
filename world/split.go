package world

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
)

// Split is a part of all clips.
type Split uint8

const (
	// Train has no held-out combination.
	Train Split = iota
	// Val has the combinations of Train with seeds that Train never draws.
	Val
	// HeldOut has only combinations that Train never shows.
	HeldOut
)

// Shares of combinations that are held out.
const (
	pairHeldOut   = 10 // one in ten object-motion and object-scene pairs
	tripleHeldOut = 20 // one in twenty triples on top
)

// IsHeldOut says whether the combination of object, motion and scene never
// occurs in training.
func (s Spec) IsHeldOut() bool {
	return hash('m', s.Object, s.Motion, 0)%pairHeldOut == 0 ||
		hash('s', s.Object, 0, s.Scene)%pairHeldOut == 0 ||
		hash('t', s.Object, s.Motion, s.Scene)%tripleHeldOut == 0
}

func hash(kind byte, object, motion, scene uint8) uint64 {
	h := fnv.New64a()
	h.Write([]byte{kind, object, motion, scene, 0x5a})
	// FNV's low bits mix poorly over so few bytes.
	x := h.Sum64()
	x ^= x >> 32
	return x * 0x9e3779b97f4a7c15 >> 20
}

// unspoken is how often size and speed are the middle ones.
const unspoken = 0.5

// Sample draws the index-th clip of a split under a seed. Any two calls with
// the same arguments give the same Spec. Train and Val show all objects as
// often, however many combinations of each are held out.
func Sample(split Split, seed, index uint64) Spec {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], index)
	key[16] = byte(split)
	r := rand.New(rand.NewChaCha8(key))
	object := uint8(r.IntN(len(Objects)))
	for {
		s := Spec{
			Object: object,
			Motion: uint8(r.IntN(len(Motions))),
			Scene:  uint8(r.IntN(len(Scenes))),
			Time:   uint8(r.IntN(len(Times))),
			Size:   middleOr(r, len(Sizes)),
			Speed:  middleOr(r, len(Speeds)),
			Mirror: r.IntN(2) == 0,
			Seed:   r.Uint64()<<1 | uint64(min(split, 1)), // Train's seeds are even
		}
		if s.IsHeldOut() == (split == HeldOut) {
			return s
		}
		if split == HeldOut {
			object = uint8(r.IntN(len(Objects))) // not all have such combinations
		}
	}
}

func middleOr(r *rand.Rand, n int) uint8 {
	if r.Float64() < unspoken {
		return Middle
	}
	return uint8(1 + r.IntN(n-1))
}
