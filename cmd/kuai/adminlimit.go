package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"kuai/platform/account"
	"kuai/platform/audit"
	"kuai/platform/limit"
)

func (a *admin) limitCommand() *cobra.Command {
	kinds := make([]string, 0, len(limit.Kinds()))
	for _, k := range limit.Kinds() {
		kinds = append(kinds, string(k))
	}
	cmd := &cobra.Command{
		Use: "limit", Short: "What an organisation, project, user or key may use", RunE: group,
		Long: "What an organisation, project, user or key may use. A request must fit into all\nlimits of its caller. Kinds:\n  " + strings.Join(kinds, "\n  "),
	}
	org := ""
	cmd.PersistentFlags().StringVar(&org, "org", "", "the organisation, where it is not clear")
	cmd.AddCommand(a.action(action{
		use: "list", short: "List limits", example: "limit list",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			list, err := d.limits.Rules(ctx, firstOf(org, "*"))
			return listOf(list), table([]string{"LEVEL", "SUBJECT", "KIND", "AMOUNT"}, list, func(r limit.Rule) []string {
				return []string{string(r.Level), r.Subject, string(r.Kind), fmt.Sprint(r.Amount)}
			}), err
		},
	}), a.action(action{
		use: "set", short: "Set a limit", example: "limit set project prj_x images_per_day 100", args: []string{"LEVEL", "SUBJECT", "KIND", "AMOUNT"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			r, err := d.rule(ctx, org, args)
			if err != nil {
				return nil, nil, err
			}
			if r.Amount, err = strconv.ParseInt(args[3], 10, 64); err != nil {
				return nil, nil, usage(fmt.Errorf("the amount is %q, want a whole number", args[3]))
			}
			return r, [][]string{args}, d.limits.Set(ctx, account.Operator, r)
		},
	}), a.action(action{
		use: "delete", short: "Take a limit away", example: "limit delete project prj_x images_per_day", args: []string{"LEVEL", "SUBJECT", "KIND"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			r, err := d.rule(ctx, org, args)
			if err != nil {
				return nil, nil, err
			}
			return map[string]any{"level": r.Level, "subject": r.Subject, "kind": r.Kind, "deleted": true}, nil, d.limits.Delete(ctx, account.Operator, r)
		},
	}))
	return cmd
}

// rule finds the organisation of a limit's subject.
func (d desk) rule(ctx context.Context, org string, args []string) (limit.Rule, error) {
	r := limit.Rule{Org: org, Level: limit.Level(args[0]), Subject: args[1], Kind: limit.Kind(args[2])}
	var err error
	switch r.Level {
	case limit.Organisation:
		r.Org = r.Subject
	case limit.Project:
		var p account.Project
		p, err = d.accounts.FindProject(ctx, r.Subject)
		r.Org = p.Org
	case limit.Key:
		var k account.Key
		k, err = d.accounts.FindKey(ctx, r.Subject)
		r.Org = k.Org
	case limit.User:
		var u account.User
		r.Org, u, err = d.member(ctx, org, r.Subject)
		r.Subject = u.ID
	default:
		return r, usage(fmt.Errorf("the level is %q, want one of %v", args[0], limit.Levels()))
	}
	return r, err
}

func (a *admin) auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "The log of who changed what", RunE: group}
	org, last := "", 0
	list := a.action(action{
		use: "list", short: "List the log, the latest first", example: "audit list --last 20",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			records, err := audit.List(ctx, d.db, firstOf(org, "*"), 0, max(1, min(last, most)))
			return listOf(records), table([]string{"NUMBER", "TIME", "ACTOR", "ACTION", "OBJECT", "FROM", "DETAIL"}, records, func(r audit.Record) []string {
				return []string{fmt.Sprint(r.Seq), moment(r.At), r.Actor, r.Action, r.Object, dash(r.IP), string(r.Detail)}
			}), err
		},
	})
	list.Flags().StringVar(&org, "org", "", "of one organisation")
	list.Flags().IntVar(&last, "last", 50, "how many")
	cmd.AddCommand(list, a.action(action{
		use: "verify", short: "Compute the log's chain of hashes anew", example: "audit verify",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			r, err := audit.Verify(ctx, d.db)
			return r, [][]string{{fmt.Sprintf("%d records, as they were written; the last hash is %s", r.Records, dash(r.Head))}}, err
		},
	}))
	return cmd
}
