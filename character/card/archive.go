package card

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of an archive: what unpacks to far more than it weighs is a trap.
const (
	maxFiles    = 4096
	maxUnpacked = 256 << 20
	maxRatio    = 200
	cardFile    = "card.json"
)

// file is an asset of an archive.
type file struct {
	name string
	data []byte
}

// parseArchive reads a charx: card.json at the root, assets beside it.
func parseArchive(data []byte) (*Card, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("charx: %w", err)
	}
	if len(z.File) > maxFiles {
		return nil, fmt.Errorf("charx: %d files, at most %d", len(z.File), maxFiles)
	}
	left := int64(min(maxUnpacked, maxRatio*len(data)))
	var c *Card
	var files []file
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if strings.HasPrefix(f.Name, "/") || strings.Contains(f.Name, "..") || strings.Contains(f.Name, "\\") {
			return nil, fmt.Errorf("charx: a file is called %q", f.Name)
		}
		content, err := unpack(f, &left)
		if err != nil {
			return nil, fmt.Errorf("charx: %s: %w", f.Name, err)
		}
		if f.Name == cardFile {
			if c, err = ParseJSON(content); err != nil {
				return nil, err
			}
			continue
		}
		files = append(files, file{f.Name, content})
	}
	if c == nil {
		return nil, ErrNoCard
	}
	c.files = files
	c.Portrait = c.icon()
	return c, nil
}

// unpack reads a file as far as the budget goes, whatever its header says.
func unpack(f *zip.File, left *int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // was only read
	content, err := io.ReadAll(io.LimitReader(r, *left+1))
	if err != nil {
		return nil, err
	}
	if *left -= int64(len(content)); *left < 0 {
		return nil, errors.New("the archive unpacks to far more than a card needs")
	}
	return content, nil
}

// icon returns the main picture of an archive, if it is a PNG.
func (c *Card) icon() []byte {
	for _, a := range c.Assets {
		name, embedded := embeddedName(a.URI)
		if !embedded || a.Type != "icon" {
			continue
		}
		for _, f := range c.files {
			if f.name == name && bytes.HasPrefix(f.data, pngMagic) {
				return f.data
			}
		}
	}
	return nil
}

// embeddedName is the file of an archive that an asset's address means. The
// specification spells the scheme with one d, some writers with two.
func embeddedName(uri string) (string, bool) {
	for _, scheme := range []string{"embeded://", "embedded://"} { //nolint:misspell // the specification has the first
		if len(uri) > len(scheme) && strings.EqualFold(uri[:len(scheme)], scheme) {
			return uri[len(scheme):], true
		}
	}
	return "", false
}

// HasFiles says whether the card came with files of its own, which only an
// archive holds.
func (c *Card) HasFiles() bool { return len(c.files) > 0 }

// Archive writes the card as a charx with the assets that it came with.
func (c *Card) Archive() ([]byte, error) {
	data, err := c.JSON(SpecV3)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range append([]file{{cardFile, data}}, c.files...) {
		w, err := z.Create(f.name)
		if err == nil {
			_, err = w.Write(f.data)
		}
		if err != nil {
			return nil, fmt.Errorf("card: charx: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("card: charx: %w", err)
	}
	return b.Bytes(), nil
}
