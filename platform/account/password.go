package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"kuai/fault"
)

// HashCost is what the hash of a password costs.
type HashCost struct {
	KiB    uint32
	Passes uint32
	Lanes  uint8
}

// defaultCost is OWASP's first advice for argon2id: 19 MiB, two passes, one
// lane, about 30 ms of one core.
var defaultCost = HashCost{KiB: 19 << 10, Passes: 2, Lanes: 1}

const (
	minPassword = 10  // characters
	maxPassword = 256 // bytes
	saltBytes   = 16
	hashBytes   = 32
	maxHashing  = 2       // at a time: the memory of logins is bounded
	maxKiB      = 1 << 20 // of a hash that is read
	maxPasses   = 64
)

func checkPassword(password string) error {
	if utf8.RuneCountInString(password) < minPassword || len(password) > maxPassword {
		return fault.Param("password", "password must have at least %d characters and at most %d bytes", minPassword, maxPassword)
	}
	return nil
}

// hashPassword returns a password's hash in the PHC form,
// $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func (s *Store) hashPassword(ctx context.Context, password string) (string, error) {
	if err := s.hashing(ctx); err != nil {
		return "", err
	}
	defer func() { <-s.slots }()
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	c := s.cost
	h := argon2.IDKey([]byte(password), salt, c.Passes, c.KiB, c.Lanes, hashBytes)
	enc := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.KiB, c.Passes, c.Lanes, enc(salt), enc(h)), nil
}

// hashing waits for a slot.
func (s *Store) hashing(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fault.Wrap(context.Cause(ctx), fault.Cancelled, "the request ended before its turn")
	}
}

// samePassword says whether a password has the hash. Without a hash it takes
// as long, so that nobody learns who has an account.
func (s *Store) samePassword(ctx context.Context, phc, password string) (bool, error) {
	if len(password) > maxPassword {
		return false, nil
	}
	if err := s.hashing(ctx); err != nil {
		return false, err
	}
	defer func() { <-s.slots }()
	cost, salt, want, err := parsePHC(phc)
	if phc == "" || err != nil {
		argon2.IDKey([]byte(password), make([]byte, saltBytes), s.cost.Passes, s.cost.KiB, s.cost.Lanes, hashBytes)
		if phc != "" {
			return false, err
		}
		return false, nil
	}
	got := argon2.IDKey([]byte(password), salt, cost.Passes, cost.KiB, cost.Lanes, uint32(len(want)))
	return sameHash(string(got), string(want)), nil
}

// parsePHC reads a hash as hashPassword writes it.
func parsePHC(phc string) (c HashCost, salt, hash []byte, err error) {
	damaged := fmt.Errorf("account: a password's hash is damaged")
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return c, nil, nil, damaged
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return c, nil, nil, damaged
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.KiB, &c.Passes, &c.Lanes); err != nil {
		return c, nil, nil, damaged
	}
	if c.KiB < 8 || c.KiB > maxKiB || c.Passes < 1 || c.Passes > maxPasses || c.Lanes < 1 {
		return c, nil, nil, damaged
	}
	if salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil || len(salt) < 8 || len(salt) > 64 {
		return c, nil, nil, damaged
	}
	if hash, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil || len(hash) < 16 || len(hash) > 64 {
		return c, nil, nil, damaged
	}
	return c, salt, hash, nil
}
