package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"kuai/fault"
)

// Link is what an address is to lead to.
type Link struct {
	Name    string        // of the file that a browser saves
	Type    string        // MIME
	Expires time.Duration // from now
	Inline  bool          // shown, not saved
}

// Key signs addresses. Keys live side by side while old ones run out.
type Key struct {
	ID     string // letters and digits
	Secret []byte // 32 bytes or more
}

// Signer makes and checks the addresses of one server:
//
//	BASE/HASH?e=EXPIRY&k=KEY&n=NAME&t=TYPE&i=INLINE&s=SIGNATURE
type Signer struct {
	Base string           // such as https://kuai.example/blobs
	Keys []Key            // the first one signs, all check
	Now  func() time.Time // nil is time.Now
}

func (s *Signer) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Sign makes an address. A signer without keys makes none that is good.
func (s *Signer) Sign(hash string, l Link) string {
	if len(s.Keys) == 0 {
		return s.Base
	}
	q := url.Values{"e": {strconv.FormatInt(s.now().Add(l.Expires).Unix(), 10)}, "k": {s.Keys[0].ID}, "n": {l.Name}, "t": {l.Type}}
	if l.Inline {
		q.Set("i", "1")
	}
	q.Set("s", signature(s.Keys[0], hash, q))
	return strings.TrimSuffix(s.Base, "/") + "/" + hash + "?" + q.Encode()
}

// Check returns what the address of a request leads to. It fails with
// fault.Forbidden for one that is not ours or not any more.
func (s *Signer) Check(hash string, q url.Values) (Link, error) {
	bad := fault.New(fault.Forbidden, "this address is not signed, or its signature is wrong")
	if checkHash(hash) != nil {
		return Link{}, bad
	}
	expires, err := strconv.ParseInt(q.Get("e"), 10, 64)
	if err != nil {
		return Link{}, bad
	}
	for _, k := range s.Keys {
		if k.ID != q.Get("k") || !hmac.Equal([]byte(signature(k, hash, q)), []byte(q.Get("s"))) {
			continue
		}
		left := time.Unix(expires, 0).Sub(s.now())
		if left <= 0 {
			return Link{}, fault.New(fault.Forbidden, "this address has expired; ask for a new one")
		}
		return Link{Name: q.Get("n"), Type: q.Get("t"), Expires: left, Inline: q.Get("i") == "1"}, nil
	}
	return Link{}, bad
}

// signature covers all that an address says; lengths keep the parts apart.
func signature(k Key, hash string, q url.Values) string {
	m := hmac.New(sha256.New, k.Secret)
	for _, part := range []string{"kuai blob 1", k.ID, hash, q.Get("e"), q.Get("n"), q.Get("t"), q.Get("i")} {
		m.Write([]byte(strconv.Itoa(len(part)) + ":" + part)) // never fails
	}
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}
