package api

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/money"
)

// replyPrice is what a reply of the parrot's costs by the built-in prices: 100,000
// tokens at 0.20 and 10,000 at 1.10 a million.
const replyPrice = 20_000 + 11_000

func (w *town) balance(t *testing.T, org string) (b ledger.Balance) {
	t.Helper()
	ok(t, w.DB.Read(t.Context(), func(tx *db.Tx) (err error) {
		b, err = w.Ledger.Balance(t.Context(), tx, w.orgs[org])
		return err
	}))
	return b
}

// settled returns what is left, where nothing is set aside.
func (w *town) settled(t *testing.T, org string) money.Amount {
	t.Helper()
	b := w.balance(t, org)
	if b.Held != 0 {
		t.Errorf("%v is still set aside", b.Held)
	}
	return b.Cash
}

// TestCharactersCost checks that each reply that a character's model writes is paid
// to the millionth, and that what fails, is refused or nobody saw costs nothing.
func TestCharactersCost(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	const lin, tea = "/api/v1/characters/lin/messages", "/api/v1/groups/tea/messages"
	if rec := w.ask(t, "ada", "POST", "/api/v1/groups", `{"name":"Tea","order":"list","members":["lin","pip"]}`); rec.Code != http.StatusCreated {
		t.Fatal(rec.Body)
	}
	left := w.settled(t, "acme")
	for _, tt := range []struct {
		name, path, body string
		status           int
		replies          money.Amount // that are paid
	}{
		{"a reply", lin, `{"text":"Hello"}`, 200, 1},
		{"a stream", lin, `{"text":"Hello","stream":true}`, 200, 1},
		{"another", lin, `{"again":true}`, 200, 1},
		{"the user's next turn", lin, `{"impersonate":true}`, 200, 1},
		{"an edit", lin, `{"edit":1,"text":"Good day"}`, 200, 1},
		{"a failure", lin, `{"text":"now fail"}`, 500, 0},
		{"nothing said", lin, `{"text":""}`, 400, 0},
		{"two of a group", tea, `{"text":"Hello"}`, 200, 2},
		{"one of them", tea, `{"speak":"pip"}`, 200, 1},
		{"nobody", tea, `{"text":"Hi","who":["eve"]}`, 404, 0},
		{"both fail", tea, `{"text":"do fail"}`, 500, 0},
	} {
		rec := w.ask(t, "ada", "POST", tt.path, tt.body)
		now := w.settled(t, "acme")
		if rec.Code != tt.status || left-now != tt.replies*replyPrice {
			t.Errorf("%s: status %d, paid %v, want %d and %v: %s", tt.name, rec.Code, left-now, tt.status, tt.replies*replyPrice, rec.Body)
		}
		left = now
	}
	rec := w.ask(t, "ada", "GET", "/api/v1/usage?model=companion&group=dimension", nil)
	for _, want := range []string{`"dimension":"input_tokens","quantity":800000`, `"dimension":"output_tokens","quantity":80000`, `"dimension":"requests","quantity":8`} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("want %s in %s", want, rec.Body)
		}
	}
	w.audited(t)
}

// TestCharactersLeft leaves a stream: what was seen is paid, and what nobody saw is
// not; the conversation goes on as if nothing had been said.
func TestCharactersLeft(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	left := w.settled(t, "acme")
	for body, paid := range map[string]money.Amount{`{"text":"wait","stream":true}`: replyPrice, `{"text":"wait"}`: 0} {
		ctx, leave := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/api/v1/characters/lin/messages", strings.NewReader(body))
		ok(t, err)
		r.Header.Set("Authorization", "Bearer "+w.keys["ada"])
		if strings.Contains(body, "stream") {
			res, err := http.DefaultClient.Do(r)
			ok(t, err)
			_, err = bufio.NewReader(res.Body).ReadString('\n')
			ok(t, err)
			<-w.parrot.waits
			leave()
			_ = res.Body.Close() // it was left
		} else {
			go func() {
				<-w.parrot.waits
				leave()
			}()
			if _, err := http.DefaultClient.Do(r); err == nil { //nolint:bodyclose // there is none
				t.Error("an answer to a request that was left")
			}
		}
		rec := w.ask(t, "ada", "GET", "/api/v1/characters/lin/messages", nil) // after the reply has ended: one speaks at a time
		if !strings.Contains(rec.Body.String(), `"messages":[]`) {
			t.Errorf("%s: kept %s", body, rec.Body)
		}
		if now := w.settled(t, "acme"); left-now != paid {
			t.Errorf("%s: paid %v, want %v", body, left-now, paid)
		} else {
			left = now
		}
	}
	w.audited(t)
}

// TestCharactersRefused has the gate refuse replies: no balance, another model's
// key. Nothing is kept of what was said.
func TestCharactersRefused(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	ctx := t.Context()
	poor, err := w.Accounts.CreateOrganisation(ctx, account.Operator, "poor")
	ok(t, err)
	for who, k := range map[string]struct{ org, model string }{"poor": {poor.ID, "companion"}, "other": {w.orgs["acme"], "tiny"}} {
		p, err := w.Accounts.CreateProject(ctx, account.Operator, k.org, who)
		ok(t, err)
		_, w.keys[who], err = w.Accounts.CreateKey(ctx, account.Operator, k.org, account.NewKey{Project: p.ID, Name: who, Models: []string{k.model}})
		ok(t, err)
	}
	for who, status := range map[string]int{"poor": http.StatusTooManyRequests, "other": http.StatusForbidden} {
		for _, stream := range []string{"", `,"stream":true`} {
			if rec := w.ask(t, who, "POST", "/api/v1/characters/lin/messages", `{"text":"Hello"`+stream+`}`); rec.Code != status {
				t.Errorf("%s: %d %s, want %d", who, rec.Code, rec.Body, status)
			}
		}
		if rec := w.ask(t, who, "GET", "/api/v1/characters/lin/messages", nil); !strings.Contains(rec.Body.String(), `"messages":[]`) {
			t.Errorf("%s: kept %s", who, rec.Body)
		}
	}
	w.audited(t)
}
