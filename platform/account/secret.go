package account

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// Prefixes tell people and leak scanners what a secret is.
const (
	KeyPrefix        = "sk-kuai-"
	SessionPrefix    = "ss-kuai-"
	InvitationPrefix = "in-kuai-"
)

const (
	secretBytes = 32
	maxSecret   = 128 // characters that are looked at
	hintLength  = 6   // random characters that stay visible: 36 of 256 bits
)

// newSecret makes a secret, its hash and the hint that tells it from others.
func newSecret(prefix string) (secret, hash, hint string) {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	secret = prefix + base64.RawURLEncoding.EncodeToString(b)
	return secret, hashSecret(secret), secret[:len(prefix)+hintLength]
}

func hashSecret(secret string) string {
	h := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(h[:])
}

// sameHash compares in a time that tells nothing.
func sameHash(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// wellFormed says whether a secret can be one of ours, so that others cost no
// look at the database.
func wellFormed(secret, prefix string) bool {
	rest, ok := strings.CutPrefix(secret, prefix)
	return ok && len(rest) == base64.RawURLEncoding.EncodedLen(secretBytes) && len(secret) <= maxSecret
}
