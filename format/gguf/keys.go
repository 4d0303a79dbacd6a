package gguf

import "slices"

// Keys lists the names of all keys, in the file's order.
func (f *File) Keys() []string { return slices.Clone(f.keys) }

// Value returns the value of a key: int64, float64, bool, string or a slice of
// one of them.
func (f *File) Value(key string) (any, bool) {
	v, ok := f.values[key]
	return v, ok
}

// rawValue is a value as files have it: type and bytes.
type rawValue []byte

// Pairs returns all keys with their values, for Write: each keeps its type.
// They are valid until the file is closed.
func (f *File) Pairs() []Key {
	out := make([]Key, len(f.keys))
	for i, k := range f.keys {
		out[i] = Key{k, f.raw[k]}
	}
	return out
}

func get[T any](f *File, key string) (T, bool) {
	v, ok := f.values[key].(T)
	return v, ok
}

// String returns the text of a key.
func (f *File) String(key string) (string, bool) { return get[string](f, key) }

// Int returns a whole number of any size.
func (f *File) Int(key string) (int64, bool) { return get[int64](f, key) }

// Bool returns a truth value.
func (f *File) Bool(key string) (bool, bool) { return get[bool](f, key) }

// Float returns a number; a whole one is widened.
func (f *File) Float(key string) (float64, bool) {
	if v, ok := f.Int(key); ok {
		return float64(v), true
	}
	return get[float64](f, key)
}

// Strings returns an array. The caller must not change it, nor those below.
func (f *File) Strings(key string) ([]string, bool) { return get[[]string](f, key) }

// Ints returns an array of whole numbers.
func (f *File) Ints(key string) ([]int64, bool) { return get[[]int64](f, key) }

// Floats returns an array of numbers.
func (f *File) Floats(key string) ([]float64, bool) { return get[[]float64](f, key) }

// Bools returns an array of truth values.
func (f *File) Bools(key string) ([]bool, bool) { return get[[]bool](f, key) }

// Tensor returns the tensor of a name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.byName[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

// Tensors lists all tensors, in the file's order.
func (f *File) Tensors() []Tensor { return f.tensors }
