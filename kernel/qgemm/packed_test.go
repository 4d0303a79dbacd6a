package qgemm

import (
	"bytes"
	"testing"

	"kuai/kernel/quant"
	"kuai/mem"
)

// TestPacked packs into memory that held something else, and takes what lies
// there as packed.
func TestPacked(t *testing.T) {
	t.Parallel()
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q4_K, quant.Q6_K} {
		for _, n := range []int{1, 31, 32, 33, 70} {
			const k = 256
			data := make([]byte, typ.Bytes(n*k))
			for i := range data {
				data[i] = byte(i * 11)
			}
			want := Pack(nil, nil, typ, data, n, k)
			a := mem.NewArena(PackedBytes(typ, n, k))
			for i, b := 0, mem.Make[byte](a, PackedBytes(typ, n, k)); i < len(b); i++ {
				b[i] = 0xff
			}
			a.Release(0)
			if got := Pack(nil, a, typ, data, n, k); !bytes.Equal(got.buf, want.buf) {
				t.Errorf("%v [%d, %d]: other bytes where something was before", typ, n, k)
			}
			a.Release(0)
			if got := Packed(a, typ, n, k); !bytes.Equal(got.buf, want.buf) || got.N() != n || got.K() != k || got.kind != want.kind {
				t.Errorf("%v [%d, %d]: other weights from what is packed", typ, n, k)
			}
			a.Close()
		}
	}
}
