package account

import (
	"context"

	"kuai/platform/db"
)

// First is what an empty installation begins with.
type First struct {
	Org     Organisation `json:"organisation"`
	Project Project      `json:"project"`
	Key     Key          `json:"key"`
	Secret  string       `json:"secret"` // of an operator's key; shown this once
}

// Bootstrap gives an empty installation an organisation, a project and the key
// of an operator. made is false, and First empty, if there was an organisation
// before; of several that start at once, one makes it.
func (s *Store) Bootstrap(ctx context.Context) (first First, made bool, err error) {
	err = s.change(ctx, func(tx *db.Tx) error {
		made = false
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM organisations").Scan(&n); err != nil || n > 0 {
			return err
		}
		o, p, err := s.insertOrg(ctx, tx, Operator, db.NewID("org"), "default")
		if err != nil {
			return err
		}
		k, secret, err := s.insertKey(ctx, tx, Operator, o.ID, db.NewID("key"), NewKey{Project: p.ID, Name: "first", Scopes: []string{ScopeAll}, Models: []string{}, Operator: true}, nil)
		if err != nil {
			return err
		}
		first, made = First{o, p, k, secret}, true
		return nil
	})
	return first, made, err
}
