package converse

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Which turns a session has seen, numbers little-endian:
//
//	magic 8 | mark 32 | count u64 | turns: id u64, end u64 | SHA-256 of all that
const (
	seenMagic = "KUAISEEN"
	maxSeen   = 16 << 20 // turns
)

var errSeen = errors.New("converse: damaged list of turns")

func writeSeen(w io.Writer, mark [32]byte, seen []seenTurn) error {
	var b bytes.Buffer
	b.WriteString(seenMagic)
	b.Write(mark[:])
	for _, v := range []any{uint64(len(seen)), seen} {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			return fmt.Errorf("converse: %w", err)
		}
	}
	sum := sha256.Sum256(b.Bytes())
	b.Write(sum[:])
	_, err := w.Write(b.Bytes())
	return err
}

// readSeen reads what writeSeen wrote, and no byte more. There is one turn at
// least: the beginning.
func readSeen(r io.Reader) (mark [32]byte, seen []seenTurn, err error) {
	sum := sha256.New()
	in := io.TeeReader(r, sum)
	var head struct {
		Magic [8]byte
		Mark  [32]byte
		N     uint64
	}
	if err := binary.Read(in, binary.LittleEndian, &head); err != nil || string(head.Magic[:]) != seenMagic || head.N == 0 || head.N > maxSeen {
		return mark, nil, errSeen
	}
	for n := head.N; n > 0; { // memory is taken as there is something to fill it with
		some := make([]seenTurn, min(n, 1<<12))
		if err := binary.Read(in, binary.LittleEndian, some); err != nil {
			return mark, nil, errSeen
		}
		seen = append(seen, some...)
		n -= uint64(len(some))
	}
	var want [32]byte
	if _, err := io.ReadFull(r, want[:]); err != nil || !bytes.Equal(sum.Sum(nil), want[:]) {
		return mark, nil, errSeen
	}
	return head.Mark, seen, nil
}
