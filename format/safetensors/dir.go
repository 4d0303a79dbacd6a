package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"kuai/format/atomicfile"
)

// The weights of a model in a Hugging Face directory are one file, or several
// and an index that says which tensor is in which.
const (
	singleName = "model.safetensors"
	indexName  = "model.safetensors.index.json"

	maxIndexBytes = 64 << 20
	maxShards     = 1 << 12
)

// ErrExists says that a directory has weights already.
var ErrExists = errors.New("the directory has weights already")

// Dir is the weights of a Hugging Face directory, mapped: only what is used is
// read.
type Dir struct {
	Tensors []Tensor // by file, then in the order of their data

	files []*File
	index map[string]int
}

// OpenDir maps the weights of a directory, in one file or in several. It fails
// with ErrDamaged where index and files do not fit together, and with
// fs.ErrNotExist where a file is missing. Tensors that the index leaves out are
// not there.
func OpenDir(dir string) (*Dir, error) {
	of, err := readIndex(filepath.Join(dir, indexName))
	if errors.Is(err, fs.ErrNotExist) {
		d := &Dir{index: map[string]int{}}
		return d.done(d.add(filepath.Join(dir, singleName), nil))
	}
	if err != nil {
		return nil, err
	}
	byFile := map[string]map[string]bool{}
	for name, file := range of {
		if byFile[file] == nil {
			byFile[file] = map[string]bool{}
		}
		byFile[file][name] = true
	}
	d := &Dir{index: make(map[string]int, len(of))}
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		if err := d.add(filepath.Join(dir, file), byFile[file]); err != nil {
			return d.done(err)
		}
	}
	return d, nil
}

// done closes everything after an error.
func (d *Dir) done(err error) (*Dir, error) {
	if err == nil {
		return d, nil
	}
	_ = d.Close() // was only read
	return nil, err
}

// add maps a file and takes the wanted tensors from it, all for nil.
func (d *Dir) add(path string, wanted map[string]bool) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	d.files = append(d.files, f)
	for name := range wanted {
		if _, ok := f.Tensor(name); !ok {
			return fmt.Errorf("%s: %w", path, damaged("tensor %q is not in it, and the index says so", name))
		}
	}
	for _, t := range f.Tensors {
		if wanted == nil || wanted[t.Name] {
			d.index[t.Name] = len(d.Tensors)
			d.Tensors = append(d.Tensors, t)
		}
	}
	return nil
}

// Tensor returns the tensor of that name.
func (d *Dir) Tensor(name string) (Tensor, bool) {
	i, ok := d.index[name]
	if !ok {
		return Tensor{}, false
	}
	return d.Tensors[i], true
}

// Metadata returns what the files say beside their tensors; where they differ
// the first one counts.
func (d *Dir) Metadata() map[string]string {
	all := map[string]string{}
	for _, v := range slices.Backward(d.files) {
		maps.Copy(all, v.Metadata)
	}
	return all
}

// Close unmaps the files. No Data may be used afterwards.
func (d *Dir) Close() error {
	var all []error
	for _, f := range d.files {
		all = append(all, f.Close())
	}
	d.files, d.Tensors, d.index = nil, nil, nil
	return errors.Join(all...)
}

// index is what the index file says.
type index struct {
	Metadata struct {
		Total int64 `json:"total_size"`
	} `json:"metadata"`
	Map map[string]string `json:"weight_map"`
}

// readIndex reads which tensor is in which file.
func readIndex(path string) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	if info.Size() > maxIndexBytes {
		return nil, fmt.Errorf("%s: %w", path, damaged("%d bytes, at most %d", info.Size(), maxIndexBytes))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	of, err := parseIndex(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return of, nil
}

// parseIndex checks an index: few files, all in the directory itself.
func parseIndex(data []byte) (map[string]string, error) {
	var x struct { // metadata may be anything
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &x); err != nil {
		return nil, damaged("%w", err)
	}
	files := map[string]bool{}
	for name, file := range x.Map {
		if file != filepath.Base(file) || strings.ContainsAny(file, `/\`) || !strings.HasSuffix(file, ".safetensors") {
			return nil, damaged("tensor %.80q in file %.80q, want a safetensors file of the same directory", name, file)
		}
		files[file] = true
	}
	if len(files) == 0 || len(files) > maxShards || len(x.Map) > MaxTensors {
		return nil, damaged("%d tensors in %d files, at most %d in 1 to %d", len(x.Map), len(files), MaxTensors, maxShards)
	}
	return x.Map, nil
}

// shardForm is how shards are called.
var shardForm = regexp.MustCompile(`^model-\d{5}-of-\d{5}\.safetensors$`)

// WriteDir writes the weights of a Hugging Face directory, in files of at most
// maxBytes of tensors where no single tensor is larger. The tensors are made
// one after the other, file by file. What a reader would take for weights
// appears last, so that a directory is whole or has none; one that has some is
// refused with ErrExists. After an error the shards that were finished are
// left; the next call replaces them.
func WriteDir(dir string, tensors []Source, metadata map[string]string, maxBytes int64) error {
	for _, name := range []string{singleName, indexName} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("safetensors: %s: %w: %s", dir, ErrExists, name)
		}
	}
	shards, total, err := split(tensors, maxBytes)
	if err != nil {
		return err
	}
	write := func(name string, list []Source) error {
		err := atomicfile.Write(filepath.Join(dir, name), func(w io.Writer) error { return encode(w, list, metadata) })
		if err != nil {
			return fmt.Errorf("safetensors: %w", err)
		}
		return nil
	}
	if len(shards) == 1 {
		return write(singleName, shards[0])
	}
	x := index{Map: make(map[string]string, len(tensors))}
	x.Metadata.Total = total
	names := map[string]bool{}
	for i, list := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		names[name] = true
		if err := write(name, list); err != nil {
			return err
		}
		for _, t := range list {
			x.Map[t.Name] = name
		}
	}
	if err := removeStale(dir, names); err != nil {
		return err
	}
	data, err := json.MarshalIndent(x, "", "  ") // sorts the names
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, indexName), append(data, '\n')); err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	return nil
}

// split shares tensors out to files, in their order.
func split(tensors []Source, maxBytes int64) (shards [][]Source, total int64, err error) {
	var held int64
	seen := make(map[string]bool, len(tensors))
	shards = [][]Source{nil}
	for _, t := range tensors {
		n, err := t.size()
		if err != nil {
			return nil, 0, err
		}
		if seen[t.Name] {
			return nil, 0, fmt.Errorf("safetensors: tensor %q: given twice", t.Name)
		}
		seen[t.Name] = true
		size := int64(n)
		if size > math.MaxInt64-total {
			return nil, 0, fmt.Errorf("safetensors: tensor %q: %d bytes after %d", t.Name, size, total)
		}
		if held > 0 && size > maxBytes-held {
			shards, held = append(shards, nil), 0
		}
		last := len(shards) - 1
		shards[last] = append(shards[last], t)
		held += size
		total += size
	}
	if len(shards) > maxShards {
		return nil, 0, fmt.Errorf("safetensors: %d files of at most %d bytes, want at most %d files", len(shards), maxBytes, maxShards)
	}
	return shards, total, nil
}

// removeStale removes shards that an earlier, broken-off call has left.
func removeStale(dir string, keep map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	for _, e := range entries {
		if shardForm.MatchString(e.Name()) && !keep[e.Name()] {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("safetensors: %w", err)
			}
		}
	}
	return nil
}
