package api

import (
	"bytes"
	"log" //nolint:depguard // slog takes its output, which is given back
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kuai/platform/account"
)

// logbook is a log that may be written by many.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logbook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// captureLog keeps what the process logs until the test ends.
func captureLog(t *testing.T) *logbook {
	t.Helper()
	b := &logbook{}
	was, out, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() {
		slog.SetDefault(was)
		log.SetOutput(out) // which slog has taken
		log.SetFlags(flags)
	})
	return b
}

// TestSecretsAreNowhere goes through a session of everybody, with what goes
// wrong in it, and looks for keys, passwords, tokens, codes and signatures in
// the log, the metrics, the audit log and the database.
func TestSecretsAreNowhere(t *testing.T) { //nolint:paralleltest // the log is the process's
	b := captureLog(t)
	w := openTown(t, slog.Default())
	const password, never = "a long pass phrase", "sk-kuai-neverMade0123456789"
	secrets := map[string]string{"password": password, "wrong key": never}
	for who, key := range w.keys {
		secrets[who+"'s key"] = key
	}
	_, err := w.Accounts.CreateUser(t.Context(), account.Operator, account.NewUser{Email: "ann@example.org", Name: "Ann", Password: password})
	ok(t, err)
	secrets["session"] = w.get(t, w.ask(t, "nobody", "POST", "/api/v1/login", `{"email":"ann@example.org","password":"`+password+`"}`), "secret")
	secrets["invitation"] = w.get(t, w.ask(t, "oscar", "POST", "/api/v1/organisations/"+w.orgs["acme"]+"/invitations", `{"email":"bo@example.org","role":"member"}`), "secret")
	secrets["worker token"] = w.get(t, w.ask(t, "oscar", "POST", "/api/v1/workers/tokens", `{"name":"barn"}`), "secret")
	secrets["voucher"] = w.get(t, w.ask(t, "oscar", "POST", "/api/v1/vouchers", `{"amount":"1.00","currency":"USD"}`), "code")
	w.get(t, w.ask(t, "ada", "POST", "/api/v1/vouchers/redeem", `{"code":"`+secrets["voucher"]+`"}`), "id")
	hook := w.get(t, w.ask(t, "ada", "POST", "/api/v1/webhooks", `{"url":"https://example.com/"}`), "secret")
	id := w.clip(t, "ada")
	j, err := w.made.Queue.Get(t.Context(), "", id)
	ok(t, err)
	link := w.get(t, w.ask(t, "ada", "GET", "/api/v1/files/"+j.Result.Outputs[0].File+"/link", nil), "url")
	_, query, _ := strings.Cut(link, "?")

	w.keys["mallory"], w.keys["session"], w.keys["barn"] = never, secrets["session"], secrets["worker token"]
	ok(t, os.RemoveAll(filepath.Join(w.dir, "jobs", "blobs"))) // so that something of ours goes wrong
	for who := range w.keys {
		for _, r := range w.walk(t) {
			if r.method == http.MethodGet {
				w.ask(t, who, r.method, r.path+"?api_key="+w.keys[who], nil, "X-Api-Key", w.keys[who])
			}
		}
		for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/v1/video_generation", "/v2/video_generation", "/api/chat", "/v1/files"} {
			w.ask(t, who, "POST", path, `{"model":"`+w.keys[who]+`","messages":[`)
		}
	}
	w.ask(t, "ada", "GET", "/v1/videos/"+id+"/content", nil)
	w.ask(t, "nobody", "GET", link, nil)

	told := map[string]string{
		"the metrics":   w.ask(t, "oscar", "GET", "/metrics", nil).Body.String(),
		"the audit log": w.ask(t, "oscar", "GET", "/api/v1/audit", nil).Body.String(),
		"the keys":      w.ask(t, "oscar", "GET", "/api/v1/organisations/"+w.orgs["acme"]+"/keys", nil).Body.String(),
	}
	for _, name := range []string{"kuai.db", "kuai.db-wal"} {
		data, err := os.ReadFile(filepath.Join(w.dir, name))
		ok(t, err)
		told["the file "+name] = string(data)
	}
	b.mu.Lock()
	told["the log"] = b.text.String()
	b.mu.Unlock()
	if !strings.Contains(told["the log"], "a request failed") {
		t.Errorf("nothing went wrong: %s", told["the log"])
	}
	for where, text := range told {
		for what, secret := range secrets {
			if len(secret) < 12 || strings.Contains(text, secret) {
				t.Errorf("%s has the %s %.4s...", where, what, secret)
			}
		}
		if strings.Contains(text, query) || !strings.HasPrefix(where, "the file") && strings.Contains(text, hook) {
			t.Errorf("%s has a signature or a webhook's secret", where)
		}
	}
}
