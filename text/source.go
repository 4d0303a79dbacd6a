package text

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"kuai/kernel/quant"
)

// tensor is a stored array, row-major, outermost dimension first.
type tensor struct {
	file  string
	name  string
	shape []int
	typ   quant.Type
	data  []byte
}

// source is where a model's tensors come from.
type source interface {
	tensor(name string) (tensor, bool)
	tensors() []tensor
	Close() error
}

// rows is a matrix inside a tensor: n rows of k values.
type rows struct {
	t     tensor
	data  []byte
	n, k  int
	pitch int // bytes of a row
}

// matrix views the last dimension as columns and all others as rows.
func (t tensor) matrix() (rows, error) {
	if len(t.shape) == 0 {
		return rows{}, t.errorf("shape %v, want a matrix", t.shape)
	}
	k := t.shape[len(t.shape)-1]
	n := 1
	for _, s := range t.shape[:len(t.shape)-1] {
		n *= s
	}
	values, bytes := t.typ.Block()
	if values == 0 {
		return rows{}, t.errorf("values of type %v are not supported", t.typ)
	}
	if k%values != 0 {
		return rows{}, t.errorf("rows of %d values, want a multiple of %d", k, values)
	}
	pitch := k / values * bytes
	if len(t.data) != n*pitch {
		return rows{}, t.errorf("%d bytes, shape %v has %d", len(t.data), t.shape, n*pitch)
	}
	return rows{t, t.data, n, k, pitch}, nil
}

// cut returns n rows from one on.
func (r rows) cut(from, n int) rows {
	r.data, r.n = r.data[from*r.pitch:(from+n)*r.pitch], n
	return r
}

// pick returns rows in another order, copied.
func (r rows) pick(order []int) rows {
	out := make([]byte, 0, len(order)*r.pitch)
	for _, i := range order {
		out = append(out, r.data[i*r.pitch:(i+1)*r.pitch]...)
	}
	r.data, r.n = out, len(order)
	return r
}

// row writes a row as float32.
func (r rows) row(dst []float32, i int) {
	quant.Dequantize(dst, r.t.typ, r.data[i*r.pitch:(i+1)*r.pitch])
}

// view returns the rows in place, where they are float32 as memory has them.
func (r rows) view() ([]float32, bool) {
	p := unsafe.Pointer(unsafe.SliceData(r.data))
	if r.t.typ != quant.F32 || uintptr(p)%4 != 0 || !littleEndian {
		return nil, false
	}
	return unsafe.Slice((*float32)(p), r.n*r.k), true
}

// all returns the rows as float32, copied.
func (r rows) all() []float32 {
	dst := make([]float32, r.n*r.k)
	quant.Dequantize(dst, r.t.typ, r.data)
	return dst
}

// littleEndian says whether memory has the order of the files.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

func (t tensor) errorf(format string, args ...any) error {
	return fmt.Errorf("text: %s: tensor %q: %s", t.file, t.name, fmt.Sprintf(format, args...))
}

// fingerprint identifies a model by the names, shapes and types of its tensors and a
// sample of each one's values: to read a model of hundreds of gigabytes whole
// would take minutes.
func fingerprint(arch string, all []tensor) [32]byte {
	const sample = 4096
	h := sha256.New()
	fmt.Fprintf(h, "%s %d\n", arch, len(all))
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b tensor) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	for _, t := range all {
		fmt.Fprintf(h, "%q %v %d\n", t.name, t.shape, t.typ)
		if len(t.data) <= 2*sample {
			h.Write(t.data)
			continue
		}
		h.Write(t.data[:sample])
		h.Write(t.data[len(t.data)/2:][:sample/2])
		h.Write(t.data[len(t.data)-sample:])
	}
	return [32]byte(h.Sum(nil))
}
