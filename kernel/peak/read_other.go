//go:build !amd64

package peak

// The loops below are never chosen where isa.Now is Generic.

func spinF32(int) {}

func spinBF16(int) {}

func spinInt8(int) {}

func spinAVX2(int) {}

func read(x []float32) { readGo(x) }
