package platform

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"kuai/platform/db"
)

const keyBytes = 32

// Secret returns a key of 32 bytes that all nodes of the database share, so that
// each knows the addresses that another has signed. The first who asks makes it:
// from the file at old, where nodes had keys of their own before, if it is there.
func (p *Platform) Secret(ctx context.Context, name, old string) ([]byte, error) {
	key, err := os.ReadFile(old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("platform: %w", err)
	}
	if len(key) != keyBytes {
		key = make([]byte, keyBytes)
		_, _ = rand.Read(key) // never fails
	}
	var text string
	err = p.DB.Tx(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", name, base64.StdEncoding.EncodeToString(key)); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT value FROM secrets WHERE name = ?", name).Scan(&text)
	})
	if err == nil {
		key, err = base64.StdEncoding.DecodeString(text)
	}
	if err == nil && len(key) != keyBytes {
		err = errors.New("it is damaged")
	}
	if err != nil {
		return nil, fmt.Errorf("platform: secret %s: %w", name, err)
	}
	return key, nil
}
