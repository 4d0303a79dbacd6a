package platform

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"kuai/platform/db"
	"kuai/platform/db/dbtest"
)

// TestSecret checks that two nodes of one database sign with the same key, the
// first one's old one.
func TestSecret(t *testing.T) {
	t.Parallel()
	dbtest.Run(t, func(t *testing.T, d *db.DB) {
		here, there := &Platform{DB: d}, &Platform{DB: d}
		old := filepath.Join(t.TempDir(), "links.key")
		own := bytes.Repeat([]byte{7}, keyBytes)
		if err := os.WriteFile(old, own, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := here.Secret(t.Context(), "links", old)
		if err != nil || !bytes.Equal(a, own) {
			t.Fatalf("got %x, %v", a, err)
		}
		b, err := there.Secret(t.Context(), "links", filepath.Join(t.TempDir(), "none"))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("another node has %x, %v", b, err)
		}
		c, err := there.Secret(t.Context(), "blobs", "")
		if err != nil || len(c) != keyBytes || bytes.Equal(b, c) {
			t.Errorf("another name has %x, %v", c, err)
		}
	})
}
