package gguf

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"kuai/mem"
)

// A large model may come in several files,
//
//	NAME-00001-of-00003.gguf, NAME-00002-of-00003.gguf, ...
//
// each a GGUF file by itself: the first one has all keys, the others those that
// say which part they are, and every one has some of the tensors. Open joins
// them.
const (
	keyPart    = "split.no" // from 0 on
	keyParts   = "split.count"
	keyTensors = "split.tensors.count"

	// MaxParts is how many files a model may have.
	MaxParts = 1 << 10
)

var partForm = regexp.MustCompile(`^(.+)-(\d{5})-of-(\d{5})\.gguf$`)

// PartOf takes the name of a model's part apart; false for that of a whole file.
// Parts are counted from 1.
func PartOf(path string) (name string, part, parts int, ok bool) {
	m := partForm.FindStringSubmatch(path)
	if m == nil {
		return "", 0, 0, false
	}
	part, _ = strconv.Atoi(m[2])
	parts, _ = strconv.Atoi(m[3])
	return m[1], part, parts, part >= 1 && part <= parts && parts <= MaxParts
}

// PartName is the path of a part: the opposite of PartOf.
func PartName(name string, part, parts int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", name, part, parts)
}

// Files lists the files that were opened.
func (f *File) Files() []string { return slices.Clone(f.files) }

// join opens the other parts of a model whose first is f.
func (f *File) join(path string) error {
	count, ok := f.Int(keyParts)
	if !ok || count == 1 {
		return nil
	}
	if count < 1 || count > MaxParts {
		return damaged("%s is %d, want 1 to %d", keyParts, count, MaxParts)
	}
	name, part, parts, named := PartOf(path)
	if no, _ := f.Int(keyPart); no != 0 {
		if named {
			return fmt.Errorf("it is part %d of %d of a model; open %s", no+1, count, filepath.Base(PartName(name, 1, parts)))
		}
		return fmt.Errorf("it is part %d of %d of a model; open the first", no+1, count)
	}
	if !named || part != 1 || int64(parts) != count {
		return fmt.Errorf("it is the first of %d files and must be called NAME-00001-of-%05d.gguf, so that the others are found", count, count)
	}
	for i := 2; i <= parts; i++ {
		if err := f.add(PartName(name, i, parts), i, parts); err != nil {
			return err
		}
	}
	if want, ok := f.Int(keyTensors); ok && want != int64(len(f.tensors)) {
		return damaged("%d tensors in %d files, want %d", len(f.tensors), parts, want)
	}
	for _, key := range []string{keyPart, keyParts, keyTensors} { // it is one model now
		f.keys = slices.DeleteFunc(f.keys, func(k string) bool { return k == key })
		delete(f.values, key)
		delete(f.raw, key)
	}
	return nil
}

// add joins a part.
func (f *File) add(path string, part, parts int) error {
	m, err := mem.MapFile(path)
	if err != nil {
		return err
	}
	f.mapped, f.files = append(f.mapped, m), append(f.files, path)
	other, err := Parse(m.Bytes())
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	no, ok := other.Int(keyPart)
	count, both := other.Int(keyParts)
	if !ok || !both || no != int64(part-1) || count != int64(parts) {
		return fmt.Errorf("%s: %w", filepath.Base(path), damaged("it says that it is part %d of %d, want %d of %d", no+1, count, part, parts))
	}
	if len(other.tensors) > MaxTensors-len(f.tensors) {
		return damaged("more than %d tensors", MaxTensors)
	}
	for _, t := range other.tensors {
		if _, twice := f.byName[t.Name]; twice {
			return fmt.Errorf("%s: %w", filepath.Base(path), damaged("tensor %q is in two files", t.Name))
		}
		f.byName[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
	}
	return nil
}
