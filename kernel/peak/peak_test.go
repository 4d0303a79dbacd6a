package peak

import (
	"testing"

	"kuai/internal/check"
	"kuai/kernel/isa"
	"kuai/par"
)

func TestSpin(t *testing.T) {
	p := par.New(2)
	defer p.Close()
	isa.ForEach(t, func(t *testing.T) {
		for _, kind := range []Kind{F32, BF16, Int8} {
			func() {
				defer func() {
					if _, bug := recover().(*check.Bug); bug == Has(kind) {
						t.Errorf("kind %d: panics %v, has %v", kind, bug, Has(kind))
					}
				}()
				if n := Spin(p, kind); n < 1e6 {
					t.Errorf("kind %d: %v operations", kind, n)
				}
			}()
		}
	})
}

func TestRead(t *testing.T) {
	x := make([]float32, 3<<16+5)
	isa.ForEach(t, func(t *testing.T) {
		if got, want := Read(nil, x), float64(3<<16*4); got != want {
			t.Errorf("read %v bytes, want %v", got, want)
		}
	})
	for i := range x {
		x[i] = 1
	}
	if got := readGo(x[:1000]); got != 1000 {
		t.Errorf("the sum of 1000 ones is %v", got)
	}
}
