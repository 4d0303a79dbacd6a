package accounts

import (
	"context"
	"net/http"
	"time"

	"kuai/platform/account"
)

type newKeyInput struct {
	OrgInput
	Creation
	Body struct {
		Name      string    `json:"name" maxLength:"400"`
		Project   string    `json:"project" maxLength:"64"`
		Service   bool      `json:"service,omitempty" doc:"belongs to nobody; for administrators"`
		User      string    `json:"user,omitempty" maxLength:"64" doc:"whose; the caller's if not said"`
		Scopes    []string  `json:"scopes,omitempty" maxItems:"100" doc:"none listed: everything but accounts"`
		Models    []string  `json:"models,omitempty" maxItems:"100" doc:"none listed: all"`
		Networks  []string  `json:"networks,omitempty" maxItems:"100" doc:"addresses or CIDR; none listed: everywhere"`
		ExpiresAt time.Time `json:"expires_at,omitzero"`
	}
}

// keyWithSecret is a key that was made or rotated. A request that was repeated
// under its idempotency key gets it without the secret.
type keyWithSecret struct {
	Key    account.Key `json:"key"`
	Secret string      `json:"secret,omitempty" doc:"shown this once"`
}

// KeyInput is a key in the path.
type KeyInput struct {
	OrgInput
	ID string `path:"key" maxLength:"64"`
}

type rotateInput struct {
	KeyInput
	Body struct {
		Grace int `json:"grace_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"how long the old secret still counts"`
	}
}

func (h *handler) keys() {
	a := h.rooms.Accounts
	const org = "/organisations/{org}"
	endpoint(h, http.MethodGet, org+"/keys", "Keys: administrators see all, others theirs", member, func(ctx context.Context, c call, in *orgPageInput) (*list[account.Key], error) {
		user := c.Principal.User
		if c.Principal.RoleIn(in.Org).AtLeast(account.RoleAdmin) {
			user = ""
		}
		l, err := a.Keys(ctx, in.Org, user, in.page())
		return listed(l, func(k account.Key) string { return k.ID }, err)
	})
	endpoint(h, http.MethodPost, org+"/keys", "Make a key", member, func(ctx context.Context, c call, in *newKeyInput) (*made[keyWithSecret], error) {
		b := in.Body
		n := account.NewKey{Project: b.Project, User: b.User, Name: b.Name, Scopes: b.Scopes, Models: b.Models, Networks: b.Networks, ExpiresAt: b.ExpiresAt}
		if n.User == "" && !b.Service {
			n.User = c.Principal.User
		}
		k, secret, err := a.CreateKey(ctx, c.Caller, in.Org, n)
		return created(keyWithSecret{k, secret}, err)
	})
	endpoint(h, http.MethodGet, org+"/keys/{key}", "A key", member, func(ctx context.Context, c call, in *KeyInput) (*one[account.Key], error) {
		return got(a.Key(ctx, c.Caller, in.Org, in.ID))
	})
	endpoint(h, http.MethodDelete, org+"/keys/{key}", "Revoke a key at once", member, func(ctx context.Context, c call, in *KeyInput) (*one[account.Key], error) {
		return got(a.RevokeKey(ctx, c.Caller, in.Org, in.ID))
	})
	endpoint(h, http.MethodPost, org+"/keys/{key}/rotate", "Give a key a new secret", member, func(ctx context.Context, c call, in *rotateInput) (*one[keyWithSecret], error) {
		k, secret, err := a.RotateKey(ctx, c.Caller, in.Org, in.ID, time.Duration(in.Body.Grace)*time.Second)
		return got(keyWithSecret{k, secret}, err)
	})
}
