package text

import (
	"fmt"
	"os"
	"path/filepath"

	"kuai/format/gguf"
)

// Describe reads a model's configuration and the sizes of its tensors, and no
// weights: what can be said of a model without loading it. StateBytes and
// KVBytes are those of the usual cache, in half precision.
func Describe(path string) (Config, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Config{}, fmt.Errorf("text: %w", err)
	}
	var c Config
	var src source
	if info.IsDir() {
		if c, _, err = readHF(filepath.Join(path, "config.json")); err != nil {
			return Config{}, err
		}
		d, err := openDirectory(path)
		if err != nil {
			return Config{}, err
		}
		src = d
	} else {
		f, err := gguf.Open(path)
		if err != nil {
			return Config{}, fmt.Errorf("text: %w", err)
		}
		src = container{f, path}
		if c, _, err = readGGUF(f, path); err != nil {
			_ = src.Close() // was only read
			return Config{}, err
		}
	}
	defer src.Close() //nolint:errcheck // was only read
	for _, t := range src.tensors() {
		n := int64(1)
		for _, s := range t.shape {
			n *= int64(s)
		}
		c.Parameters += n
		c.WeightBytes += int64(len(t.data))
	}
	const f32, f16, keyAndValue = 4, 2, 2
	c.LinearLayers = c.linearLayers()
	c.StateBytes = f32 * int64(c.LinearLayers) * int64(c.Heads) * int64(c.HeadDim) * int64(c.HeadDim)
	c.KVBytes = f16 * keyAndValue * int64(c.Layers-c.LinearLayers) * int64(c.KVHeads) * int64(c.HeadDim)
	return c, nil
}
