package account

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
)

// FuzzPHC reads hashes that are damaged or would cost too much.
func FuzzPHC(f *testing.F) {
	for _, s := range []string{
		"", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
		"$argon2i$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA", "$$$$$", "$argon2id$v=19$m=64,t=0,p=0$$",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, salt, hash, err := parsePHC(s)
		if err == nil && (c.KiB > maxKiB || c.Passes < 1 || c.Passes > maxPasses || c.Lanes < 1 || len(salt) > 64 || len(hash) > 64 || len(hash) < 16) {
			t.Errorf("%q was read as %+v, %d, %d", s, c, len(salt), len(hash))
		}
	})
}

// TestPassword hashes at the real cost and reads a hash of another cost.
func TestPassword(t *testing.T) {
	t.Parallel()
	s := New(nil, Options{})
	phc, err := s.hashPassword(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("got %q, %v", phc, err)
	}
	other, err := s.hashPassword(t.Context(), "correct horse")
	if err != nil || other == phc {
		t.Errorf("two hashes of one password are the same; %v", err)
	}
	enc := base64.RawStdEncoding.EncodeToString
	older := fmt.Sprintf("$argon2id$v=19$m=64,t=3,p=2$%s$%s", enc([]byte("saltsalt")), enc(argon2.IDKey([]byte("correct horse"), []byte("saltsalt"), 3, 64, 2, 32)))
	for _, tt := range []struct {
		phc, password string
		want          bool
	}{{phc, "correct horse", true}, {phc, "correct horsf", false}, {phc, "", false}, {"", "", false}, {"", "x", false}, {older, "correct horse", true}} {
		if got, err := s.samePassword(t.Context(), tt.phc, tt.password); err != nil || got != tt.want {
			t.Errorf("%q, %q: got %t, want %t; %v", tt.phc, tt.password, got, tt.want, err)
		}
	}
	if ok, err := s.samePassword(t.Context(), "damaged", "x"); ok || err == nil {
		t.Error("a damaged hash was taken")
	}
}
