package main

import (
	"context"

	"github.com/spf13/cobra"

	"kuai/platform/account"
)

func (a *admin) userCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "People, their passwords, roles and invitations", RunE: group}
	cmd.AddCommand(a.userCreate(), a.userInvite(), a.userRole(), a.userRemove(), a.userMembers(), a.action(action{
		use: "list", short: "List all people", example: "user list",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			list, err := all(func(p account.Page) (account.Listed[account.User], error) { return d.accounts.Users(ctx, p) },
				func(u account.User) string { return u.ID })
			return listOf(list), table([]string{"ID", "EMAIL", "NAME", "STATUS", "OPERATOR"}, list, func(u account.User) []string {
				return []string{u.ID, u.Email, u.Name, u.Status, yes(u.Operator)}
			}), err
		},
	}), a.userStatus("disable", "End all sessions and keys of a person", true), a.userStatus("enable", "Let a person log in again", false), a.action(action{
		use: "password", short: "Set a person's password, read from the standard input", example: "user password ada@example.org < password.txt", args: []string{"EMAIL"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			u, err := d.accounts.User(ctx, args[0])
			if err != nil {
				return nil, nil, err
			}
			password, err := a.password()
			if err != nil {
				return nil, nil, err
			}
			return u, [][]string{{u.ID, u.Email, "password set, all sessions ended"}}, d.accounts.SetPassword(ctx, account.Operator, u.ID, "", password)
		},
	}))
	return cmd
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

func (a *admin) userCreate() *cobra.Command {
	n, read := account.NewUser{}, false
	cmd := a.action(action{
		use: "create", short: "Make a person", example: "user create ada@example.org --name Ada --password-stdin < password.txt", args: []string{"EMAIL"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			n.Email = args[0]
			n.Name = firstOf(n.Name, "user")
			if read {
				var err error
				if n.Password, err = a.password(); err != nil {
					return nil, nil, err
				}
			}
			u, err := d.accounts.CreateUser(ctx, account.Operator, n)
			return u, [][]string{{u.ID, u.Email}}, err
		},
	})
	cmd.Flags().StringVar(&n.Name, "name", "", "what the person is called")
	cmd.Flags().BoolVar(&read, "password-stdin", false, "read the password from the standard input; without one the person logs in at the OpenID issuer")
	cmd.Flags().BoolVar(&n.Operator, "operator", false, "the person runs the installation")
	return cmd
}

func (a *admin) userStatus(use, short string, disabled bool) *cobra.Command {
	return a.action(action{
		use: use, short: short, example: "user " + use + " ada@example.org", args: []string{"EMAIL"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			u, err := d.accounts.User(ctx, args[0])
			if err != nil {
				return nil, nil, err
			}
			u, err = d.accounts.DisableUser(ctx, account.Operator, u.ID, disabled)
			return u, [][]string{{u.ID, u.Email, u.Status}}, err
		},
	})
}

func (a *admin) userInvite() *cobra.Command {
	org, role := "", ""
	cmd := a.action(action{
		use: "invite", short: "Invite a person and print the secret, which counts once and for a week", example: "user invite ada@example.org --role admin", args: []string{"EMAIL"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			org, err := d.org(ctx, org)
			if err != nil {
				return nil, nil, err
			}
			i, secret, err := d.accounts.Invite(ctx, account.Operator, org, args[0], account.Role(role))
			return map[string]any{"invitation": i, "secret": secret}, [][]string{{secret}}, err
		},
	})
	cmd.Flags().StringVar(&org, "org", "", "the organisation, if there are several")
	cmd.Flags().StringVar(&role, "role", string(account.RoleMember), "owner, admin, member or viewer")
	return cmd
}

func (a *admin) userRole() *cobra.Command {
	org := ""
	cmd := a.action(action{
		use: "role", short: "Make a person a member of an organisation, or change the role", example: "user role ada@example.org owner", args: []string{"EMAIL", "ROLE"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			org, u, err := d.member(ctx, org, args[0])
			if err != nil {
				return nil, nil, err
			}
			err = d.accounts.SetRole(ctx, account.Operator, org, u.ID, account.Role(args[1]))
			return map[string]any{"organisation": org, "user": u.ID, "role": args[1]}, [][]string{{u.ID, u.Email, args[1]}}, err
		},
	})
	cmd.Flags().StringVar(&org, "org", "", "the organisation, if there are several")
	return cmd
}

// member finds an organisation and a person.
func (d desk) member(ctx context.Context, org, email string) (string, account.User, error) {
	org, err := d.org(ctx, org)
	if err != nil {
		return "", account.User{}, err
	}
	u, err := d.accounts.User(ctx, email)
	return org, u, err
}

func (a *admin) userRemove() *cobra.Command {
	org := ""
	cmd := a.action(action{
		use: "remove", short: "Take a person and their keys out of an organisation", example: "user remove ada@example.org", args: []string{"EMAIL"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			org, u, err := d.member(ctx, org, args[0])
			if err != nil {
				return nil, nil, err
			}
			return map[string]any{"organisation": org, "user": u.ID, "removed": true}, nil, d.accounts.RemoveMember(ctx, account.Operator, org, u.ID)
		},
	})
	cmd.Flags().StringVar(&org, "org", "", "the organisation, if there are several")
	return cmd
}

func (a *admin) userMembers() *cobra.Command {
	org := ""
	cmd := a.action(action{
		use: "members", short: "List the people of an organisation", example: "user members",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			org, err := d.org(ctx, org)
			if err != nil {
				return nil, nil, err
			}
			list, err := all(func(p account.Page) (account.Listed[account.Member], error) { return d.accounts.Members(ctx, org, p) },
				func(m account.Member) string { return m.ID })
			return listOf(list), table([]string{"ID", "EMAIL", "NAME", "ROLE", "STATUS"}, list, func(m account.Member) []string {
				return []string{m.ID, m.Email, m.Name, string(m.Role), m.Status}
			}), err
		},
	})
	cmd.Flags().StringVar(&org, "org", "", "the organisation, if there are several")
	return cmd
}
