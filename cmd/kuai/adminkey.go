package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kuai/platform/account"
)

// keyReport is a key with its secret, as --json prints it.
type keyReport struct {
	Key    account.Key `json:"key"`
	Secret string      `json:"secret"`
}

func (a *admin) keyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "API keys", RunE: group}
	cmd.AddCommand(a.keyCreate(), a.keyList(), a.keyRotate(), a.action(action{
		use: "revoke", short: "Revoke a key at once", example: "key revoke key_x", args: []string{"KEY"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			k, err := d.accounts.FindKey(ctx, args[0])
			if err != nil {
				return nil, nil, err
			}
			k, err = d.accounts.RevokeKey(ctx, account.Operator, k.Org, k.ID)
			return k, [][]string{{k.ID, "revoked", moment(k.RevokedAt)}}, err
		},
	}))
	return cmd
}

func (a *admin) keyCreate() *cobra.Command {
	var n account.NewKey
	org, expires := "", time.Duration(0)
	cmd := a.action(action{
		use: "create", short: "Make a key and print its secret, which is not kept", example: "key create --name app --scope chat --scope videos --network 192.0.2.0/24",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			org, err := d.org(ctx, org)
			if err != nil {
				return nil, nil, err
			}
			if n.Project, err = d.project(ctx, org, n.Project); err != nil {
				return nil, nil, err
			}
			if n.User != "" {
				u, err := d.accounts.User(ctx, n.User)
				if err != nil {
					return nil, nil, err
				}
				n.User = u.ID
			}
			if expires != 0 {
				n.ExpiresAt = time.Now().Add(expires)
			}
			k, secret, err := d.accounts.CreateKey(ctx, account.Operator, org, n)
			if err == nil {
				a.note("%s, whose secret is shown this once:\n", k.ID)
			}
			return keyReport{k, secret}, [][]string{{secret}}, err
		},
	})
	f := cmd.Flags()
	f.StringVar(&n.Name, "name", "", "what the key is for")
	f.StringVar(&org, "org", "", "the organisation, if there are several")
	f.StringVar(&n.Project, "project", "", "the project; the first one if not said")
	f.StringVar(&n.User, "user", "", "whose key it is, by e-mail address or id; nobody's if not said")
	f.StringArrayVar(&n.Scopes, "scope", nil, "what it may use ("+strings.Join(account.Scopes(), ", ")+"); several are allowed; everything but accounts if not said")
	f.StringArrayVar(&n.Models, "model", nil, "a model that it may use; several are allowed; all if not said")
	f.StringArrayVar(&n.Networks, "network", nil, "an address or CIDR from where it counts; several are allowed; everywhere if not said")
	f.DurationVar(&expires, "expires", 0, "how long it counts, such as 720h; for ever if not said")
	f.BoolVar(&n.Operator, "operator", false, "it runs the installation")
	return cmd
}

func (a *admin) keyList() *cobra.Command {
	org := ""
	cmd := a.action(action{
		use: "list", short: "List keys, without their secrets", example: "key list",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			org, err := d.org(ctx, org)
			if err != nil {
				return nil, nil, err
			}
			list, err := all(func(p account.Page) (account.Listed[account.Key], error) { return d.accounts.Keys(ctx, org, "", p) },
				func(k account.Key) string { return k.ID })
			return listOf(list), table([]string{"ID", "NAME", "HINT", "PROJECT", "SCOPES", "MODELS", "EXPIRES", "USED", "STATUS"}, list, keyRow), err
		},
	})
	cmd.Flags().StringVar(&org, "org", "", "the organisation, if there are several")
	return cmd
}

func keyRow(k account.Key) []string {
	status := "active"
	switch {
	case !k.RevokedAt.IsZero():
		status = "revoked"
	case !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(time.Now()):
		status = "expired"
	}
	return []string{k.ID, k.Name, k.Hint, k.Project, dash(strings.Join(k.Scopes, ",")), dash(strings.Join(k.Models, ",")), moment(k.ExpiresAt), moment(k.UsedAt), status}
}

func (a *admin) keyRotate() *cobra.Command {
	grace := time.Duration(0)
	cmd := a.action(action{
		use: "rotate", short: "Give a key a new secret and print it", example: "key rotate key_x --grace 24h", args: []string{"KEY"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			k, err := d.accounts.FindKey(ctx, args[0])
			if err != nil {
				return nil, nil, err
			}
			k, secret, err := d.accounts.RotateKey(ctx, account.Operator, k.Org, k.ID, grace)
			if err == nil {
				a.note("the new secret, shown this once; the old one counts until %s:\n", moment(k.OldUntil))
			}
			return keyReport{k, secret}, [][]string{{secret}}, err
		},
	})
	cmd.Flags().DurationVar(&grace, "grace", 0, "how long the old secret still counts, such as 24h")
	return cmd
}
