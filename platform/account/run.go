package account

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"kuai/platform/db"
)

// Timing of the housekeeping.
const (
	flushEvery   = 30 * time.Second
	flushTimeout = 5 * time.Second
	flushBatch   = 500 // keys in one transaction, so that others get in between
)

// Run writes down now and then when keys were last used, until ctx is done,
// and a last time then.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
			defer cancel()
			s.flush(last)
			return
		}
	}
}

// flush is Flush where nobody waits for its error.
func (s *Store) flush(ctx context.Context) {
	if err := s.Flush(ctx); err != nil {
		slog.Warn("when keys were last used could not be written down", "error", err)
	}
}

// Flush writes down when keys were last used.
func (s *Store) Flush(ctx context.Context) error {
	uses := s.cache.takeUses()
	for keys := range slices.Chunk(slices.Sorted(maps.Keys(uses)), flushBatch) {
		if err := s.change(ctx, func(tx *db.Tx) error {
			for _, k := range keys {
				at := db.Micros(uses[k])
				if _, err := tx.ExecContext(ctx, "UPDATE api_keys SET used_at = ? WHERE id = ? AND used_at < ?", at, k, at); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
