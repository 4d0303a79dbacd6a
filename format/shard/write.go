package shard

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"kuai/format/atomicfile"
	"kuai/kernel/vec"
)

// Write writes the i-th shard of a directory, whole or not at all, and lists it
// in the index; a shard of that number is replaced. It fails for records that
// do not fit the format or hold what float16 cannot.
func Write(dir string, i int, f Format, records []Record) error {
	if err := f.check(); err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	if i < 0 || i >= MaxShards || len(records) > MaxRecords {
		return fmt.Errorf("shard: shard %d of %d records, want a number below %d and at most %d records", i, len(records), MaxShards, MaxRecords)
	}
	index, err := readIndex(dir)
	if err != nil {
		return err
	}
	sum := sha256.New()
	err = atomicfile.Write(Path(dir, i), func(w io.Writer) error {
		w = io.MultiWriter(w, sum)
		if _, err := w.Write(f.header(len(records))); err != nil {
			return err
		}
		var buf []byte
		half := make([]uint16, f.Values())
		for k, r := range records {
			if buf, err = f.encode(buf[:0], half, r); err != nil {
				return fmt.Errorf("record %d: %w", k, err)
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("shard: %w", err)
	}
	return index.put(dir, i, indexEntry{fileName(i), len(records), f.FileBytes(len(records)), hex.EncodeToString(sum.Sum(nil))})
}

// encode appends a record to out.
func (f Format) encode(out []byte, half []uint16, r Record) ([]byte, error) {
	const infinite = 0x7c00 // the exponent of float16's infinities and NaN
	if len(r.Values) != len(half) || len(r.Extra) != f.Extra {
		return nil, fmt.Errorf("%d values and %d bytes, want %d and %d", len(r.Values), len(r.Extra), len(half), f.Extra)
	}
	begin := len(out)
	out = slices.Grow(out, f.RecordBytes())
	vec.ToF16(half, r.Values)
	for i, v := range half {
		if v&infinite == infinite {
			return nil, fmt.Errorf("value %d is %g, beyond float16", i, r.Values[i])
		}
		out = binary.LittleEndian.AppendUint16(out, v)
	}
	out = append(out, r.Extra...)
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out[begin:], castagnoli)), nil
}
