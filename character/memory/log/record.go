package log

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
	"unicode/utf8"
)

// Limits of a record.
const (
	// MaxText bounds the text of a record, in bytes: a turn of a conversation
	// is a few hundred.
	MaxText = 1 << 20
	// MaxName bounds the name of who spoke, in bytes; its length is one byte.
	MaxName = 255
)

const (
	frameBytes = 8           // length and checksum
	fewest     = 5           // bytes of a body: kind, id, distance to the parent, time, length of the name
	fixedBytes = 1 + 8*3 + 1 // the same in a wide record
	maxBody    = 1 + 3*binary.MaxVarintLen64 + 1 + MaxName + MaxText
	// narrow marks, in the length, records with short numbers. Those written before
	// there were any, which are still read, have them in full.
	narrow = 1 << 31
)

// castagnoli is the checksum that processors compute in one instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Kind says what a record is. The log gives it no meaning, but for Scrubbed.
type Kind uint8

// Scrubbed is a record whose name and text were erased. Its id and parent
// stay, so that the tree keeps its shape.
const Scrubbed Kind = 255

// Record is one entry of a log.
type Record struct {
	Kind   Kind
	ID     uint64    // above that of every record before it; 0 is none
	Parent uint64    // the record that this one follows, 0 for a root
	Time   time.Time // kept to the millisecond
	Name   string    // who spoke, at most MaxName bytes
	Text   string    // UTF-8, at most MaxText bytes
}

// check refuses what the format cannot hold.
func (r *Record) check() error {
	switch {
	case r.ID == 0:
		return fmt.Errorf("log: a record without id")
	case r.Parent >= r.ID:
		return fmt.Errorf("log: record %d: parent %d does not come before it", r.ID, r.Parent)
	case len(r.Name) > MaxName:
		return fmt.Errorf("log: record %d: name of %d bytes, at most %d", r.ID, len(r.Name), MaxName)
	case len(r.Text) > MaxText:
		return fmt.Errorf("log: record %d: text of %d bytes, at most %d", r.ID, len(r.Text), MaxText)
	case !utf8.ValidString(r.Name) || !utf8.ValidString(r.Text):
		return fmt.Errorf("log: record %d: not UTF-8", r.ID)
	}
	return nil
}

// appendTo appends the record as the file has it.
func (r *Record) appendTo(b []byte, salt uint64) []byte {
	start := len(b)
	b = append(b, make([]byte, frameBytes)...)
	b = append(b, byte(r.Kind))
	b = binary.AppendUvarint(b, r.ID)
	b = binary.AppendUvarint(b, r.ID-r.Parent)
	b = binary.AppendVarint(b, r.Time.UnixMilli())
	b = append(b, byte(len(r.Name)))
	b = append(b, r.Name...)
	b = append(b, r.Text...)
	body := b[start+frameBytes:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(body))|narrow)
	binary.LittleEndian.PutUint32(b[start+4:], checksum(body, salt))
	return b
}

// checksum covers a body and the log's salt. The salt is random, so that text
// which somebody wrote to look like a record is not taken for one when the
// records around it are damaged.
func checksum(body []byte, salt uint64) uint32 {
	var s [8]byte
	binary.LittleEndian.PutUint64(s[:], salt)
	return crc32.Update(crc32.Checksum(s[:], castagnoli), castagnoli, body)
}

// head is a record without its text: what the scan of a segment keeps.
type head struct {
	id, parent uint64
	ms         int64
	name       int // where in the record the length of the name stands
	size       int // bytes of the whole record
}

// parseHead reads the record at the start of b, checked. ok is false where
// there is none.
func parseHead(b []byte, salt uint64) (h head, ok bool) {
	if len(b) < frameBytes+fewest {
		return head{}, false
	}
	n := binary.LittleEndian.Uint32(b)
	numbers := wideNumbers
	if n&narrow != 0 {
		n, numbers = n&^narrow, narrowNumbers
	}
	if n < fewest || n > maxBody || int(n) > len(b)-frameBytes {
		return head{}, false
	}
	body := b[frameBytes : frameBytes+int(n)]
	if h, ok = numbers(body); !ok || h.name >= len(body) || int(body[h.name]) >= len(body)-h.name {
		return head{}, false
	}
	if h.id == 0 || h.parent >= h.id || checksum(body, salt) != binary.LittleEndian.Uint32(b[4:]) {
		return head{}, false
	}
	h.name += frameBytes
	h.size = frameBytes + int(n)
	return h, true
}

func wideNumbers(body []byte) (h head, ok bool) {
	if len(body) < fixedBytes {
		return head{}, false
	}
	u := func(at int) uint64 { return binary.LittleEndian.Uint64(body[at:]) }
	return head{id: u(1), parent: u(9), ms: int64(u(17)), name: fixedBytes - 1}, true
}

func narrowNumbers(body []byte) (h head, ok bool) {
	at := 1
	id, n := binary.Uvarint(body[at:])
	if n <= 0 {
		return head{}, false
	}
	at += n
	back, n := binary.Uvarint(body[at:])
	if n <= 0 || back > id {
		return head{}, false
	}
	at += n
	ms, n := binary.Varint(body[at:])
	if n <= 0 {
		return head{}, false
	}
	return head{id: id, parent: id - back, ms: ms, name: at + n}, true
}

// parse reads the whole record that parseHead found.
func parse(b []byte, h head) Record {
	text := h.name + 1 + int(b[h.name])
	return Record{
		Kind: Kind(b[frameBytes]), ID: h.id, Parent: h.parent,
		Time: time.UnixMilli(h.ms).UTC(),
		Name: string(b[h.name+1 : text]),
		Text: string(b[text:h.size]),
	}
}
