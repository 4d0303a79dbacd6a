package weight

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"kuai/format/atomicfile"
	"kuai/kernel/qgemm"
	"kuai/par"
)

// A file of packed weights is the memory that Pack has filled, so that the next
// load reads it instead of packing anew. All numbers are little endian:
//
//	8   "KUAIPACK"
//	4   version
//	4   CRC-32C of the rest of the header
//	32  the key: what was packed, and how
//	8   bytes of weights
//	    CRC-32C of each 4 MiB of them
//	    the weights
//
// It is read and not mapped: anonymous memory comes in huge pages, from which
// products read a fifth faster than from a mapped file's small ones, and what
// was read and summed up cannot change any more.
const (
	cacheMagic = "KUAIPACK"
	cachePart  = 4 << 20
	cacheFixed = 8 + 4 + 4 + 32 + 8
	// cacheVersion changes with the order of rows in packed matrices.
	cacheVersion = 1
	// minAuto is the bytes from which packing takes long enough to notice.
	minAuto = 32 << 20
)

// errStale is why a file of packed weights is of no use.
var errStale = errors.New("of another model or damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Cache is a file of packed weights beside a model, or where else there is room
// for it. Several processes may use it at once: it is replaced as a whole.
type Cache struct {
	paths []string // where it may be, best first
	key   [32]byte
	least int // bytes
}

// Auto is the place beside the model or, where nothing can be written there, in
// the user's folder for caches, of weights that are worth it.
const Auto = "auto"

// NewCache returns the cache of a model at path in a place: Auto, or a
// directory. identity says which model it is, content and all.
func NewCache(place, path, identity string, k *Packer) *Cache {
	name := "." + filepath.Base(path) + ".packed"
	if k.want != "" {
		name = "." + filepath.Base(path) + "." + k.want + ".packed"
	}
	c := &Cache{key: sha256.Sum256(fmt.Appendf(nil, "%d %d %s %q", cacheVersion, qgemm.Version, identity, k.plan))}
	if place != Auto {
		c.paths = []string{filepath.Join(place, name)}
		return c
	}
	beside := filepath.Join(filepath.Dir(path), name)
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		beside = filepath.Join(path, ".packed") // a directory's weights stay in it
		if k.want != "" {
			beside = filepath.Join(path, "."+k.want+".packed")
		}
	}
	c.paths, c.least = []string{beside}, minAuto
	if user, err := os.UserCacheDir(); err == nil {
		full, err := filepath.Abs(path)
		if err == nil {
			sum := sha256.Sum256([]byte(full))
			c.paths = append(c.paths, filepath.Join(user, "kuai", "packed", fmt.Sprintf("%x%s", sum[:8], name)))
		}
	}
	return c
}

// Load fills w with the packed weights. Where it fails, w holds anything.
func (c *Cache) Load(p *par.Pool, w []byte) error {
	var all []error
	for _, path := range c.paths {
		err := c.load(p, path, w)
		if err == nil {
			return nil
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (c *Cache) load(p *par.Pool, path string, w []byte) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("text: %w", err)
	}
	defer f.Close() //nolint:errcheck // was only read
	want := c.header(len(w), make([]uint32, parts(len(w))))
	got := make([]byte, len(want))
	info, err := f.Stat()
	if err != nil || info.Size() != int64(len(want)+len(w)) {
		return fmt.Errorf("text: %s: %w", path, errStale)
	}
	if _, err := io.ReadFull(f, got); err != nil {
		return fmt.Errorf("text: %s: %w", path, err)
	}
	const sum = 12
	rest := sum + 4
	if !bytes.Equal(got[:sum], want[:sum]) || !bytes.Equal(got[rest:cacheFixed], want[rest:cacheFixed]) ||
		crc32.Checksum(got[rest:], castagnoli) != binary.LittleEndian.Uint32(got[sum:]) {
		return fmt.Errorf("text: %s: %w", path, errStale)
	}
	var bad atomic.Bool
	p.Do(parts(len(w)), func(i, _ int) {
		part := w[i*cachePart : min((i+1)*cachePart, len(w))]
		if bad.Load() {
			return
		}
		_, err := f.ReadAt(part, int64(len(got)+i*cachePart))
		if err != nil || crc32.Checksum(part, castagnoli) != binary.LittleEndian.Uint32(got[cacheFixed+4*i:]) {
			bad.Store(true)
		}
	})
	if bad.Load() {
		return fmt.Errorf("text: %s: %w", path, errStale)
	}
	return nil
}

// Store writes the packed weights to the first place that takes them.
func (c *Cache) Store(w []byte) error {
	sums := make([]uint32, parts(len(w)))
	for i := range sums {
		sums[i] = crc32.Checksum(w[i*cachePart:min((i+1)*cachePart, len(w))], castagnoli)
	}
	var all []error
	for _, path := range c.paths {
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = atomicfile.Write(path, func(out io.Writer) error {
				if _, err := out.Write(c.header(len(w), sums)); err != nil {
					return err
				}
				_, err := out.Write(w)
				return err
			})
		}
		if err == nil {
			return nil
		}
		all = append(all, fmt.Errorf("text: %w", err))
	}
	return errors.Join(all...)
}

// header is all before the weights.
func (c *Cache) header(size int, sums []uint32) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(cacheMagic), cacheVersion)
	b = append(b, 0, 0, 0, 0)
	b = append(b, c.key[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(size))
	for _, s := range sums {
		b = binary.LittleEndian.AppendUint32(b, s)
	}
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli))
	return b
}

func parts(n int) int { return (n + cachePart - 1) / cachePart }
