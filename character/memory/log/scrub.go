package log

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"kuai/format/atomicfile"
)

// Scrub erases name and text of the records with the ids from the disk; a
// segment is replaced whole or not at all.
func (l *Log) Scrub(ids ...uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	todo := map[*segment]map[uint64]bool{}
	for _, id := range ids {
		if s := l.find(id); s != nil {
			if todo[s] == nil {
				todo[s] = map[uint64]bool{}
			}
			todo[s][id] = true
		}
	}
	for i, s := range l.segs {
		if todo[s] == nil {
			continue
		}
		if err := l.scrubSegment(s, todo[s], i == len(l.segs)-1); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) scrubSegment(s *segment, ids map[uint64]bool, isLast bool) error {
	data, err := readSegment(s.path)
	if err != nil {
		return err
	}
	data = scrub(data, l.salt, ids)
	if err := s.close(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if err := os.Remove(indexPath(s.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("log: %w", err)
	}
	if err := atomicfile.WriteBytes(s.path, data); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	s.build(data, l.salt, 0)
	if isLast {
		if err := l.write.Close(); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		return l.reopen()
	}
	return writeIndex(indexPath(s.path), &s.index, int64(len(data)))
}
