package job

import (
	"strings"
	"testing"

	"kuai/fault"
	"kuai/platform/db/dbtest"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	b := newBench(t, dbtest.Open(t, dbtest.SQLite(t)), nil, Options{})
	token, err := b.NewToken(t.Context(), "rack 1")
	must(t, err)
	must(t, b.CheckToken(t.Context(), token))
	for _, bad := range []string{"", token + "x", strings.Repeat("x", 1000)} {
		wantCode(t, bad, b.CheckToken(t.Context(), bad), fault.Unauthenticated)
	}
	if n, err := b.RevokeToken(t.Context(), "rack 1"); n != 1 || err != nil {
		t.Errorf("revoked %d, %v", n, err)
	}
	wantCode(t, "revoked", b.CheckToken(t.Context(), token), fault.Unauthenticated)
	_, err = b.NewToken(t.Context(), "")
	wantCode(t, "no name", err, fault.Invalid)
}
