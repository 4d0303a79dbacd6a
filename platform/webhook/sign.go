// Package webhook tells organisations what becomes of their jobs: signed as
// Standard Webhooks says for endpoints that they registered, and in MiniMax's
// form for the call-back of a single request. What is to be told is written in
// the transaction in which it happens, and told until it was heard or too
// often in vain.
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix = "whsec_"
	secretBytes  = 32
	tolerance    = 5 * time.Minute // of the clocks of sender and receiver
)

// ErrSignature says that a message is not from who it says, or old.
var ErrSignature = errors.New("webhook: the signature is wrong or old")

// NewSecret makes the secret of an endpoint.
func NewSecret() string {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

func signature(secret, id, timestamp string, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) == 0 {
		return "", ErrSignature
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + timestamp + ".")) // never fails
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)), nil
}

// Sign sets the headers of Standard Webhooks.
func Sign(h http.Header, secret, id string, at time.Time, body []byte) error {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	s, err := signature(secret, id, timestamp, body)
	if err != nil {
		return err
	}
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", timestamp)
	h.Set("Webhook-Signature", s)
	return nil
}

// Verify is what a receiver does.
func Verify(h http.Header, secret string, now time.Time, body []byte) error {
	seconds, err := strconv.ParseInt(h.Get("Webhook-Timestamp"), 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return ErrSignature
	}
	want, err := signature(secret, h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), body)
	if err != nil {
		return err
	}
	for s := range strings.SplitSeq(h.Get("Webhook-Signature"), " ") {
		if hmac.Equal([]byte(s), []byte(want)) {
			return nil
		}
	}
	return ErrSignature
}
