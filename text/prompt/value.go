package prompt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ardanlabs/jinja"
)

// maxJSONDepth bounds arguments and schemas of tools.
const maxJSONDepth = 64

// decode reads a JSON value, keeping the order of keys: prompts are compared
// byte by byte. Nothing is an empty object.
func decode(data json.RawMessage) (jinja.Value, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return jinja.NewDict(), nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return v, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, errors.New("more than one JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (jinja.Value, error) {
	none := jinja.None()
	if depth > maxJSONDepth {
		return none, fmt.Errorf("JSON nested deeper than %d", maxJSONDepth)
	}
	tok, err := d.Token()
	if err != nil {
		return none, fmt.Errorf("JSON: %w", err)
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return jinja.FromGoValue(tok), nil
	}
	if delim == '[' {
		var items []jinja.Value
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return none, err
			}
			items = append(items, v)
		}
		_, err := d.Token()
		return jinja.NewList(items), err
	}
	v := jinja.NewDict()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return none, fmt.Errorf("JSON: %w", err)
		}
		item, err := decodeValue(d, depth+1)
		if err != nil {
			return none, err
		}
		name, _ := key.(string) // the decoder lets nothing else through
		v.AsDict().Set(name, item)
	}
	_, err = d.Token()
	return v, err
}
