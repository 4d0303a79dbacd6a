package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"kuai/format/atomicfile"
	"kuai/mem"
)

// Read reads the file at path into memory. It fails with ErrDamaged or what
// the system says, and names the file.
func Read(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	f, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Open is Read for large files: it maps the file, so that only what is used
// is read. The tensors are gone after Close, and must not be written to.
func Open(path string) (*File, error) {
	file, err := mem.MapFile(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	f, err := Parse(file.Bytes())
	if err != nil {
		_ = file.Close() // was only read
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.file = file
	return f, nil
}

// Close ends the use of a file's tensors. It does nothing to a file that was
// not mapped.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file, f.Tensors, f.index = nil, nil, nil
	return file.Close()
}

// Write writes a file so that it is there whole or not at all: what was there
// before stays until the new one is on the disk.
func Write(path string, tensors []Tensor, metadata map[string]string) error {
	err := atomicfile.Write(path, func(w io.Writer) error { return EncodeTo(w, tensors, metadata) })
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	return nil
}

// Encode returns the bytes of a file, as EncodeTo writes them.
func Encode(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var out bytes.Buffer
	if err := EncodeTo(&out, tensors, metadata); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Source is a tensor to write. Write is called once, when its turn comes, and
// writes exactly the tensor's bytes.
type Source struct {
	Name  string
	DType DType
	Shape []int
	Write func(w io.Writer) error
}

// Source returns the tensor as one to write.
func (t Tensor) Source() Source {
	return Source{t.Name, t.DType, t.Shape, func(w io.Writer) error {
		if err := t.check(); err != nil {
			return err
		}
		_, err := w.Write(t.Data)
		return err
	}}
}

// EncodeTo writes a file. As in the reference implementation the tensors are
// ordered by the width of their type, then by name, and the header is padded
// to a multiple of 8, so that every tensor is aligned in a mapped file; the
// same tensors make the same bytes.
func EncodeTo(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	sources := make([]Source, len(tensors))
	for i, t := range tensors {
		if err := t.check(); err != nil {
			return err
		}
		sources[i] = t.Source()
	}
	return encode(w, sources, metadata)
}

// encode is EncodeTo with tensors that are made when their turn comes.
func encode(w io.Writer, tensors []Source, metadata map[string]string) error {
	tensors = slices.Clone(tensors)
	slices.SortFunc(tensors, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.DType.Size(), a.DType.Size()), cmp.Compare(a.Name, b.Name))
	})
	header, err := encodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, t := range tensors {
		want, err := t.size()
		if err != nil {
			return err
		}
		c := &counter{w: w}
		if err := t.Write(c); err != nil {
			return err
		}
		if c.n != want {
			return fmt.Errorf("safetensors: tensor %q: %d bytes written, shape %v of %s has %d", t.Name, c.n, t.Shape, t.DType, want)
		}
	}
	return nil
}

// counter counts the bytes that pass.
type counter struct {
	w io.Writer
	n int
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += n
	return n, err
}

// encodeHeader returns what comes before the tensors' bytes.
func encodeHeader(tensors []Source, metadata map[string]string) ([]byte, error) {
	var all [][]byte
	if len(metadata) > 0 {
		m, err := json.Marshal(metadata) // sorts the keys
		if err != nil {
			return nil, fmt.Errorf("safetensors: metadata: %w", err)
		}
		all = append(all, fmt.Appendf(nil, "%q:%s", metadataKey, m))
	}
	var at int64
	seen := make(map[string]bool, len(tensors))
	for _, t := range tensors {
		size, err := t.size()
		if err != nil {
			return nil, err
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("safetensors: tensor %q: given twice", t.Name)
		}
		seen[t.Name] = true
		e := entry{DType: t.DType, Shape: make([]int64, len(t.Shape)), Offsets: []int64{at, at + int64(size)}}
		for j, s := range t.Shape {
			e.Shape[j] = int64(s)
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		value, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		all = append(all, fmt.Appendf(nil, "%s:%s", name, value))
		at = e.Offsets[1]
	}
	text := slices.Concat([]byte("{"), bytes.Join(all, []byte(",")), []byte("}"))
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	if len(text) > MaxHeaderBytes {
		return nil, fmt.Errorf("safetensors: header of %d bytes, at most %d", len(text), MaxHeaderBytes)
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}

// size returns the tensor's bytes, or says why it cannot be written.
func (s Source) size() (int, error) {
	size := s.DType.Size()
	switch {
	case size == 0:
		return 0, fmt.Errorf("safetensors: tensor %q: unknown type %q", s.Name, s.DType)
	case s.Name == metadataKey || len(s.Name) > MaxNameBytes:
		return 0, fmt.Errorf("safetensors: tensor name %.40q cannot be used", s.Name)
	case len(s.Shape) > MaxRank:
		return 0, fmt.Errorf("safetensors: tensor %q: %d dimensions, at most %d", s.Name, len(s.Shape), MaxRank)
	}
	for _, side := range s.Shape {
		if side < 0 || side > 0 && size > math.MaxInt/side {
			return 0, fmt.Errorf("safetensors: tensor %q: shape %v", s.Name, s.Shape)
		}
		size *= side
	}
	return size, nil
}

// check says why a tensor cannot be written.
func (t Tensor) check() error {
	size, err := Source{Name: t.Name, DType: t.DType, Shape: t.Shape}.size()
	if err == nil && size != len(t.Data) {
		err = fmt.Errorf("safetensors: tensor %q: %d bytes present, shape %v of %s has %d", t.Name, len(t.Data), t.Shape, t.DType, size)
	}
	return err
}
