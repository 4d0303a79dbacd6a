package text

// Describe reads a model's configuration and the sizes of its tensors, and no
// weights: what can be said of a model without loading it. StateBytes and
// KVBytes are those of the usual cache, in half precision.
func Describe(path string) (Config, error) {
	s, err := OpenStored(path)
	if err != nil {
		return Config{}, err
	}
	defer s.Close() //nolint:errcheck // was only read
	c := s.Config
	for _, t := range s.Tensors {
		n := int64(1)
		for _, side := range t.Shape {
			n *= int64(side)
		}
		c.Parameters += n
		c.WeightBytes += int64(len(t.Data))
	}
	const f32, f16, keyAndValue = 4, 2, 2
	c.LinearLayers = c.linearLayers()
	c.StateBytes = f32 * int64(c.LinearLayers) * int64(c.Heads) * int64(c.HeadDim) * int64(c.HeadDim)
	c.KVBytes = f16 * keyAndValue * int64(c.Layers-c.LinearLayers) * int64(c.KVHeads) * int64(c.HeadDim)
	return c, nil
}
