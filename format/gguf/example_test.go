package gguf_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"kuai/format/gguf"
	"kuai/kernel/quant"
)

// A file of one key and one tensor is written and read.
func Example() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only a temporary directory
	path := filepath.Join(dir, "model.gguf")
	keys := []gguf.Key{{Name: "general.architecture", Value: "llama"}}
	err = gguf.Write(path, keys, []gguf.Source{{
		Name: "output_norm.weight", Shape: []int{2}, Type: quant.F16,
		Write: func(w io.Writer) error {
			data := make([]byte, quant.F16.Bytes(2))
			quant.Quantize(data, quant.F16, []float32{1, 0.5})
			_, err := w.Write(data)
			return err
		},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := gguf.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close() //nolint:errcheck // was only read
	arch, _ := f.String("general.architecture")
	t, _ := f.Tensor("output_norm.weight")
	values := make([]float32, t.Values())
	quant.Dequantize(values, t.Type, t.Data)
	fmt.Println(arch, t.Name, t.Shape, t.Type, values)
	// Output: llama output_norm.weight [2] F16 [1 0.5]
}
