package room

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"kuai/mem"
)

const (
	magic       = "KUAIROOM"
	version     = 1
	headerBytes = 128
	headerSum   = 120 // where the header's CRC stands
	// maxBlocks is the most blocks of a room: 67 million positions.
	maxBlocks = 1 << 18
	// maxFileBytes is the most that a file may take of the address space.
	maxFileBytes = 1 << 40
)

// kind tells the two files apart.
type kind uint32

const (
	keyColumn kind = iota
	valueColumn
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the beginning of a file.
type header struct {
	shape  Shape
	kind   kind
	model  [32]byte
	number [16]byte
}

func (h header) bytes() []byte {
	b := make([]byte, headerBytes)
	copy(b, magic)
	for i, v := range []uint32{version, uint32(h.kind), uint32(h.shape.Bits), uint32(h.shape.Layers), uint32(h.shape.Heads), uint32(h.shape.D)} {
		binary.LittleEndian.PutUint32(b[8+4*i:], v)
	}
	copy(b[32:], h.model[:])
	copy(b[64:], h.number[:])
	binary.LittleEndian.PutUint32(b[headerSum:], crc32.Checksum(b[:headerSum], castagnoli))
	return b
}

// parseHeader reads the beginning of a file.
func parseHeader(b []byte) (h header, err error) {
	switch {
	case len(b) < headerBytes:
		return h, damage("header ends after %d of %d bytes", len(b), headerBytes)
	case string(b[:8]) != magic:
		return h, damage("does not begin with %s", magic)
	case binary.LittleEndian.Uint32(b[headerSum:]) != crc32.Checksum(b[:headerSum], castagnoli):
		return h, damage("wrong checksum of the header")
	}
	n := func(i int) int { return int(binary.LittleEndian.Uint32(b[8+4*i:])) }
	if v := n(0); v != version {
		return h, damage("version %d, want %d", v, version)
	}
	h = header{shape: Shape{Bits: n(2), Layers: n(3), Heads: n(4), D: n(5)}, kind: kind(n(1)), model: [32]byte(b[32:64]), number: [16]byte(b[64:80])}
	if err := h.shape.check(); err != nil {
		return h, damage("%v", err)
	}
	if h.kind > valueColumn {
		return h, damage("file of kind %d", h.kind)
	}
	return h, nil
}

func damage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// column is one of a room's files.
type column struct {
	file   *os.File
	size   int // of a block
	blocks int
	mapped *mem.File // nil: blocks are read into memory
}

// openColumn opens or makes a file and returns its header.
func openColumn(path string, fresh header) (c *column, h header, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, h, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, h, err
	}
	if info.Size() < headerBytes { // new, or a crash came first
		if err := f.Truncate(0); err != nil {
			return nil, h, err
		}
		if _, err := f.WriteAt(fresh.bytes(), 0); err != nil {
			return nil, h, err
		}
	}
	b := make([]byte, headerBytes)
	if _, err := io.ReadFull(io.NewSectionReader(f, 0, headerBytes), b); err != nil {
		return nil, h, err
	}
	if h, err = parseHeader(b); err != nil {
		return nil, h, err
	}
	c = &column{file: f, size: h.shape.keyBytes()}
	if h.kind == valueColumn {
		c.size = h.shape.valueBytes()
	}
	c.blocks = int(min(max(0, info.Size()-headerBytes)/int64(c.size), maxBlocks))
	if limit := headerBytes + int64(maxBlocks)*int64(c.size); limit <= maxFileBytes && int64(int(limit)) == limit {
		c.mapped, _ = mem.MapAhead(f, int(limit)) // without, blocks are read
	}
	return c, h, nil
}

// at returns a block's bytes.
func (c *column) at(i int) ([]byte, error) {
	from := headerBytes + i*c.size
	if c.mapped != nil {
		return c.mapped.Bytes()[from:][:c.size:c.size], nil
	}
	b := make([]byte, c.size)
	if _, err := c.file.ReadAt(b, int64(from)); err != nil {
		return nil, err
	}
	return b, nil
}

// chain reads a block's chain, which is not checked yet: without touching what
// is mapped, and the rest of its page.
func (c *column) chain(i int) (chain Chain, err error) {
	_, err = c.file.ReadAt(chain[:], int64(headerBytes+i*c.size+8))
	return chain, err
}

// seal writes a block's head into its bytes.
func seal(b []byte, place int, chain Chain) {
	clear(b[:headBytes])
	binary.LittleEndian.PutUint32(b[4:], uint32(place))
	copy(b[8:], chain[:])
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
}

// sound says whether a block's bytes are what was written.
func sound(b []byte) bool {
	return binary.LittleEndian.Uint32(b) == crc32.Checksum(b[4:], castagnoli)
}

// write writes the block after the last; what it leaves on an error is
// overwritten by the next.
func (c *column) write(b []byte) error {
	_, err := c.file.WriteAt(b, int64(headerBytes+c.blocks*c.size))
	return err
}

// cut forgets what comes after n blocks.
func (c *column) cut(n int) error {
	c.blocks = n
	return c.file.Truncate(int64(headerBytes + n*c.size))
}

func (c *column) close() error {
	var err error
	if c.mapped != nil {
		err = c.mapped.Close()
	}
	return errors.Join(err, c.file.Close())
}
