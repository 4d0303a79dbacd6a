package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"kuai/api"
	"kuai/api/admit"
	"kuai/api/clip"
	"kuai/api/file"
	"kuai/platform"
	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/limit"
	"kuai/platform/money"
	"kuai/serve/chat"
	"kuai/text/prompt"
)

const (
	modelName = "null"
	// slots of the null clip maker: one is held by the job whose events are
	// streamed.
	slots = 2
	// plenty is a limit that no run comes to: it is counted all the same.
	plenty = limit.MaxAmount
)

// house is the platform in this process, with a customer who pays.
type house struct {
	url, secret string
	town        *platform.Platform
	paint       painter
	closers     []func() error
}

// close ends everything, the last opened first.
func (h *house) close() error {
	var all []error
	for i := range h.closers {
		all = append(all, h.closers[len(h.closers)-1-i]())
	}
	return errors.Join(all...)
}

// open starts the platform in a directory: accounts, limits and the ledger on
// SQLite, durable jobs, and the server's own handler on loopback.
func open(ctx context.Context, dir string) (h *house, err error) {
	h = &house{paint: painter{let: make(chan struct{})}}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.town, err = platform.Open(ctx, platform.Options{Database: filepath.Join(dir, "kuai.db")}); err != nil {
		return h, err
	}
	h.closers = append(h.closers, h.town.Close)
	if err := h.customer(ctx); err != nil {
		return h, err
	}
	made, err := h.town.OpenJobs(ctx, platform.JobsOptions{Dir: filepath.Join(dir, "jobs"), Name: modelName, Runs: clip.Runs(h.paint), Slots: slots})
	if err != nil {
		return h, err
	}
	h.closers = append(h.closers, made.Close)
	clips := clip.NewJobs(ctx, clip.JobsOptions{Queue: made.Queue, Files: made.Files, Shape: h.paint, Check: h.paint.Check})
	h.closers = append(h.closers, func() error { clips.Close(); return nil })
	rooms := api.Rooms{Gate: &admit.Gate{Rooms: h.town}, Videos: clips, Platform: h.town, Jobs: made}
	rooms.Files, rooms.Links = file.Platform{Files: made.Files, Org: h.town.OrgOf}, file.NewLinks()
	engine := chat.New(ctx, writer{}, vocabulary{}, chat.Options{KeepBytes: -1})
	h.closers = append(h.closers, func() error { engine.Close(); return nil })
	talker, err := chat.NewTalker(engine, vocabulary{}, prompt.ChatML, prompt.Options{})
	if err != nil {
		return h, err
	}
	rooms.Chats = talks{talker}
	return h, h.serve(ctx, rooms)
}

// serve answers on a port of loopback until close.
func (h *house) serve(ctx context.Context, rooms api.Rooms) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	h.url = "http://" + l.Addr().String()
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- api.Serve(run, l, api.Handler(rooms)) }()
	h.closers = append(h.closers, func() error { stop(); return <-done })
	return nil
}

// customer makes an organisation with a balance, a key, and limits on both.
func (h *house) customer(ctx context.Context) error {
	org, err := h.town.Accounts.CreateOrganisation(ctx, account.Operator, "load")
	if err != nil {
		return err
	}
	project, err := h.town.Accounts.CreateProject(ctx, account.Operator, org.ID, "load")
	if err != nil {
		return err
	}
	key, secret, err := h.town.Accounts.CreateKey(ctx, account.Operator, org.ID, account.NewKey{Project: project.ID, Name: "load", Scopes: []string{account.ScopeAll}, Models: []string{}})
	if err != nil {
		return err
	}
	h.secret = secret
	for _, r := range []limit.Rule{
		{Org: org.ID, Level: limit.Organisation, Subject: org.ID, Kind: limit.TokensPerDay, Amount: plenty},
		{Org: org.ID, Level: limit.Key, Subject: key.ID, Kind: limit.RequestsPerMinute, Amount: plenty},
		{Org: org.ID, Level: limit.Key, Subject: key.ID, Kind: limit.Concurrency, Amount: plenty},
	} {
		if err := h.town.Limits.Set(ctx, account.Operator, r); err != nil {
			return err
		}
	}
	return h.town.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := h.town.Ledger.TopUp(ctx, tx, ledger.Change{
			Org: org.ID, IdempotencyKey: "load", Amount: money.Amount(1_000_000_000_000), Reason: "a benchmark", Actor: account.Operator.Principal.Actor(),
		})
		return err
	})
}

// audit counts what does not fit together in the books.
func (h *house) audit(ctx context.Context) (int64, error) {
	r, err := ledger.Audit(ctx, h.town.DB, time.Now())
	if err != nil {
		return 0, err
	}
	return int64(len(r.Differences)) + r.More, nil
}
