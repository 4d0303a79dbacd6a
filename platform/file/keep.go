package file

import (
	"context"
	"fmt"
	"io"

	"kuai/platform/db"
	"kuai/platform/job"
)

var _ job.Keeper = (*Store)(nil)

// Put stores bytes for a job that is at work; see job.Keeper.
func (s *Store) Put(ctx context.Context, r io.Reader) (int64, string, error) {
	info, err := s.blobs.Put(ctx, r, s.max)
	if err != nil {
		return 0, "", fmt.Errorf("file: %w", err)
	}
	return info.Bytes, info.Hash, nil
}

// Commit makes files of a job's outputs; see job.Keeper.
func (s *Store) Commit(ctx context.Context, tx *db.Tx, j job.Job, outputs []job.Output) error {
	now := s.now()
	for i := range outputs {
		o := &outputs[i]
		f := File{
			Org: j.Org, Project: j.Project, User: j.User, Job: j.ID, Purpose: OutputPurpose, Name: o.Name, Type: o.Type,
			Bytes: o.Bytes, SHA256: o.SHA256, Created: db.Time(db.Micros(now)),
		}
		if s.ttl > 0 {
			f.Expires = db.Time(db.Micros(now.Add(s.ttl)))
		}
		if err := s.insert(ctx, tx, &f); err != nil {
			return err
		}
		o.File = f.ID.String()
	}
	return nil
}
