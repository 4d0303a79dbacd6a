package shard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"kuai/format/atomicfile"
)

const (
	indexName     = "index.json"
	maxIndexBytes = 16 << 20
)

// index lists the shards of a directory by their numbers. Those that were
// written before there was an index, or just before a writer was killed, may
// be missing from it.
type index struct {
	Version int          `json:"version"`
	Shards  []indexEntry `json:"shards"`
}

type indexEntry struct {
	File    string `json:"file"` // empty: not listed
	Records int    `json:"records"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"` // of the file; a CRC would be the same for all, as every part ends with its own
}

// readIndex reads the index of a directory; one that is not there is empty.
func readIndex(dir string) (*index, error) {
	path := filepath.Join(dir, indexName)
	x := &index{Version: version}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return x, nil
	}
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxIndexBytes))
	if err != nil {
		return nil, fmt.Errorf("shard: %w", err)
	}
	if err := x.parse(data); err != nil {
		return nil, fmt.Errorf("shard: %s: %w: %w; remove it, and the next shard written makes a new one", path, err, ErrDamaged)
	}
	return x, nil
}

// parse checks what an index says of itself.
func (x *index) parse(data []byte) error {
	if err := json.Unmarshal(data, x); err != nil {
		return err
	}
	if x.Version != version || len(x.Shards) > MaxShards {
		return fmt.Errorf("version %d of %d shards, want %d and at most %d", x.Version, len(x.Shards), version, MaxShards)
	}
	for i, e := range x.Shards {
		if e.File != "" && (e.File != fileName(i) || e.Records < 0 || e.Records > MaxRecords || e.Bytes < headerBytes) {
			return fmt.Errorf("shard %d: %q, %d records, %d bytes", i, e.File, e.Records, e.Bytes)
		}
	}
	return nil
}

// put lists a shard and writes the index.
func (x *index) put(dir string, i int, e indexEntry) error {
	for len(x.Shards) <= i {
		x.Shards = append(x.Shards, indexEntry{})
	}
	x.Shards[i] = e
	data, err := json.MarshalIndent(x, "", "  ")
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(dir, indexName), append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	return nil
}

// check compares a shard with its entry, if it has one.
func (x *index) check(i, records int, bytes int64) error {
	if i >= len(x.Shards) || x.Shards[i].File == "" {
		return nil
	}
	if e := x.Shards[i]; e.Records != records || e.Bytes != bytes {
		return fmt.Errorf("%d records in %d bytes, %s says %d in %d: %w", records, bytes, indexName, e.Records, e.Bytes, ErrDamaged)
	}
	return nil
}
