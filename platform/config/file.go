package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a file.
const (
	MaxFile    = 1 << 20
	maxEntries = 1000
	maxList    = 1000
)

// File is a file of settings as it was written.
type File struct {
	Path     string
	entries  []entry
	sections []entry // their names and lines
}

// entry is a setting in a file.
type entry struct {
	section, name string
	values        []string
	list          bool
	line          int
}

// Has says whether a file has settings of a section.
func (f *File) Has(section string) bool {
	if f == nil {
		return false
	}
	for _, e := range f.entries {
		if e.section == section {
			return true
		}
	}
	return false
}

// find returns a setting, nil if there is none. f may be nil.
func (f *File) find(section, name string) *entry {
	if f == nil {
		return nil
	}
	for i, e := range f.entries {
		if e.section == section && e.name == name {
			return &f.entries[i]
		}
	}
	return nil
}

func (f *File) at(line int) string { return fmt.Sprintf("%s:%d", f.Path, line) }

// Read reads a file. What is wrong with its text are Problems.
func Read(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return Parse(path, text)
}

// Parse reads the text of a file, whose name is for messages.
func Parse(path string, text []byte) (*File, error) {
	f := &File{Path: path}
	if len(text) > MaxFile {
		return nil, &Error{Where: path, Text: fmt.Sprintf("more than %d bytes", MaxFile)}
	}
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // empty, or comments alone
		return f, nil
	case err != nil:
		return nil, &Error{Where: path, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &Error{Where: path, Text: "more than one document"}
	}
	return f, f.mapping(doc.Content[0], "")
}

// mapping reads a section; those below the top are settings of one command.
func (f *File) mapping(n *yaml.Node, section string) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil // a section whose settings are all comments
	}
	if n.Kind != yaml.MappingNode {
		return &Error{Where: f.at(n.Line), Key: section, Text: "want lines such as \"addr: 127.0.0.1:8080\""}
	}
	var errs []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode || name.Tag == "!!merge":
			errs = append(errs, &Error{Where: f.at(name.Line), Key: section, Text: "a key is one word"})
		case section == "" && (value.Kind == yaml.MappingNode || value.Tag == "!!null"):
			f.sections = append(f.sections, entry{section: name.Value, line: name.Line})
			errs = append(errs, f.mapping(value, name.Value))
		default:
			errs = append(errs, f.entry(section, name, value))
		}
		if len(f.entries)+len(f.sections) > maxEntries {
			return errors.Join(append(errs, &Error{Where: f.Path, Text: fmt.Sprintf("more than %d settings", maxEntries)})...)
		}
	}
	return errors.Join(errs...)
}

func (f *File) entry(section string, name, value *yaml.Node) error {
	k := key(section, name.Value)
	if before := f.find(section, name.Value); before != nil {
		return &Error{Where: f.at(name.Line), Key: k, Text: fmt.Sprintf("was given before, in line %d", before.line)}
	}
	e := entry{section: section, name: name.Value, line: name.Line}
	items := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		e.list, items = true, value.Content
	}
	if len(items) > maxList {
		return &Error{Where: f.at(name.Line), Key: k, Text: fmt.Sprintf("more than %d values", maxList)}
	}
	for _, item := range items {
		switch {
		case item.Kind == yaml.AliasNode:
			return &Error{Where: f.at(item.Line), Key: k, Text: "aliases are not for settings; write the value"}
		case item.Kind != yaml.ScalarNode:
			return &Error{Where: f.at(item.Line), Key: k, Text: "want one value or a list of values"}
		case item.Tag == "!!null":
			return &Error{Where: f.at(item.Line), Key: k, Text: `has no value; leave the line out, or write ""`}
		}
		e.values = append(e.values, item.Value)
	}
	f.entries = append(f.entries, e)
	return nil
}
