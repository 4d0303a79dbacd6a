package file

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"kuai/fault"
)

// LinkPath is where links lead: the kind and the id follow.
const LinkPath = "/v1/download/"

const keyBytes = 32

// Links signs addresses that fetch one thing for some time, without a key of
// the API: clients download what they were told with nothing but the address.
type Links struct{ key []byte }

// LinksOf signs with a key, which all nodes of a platform share, so that each
// knows the addresses of the others, and they outlive a restart.
func LinksOf(key []byte) *Links { return &Links{key} }

// NewLinks signs with a key that ends with the process.
func NewLinks() *Links {
	l := &Links{make([]byte, keyBytes)}
	_, _ = rand.Read(l.key) // never fails
	return l
}

func (l *Links) sign(owner, kind, id, until string) string {
	m := hmac.New(sha256.New, l.key)
	_, _ = fmt.Fprintf(m, "%q %q %q %q", owner, kind, id, until) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// URL returns an address below base that is good until a time.
func (l *Links) URL(base, owner, kind, id, name string, until time.Time) string {
	at := strconv.FormatInt(until.Unix(), 10)
	q := url.Values{"of": {owner}, "until": {at}, "sign": {l.sign(owner, kind, id, at)}}
	return base + LinkPath + kind + "/" + url.PathEscape(id) + "/" + url.PathEscape(name) + "?" + q.Encode()
}

// Check returns whose thing an address fetches, or refuses it.
func (l *Links) Check(kind, id string, q url.Values, now time.Time) (owner string, err error) {
	owner = q.Get("of")
	if !hmac.Equal([]byte(l.sign(owner, kind, id, q.Get("until"))), []byte(q.Get("sign"))) {
		return "", fault.New(fault.Forbidden, "the address is not one that was given out")
	}
	until, err := strconv.ParseInt(q.Get("until"), 10, 64)
	if err != nil || now.After(time.Unix(until, 0)) {
		return "", fault.New(fault.Forbidden, "the address has run out; ask for a new one")
	}
	return owner, nil
}
