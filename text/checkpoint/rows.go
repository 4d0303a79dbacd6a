package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"kuai/kernel/quant"
)

// Tensor is a stored array of a model, row-major.
type Tensor struct {
	File  string // where it lies, for errors
	Name  string
	Shape []int // outermost first
	Type  quant.Type
	Data  []byte // valid until the Checkpoint is closed
}

// Rows is a matrix inside a tensor: N rows of K values.
type Rows struct {
	Tensor Tensor
	Data   []byte // of these rows
	N, K   int
	Pitch  int // bytes of a row
}

// Matrix views the last dimension as columns and all others as rows.
func (t Tensor) Matrix() (Rows, error) {
	if len(t.Shape) == 0 {
		return Rows{}, t.errorf("shape %v, want a matrix", t.Shape)
	}
	k := t.Shape[len(t.Shape)-1]
	n := 1
	for _, s := range t.Shape[:len(t.Shape)-1] {
		n *= s
	}
	values, bytes := t.Type.Block()
	if values == 0 {
		return Rows{}, t.errorf("values of type %v are not supported", t.Type)
	}
	if k%values != 0 {
		return Rows{}, t.errorf("rows of %d values, want a multiple of %d", k, values)
	}
	pitch := k / values * bytes
	if len(t.Data) != n*pitch {
		return Rows{}, t.errorf("%d bytes, shape %v has %d", len(t.Data), t.Shape, n*pitch)
	}
	return Rows{t, t.Data, n, k, pitch}, nil
}

// Cut returns n rows from one on.
func (r Rows) Cut(from, n int) Rows {
	r.Data, r.N = r.Data[from*r.Pitch:(from+n)*r.Pitch], n
	return r
}

// Pick returns rows in another order, copied.
func (r Rows) Pick(order []int) Rows {
	out := make([]byte, 0, len(order)*r.Pitch)
	for _, i := range order {
		out = append(out, r.Data[i*r.Pitch:(i+1)*r.Pitch]...)
	}
	r.Data, r.N = out, len(order)
	return r
}

// Row writes a row as float32.
func (r Rows) Row(dst []float32, i int) {
	quant.Dequantize(dst, r.Tensor.Type, r.Data[i*r.Pitch:(i+1)*r.Pitch])
}

// View returns the rows in place, where they are float32 as memory has them.
func (r Rows) View() ([]float32, bool) {
	p := unsafe.Pointer(unsafe.SliceData(r.Data))
	if r.Tensor.Type != quant.F32 || uintptr(p)%4 != 0 || !littleEndian {
		return nil, false
	}
	return unsafe.Slice((*float32)(p), r.N*r.K), true
}

// Floats returns the rows as float32, copied.
func (r Rows) Floats() []float32 {
	dst := make([]float32, r.N*r.K)
	quant.Dequantize(dst, r.Tensor.Type, r.Data)
	return dst
}

// littleEndian says whether memory has the order of the files.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

func (t Tensor) errorf(format string, args ...any) error {
	return fmt.Errorf("text: %s: tensor %q: %s", t.File, t.Name, fmt.Sprintf(format, args...))
}

// fingerprint identifies a model by the names, shapes and types of its tensors and a
// sample of each one's values: to read a model of hundreds of gigabytes whole
// would take minutes.
func fingerprint(arch string, all []Tensor) [32]byte {
	const sample = 4096
	h := sha256.New()
	fmt.Fprintf(h, "%s %d\n", arch, len(all))
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Tensor) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for _, t := range all {
		fmt.Fprintf(h, "%q %v %d\n", t.Name, t.Shape, t.Type)
		if len(t.Data) <= 2*sample {
			h.Write(t.Data)
			continue
		}
		h.Write(t.Data[:sample])
		h.Write(t.Data[len(t.Data)/2:][:sample/2])
		h.Write(t.Data[len(t.Data)-sample:])
	}
	return [32]byte(h.Sum(nil))
}
