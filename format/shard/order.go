package shard

import "kuai/internal/check"

// Order is a random order of n records that needs no memory: record k of
// epoch e is one evaluation of a Feistel permutation.
type Order struct {
	Seed uint64
	N    int
}

const feistelRounds = 4

// At returns the record at a position that counts on through the epochs, each
// of which visits every record once in an order of its own. An order of no
// records is the caller's bug and panics.
func (o Order) At(position uint64) int {
	check.True(o.N > 0, "shard: order of %d records", o.N)
	n := uint64(o.N)
	epoch, x := position/n, position%n
	half := uint(1)
	for 1<<(2*half) < n {
		half++
	}
	mask := uint64(1)<<half - 1
	for { // walk the cycle until it is back inside
		l, r := x>>half, x&mask
		for round := range uint64(feistelRounds) {
			l, r = r, l^mix(r, o.Seed, epoch*feistelRounds+round)&mask
		}
		if x = l<<half | r; x < n {
			return int(x)
		}
	}
}

// mix is a hash of three numbers (SplitMix64's finaliser).
func mix(x, seed, round uint64) uint64 {
	x += seed ^ round*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
