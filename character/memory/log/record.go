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
	fixedBytes = 1 + 8*3 + 1 // kind, id, parent, time, length of the name
	maxBody    = fixedBytes + MaxName + MaxText
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
	b = binary.LittleEndian.AppendUint64(b, r.ID)
	b = binary.LittleEndian.AppendUint64(b, r.Parent)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Time.UnixMilli()))
	b = append(b, byte(len(r.Name)))
	b = append(b, r.Name...)
	b = append(b, r.Text...)
	body := b[start+frameBytes:]
	binary.LittleEndian.PutUint32(b[start:], uint32(len(body)))
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
	size       int // bytes of the whole record
}

// parseHead reads the record at the start of b, checked. ok is false where
// there is none.
func parseHead(b []byte, salt uint64) (h head, ok bool) {
	if len(b) < frameBytes+fixedBytes {
		return head{}, false
	}
	n := binary.LittleEndian.Uint32(b)
	if n < fixedBytes || n > maxBody || int(n) > len(b)-frameBytes {
		return head{}, false
	}
	body := b[frameBytes : frameBytes+int(n)]
	if int(body[fixedBytes-1]) > len(body)-fixedBytes {
		return head{}, false
	}
	h = head{binary.LittleEndian.Uint64(body[1:]), binary.LittleEndian.Uint64(body[9:]), frameBytes + int(n)}
	if h.id == 0 || h.parent >= h.id || checksum(body, salt) != binary.LittleEndian.Uint32(b[4:]) {
		return head{}, false
	}
	return h, true
}

// parse reads the whole record that parseHead found.
func parse(b []byte, h head) Record {
	body := b[frameBytes:h.size]
	name := int(body[fixedBytes-1])
	return Record{
		Kind: Kind(body[0]), ID: h.id, Parent: h.parent,
		Time: time.UnixMilli(int64(binary.LittleEndian.Uint64(body[17:]))).UTC(),
		Name: string(body[fixedBytes : fixedBytes+name]),
		Text: string(body[fixedBytes+name:]),
	}
}
