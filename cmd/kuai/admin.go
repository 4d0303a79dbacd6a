package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kuai/platform/account"
	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/limit"
)

// errNoOrg says that the installation is empty.
var errNoOrg = errors.New("there is no organisation yet")

// admin is the operator at the command line.
type admin struct {
	*app
	database *string
}

// desk is the opened database with what stands on it.
type desk struct {
	accounts *account.Store
	limits   *limit.Store
	db       *db.DB
}

// with opens the database for the time of a command.
func (a *admin) with(ctx context.Context, f func(d desk) error) error {
	d, err := a.openDatabase(ctx, *a.database, false)
	if err != nil {
		return err
	}
	if _, err := ledger.New(ctx, d, ledger.Options{}); err != nil { // the books are guarded from the first command on
		return errors.Join(err, d.Close())
	}
	s := account.New(d, account.Options{})
	err = f(desk{s, limit.NewStore(d, limit.New(nil), nil), d})
	return errors.Join(err, d.Close())
}

func (a *app) adminCommand() *cobra.Command {
	ad := &admin{app: a}
	cmd := &cobra.Command{
		Use:   "admin",
		Short: "Run the platform: organisations, people, keys, limits, the audit log",
		Long: `Run the platform from its own machine: organisations, people, keys, limits and
the audit log. It works on the database itself, beside a server that runs; the
server sees a change within five seconds.`,
		Example: "  kuai admin init\n  kuai admin key create --name app --scope chat\n  kuai admin limit set project PROJECT images_per_day 100",
		RunE:    group,
	}
	ad.database = databaseFlag(cmd.PersistentFlags())
	cmd.AddCommand(ad.initCommand(), ad.orgCommand(), ad.projectCommand(), ad.userCommand(), ad.keyCommand(), ad.limitCommand(), ad.auditCommand())
	return cmd
}

// action is a command of admin: what it prints is what run returns, as JSON or
// as the rows of a table.
type action struct {
	use, short, example string
	args                []string // what its arguments are
	run                 func(ctx context.Context, d desk, args []string) (value any, rows [][]string, err error)
}

func (a *admin) action(x action) *cobra.Command {
	for _, arg := range x.args {
		x.use += " " + arg
	}
	return &cobra.Command{
		Use: x.use, Short: x.short, Example: "  kuai admin " + x.example,
		Args: exactArgs(len(x.args), firstOf(strings.Join(x.args, " "), "none")),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(d desk) error {
				value, rows, err := x.run(cmd.Context(), d, args)
				if err != nil {
					return err
				}
				if a.json {
					return json.NewEncoder(a.Out).Encode(value)
				}
				return a.rows(rows)
			})
		},
	}
}

// rows prints a table; one column that is alone is a line.
func (a *admin) rows(rows [][]string) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(r, "\t")) // Flush tells
	}
	return w.Flush()
}

// most is how many rows a list prints.
const most = 10_000

// all reads every page of a list.
func all[T any](page func(account.Page) (account.Listed[T], error), id func(T) string) ([]T, error) {
	var list []T
	p := account.Page{Limit: account.MaxPage}
	for len(list) < most {
		l, err := page(p)
		if err != nil {
			return nil, err
		}
		list = append(list, l.Data...)
		if !l.More {
			break
		}
		p.After = id(l.Data[len(l.Data)-1])
	}
	return list, nil
}

// listOf is a list as --json prints it.
func listOf[T any](list []T) map[string]any {
	return map[string]any{"data": append([]T{}, list...)}
}

// table is a header and a row for each.
func table[T any](header []string, list []T, row func(T) []string) [][]string {
	rows := [][]string{header}
	for _, v := range list {
		rows = append(rows, row(v))
	}
	return rows
}

// moment is a time as tables show it.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

// dash shows nothing as something.
func dash(s string) string { return firstOf(s, "-") }

// org is the organisation that is named, or the only one.
func (d desk) org(ctx context.Context, named string) (string, error) {
	if named != "" {
		o, err := d.accounts.Organisation(ctx, named)
		return o.ID, err
	}
	l, err := d.accounts.Organisations(ctx, account.Operator.Principal, account.Page{Limit: 2})
	if err != nil {
		return "", err
	}
	switch len(l.Data) {
	case 0:
		return "", errNoOrg
	case 1:
		return l.Data[0].ID, nil
	}
	return "", usage(errors.New("there are several organisations, say which with --org"))
}

// project is the project that is named, or the first of an organisation.
func (d desk) project(ctx context.Context, org, named string) (string, error) {
	if named != "" {
		p, err := d.accounts.Project(ctx, org, named)
		return p.ID, err
	}
	l, err := d.accounts.Projects(ctx, org, account.Page{Limit: 1})
	if err != nil {
		return "", err
	}
	if len(l.Data) == 0 {
		return "", usage(errors.New("the organisation has no project; make one with: kuai admin project create NAME"))
	}
	return l.Data[0].ID, nil
}

// maxPasswordLine bounds what is read of a password.
const maxPasswordLine = 1024

// password reads one line.
func (a *admin) password() (string, error) {
	line, err := bufio.NewReader(io.LimitReader(a.In, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usage(errors.New("no password on the standard input"))
	}
	return line, nil
}

func (a *admin) initCommand() *cobra.Command {
	return a.action(action{
		use: "init", short: "Give an empty installation an organisation, a project and an operator's key", example: "init",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			first, made, err := d.accounts.Bootstrap(ctx)
			if err != nil {
				return nil, nil, err
			}
			if !made {
				return nil, nil, errors.New("there are organisations already; make a key with: kuai admin key create --operator --name NAME")
			}
			a.note("the key of the operator, shown this once:\n")
			return first, [][]string{{first.Secret}}, nil
		},
	})
}

func (a *admin) orgCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "org", Short: "Organisations", RunE: group}
	show := func(o account.Organisation, err error) (any, [][]string, error) {
		return o, [][]string{{o.ID, o.Name, o.Status}}, err
	}
	cmd.AddCommand(a.action(action{
		use: "list", short: "List organisations", example: "org list",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			list, err := all(func(p account.Page) (account.Listed[account.Organisation], error) {
				return d.accounts.Organisations(ctx, account.Operator.Principal, p)
			}, func(o account.Organisation) string { return o.ID })
			return listOf(list), table([]string{"ID", "NAME", "STATUS", "CREATED"}, list, func(o account.Organisation) []string {
				return []string{o.ID, o.Name, o.Status, moment(o.CreatedAt)}
			}), err
		},
	}), a.action(action{
		use: "create", short: "Make an organisation with a project named default", example: `org create "Example Ltd"`, args: []string{"NAME"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			return show(d.accounts.CreateOrganisation(ctx, account.Operator, args[0]))
		},
	}), a.action(action{
		use: "rename", short: "Rename an organisation", example: "org rename org_x Example", args: []string{"ORG", "NAME"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			return show(d.accounts.RenameOrganisation(ctx, account.Operator, args[0], args[1]))
		},
	}), a.action(action{
		use: "suspend", short: "Stop all keys of an organisation", example: "org suspend org_x", args: []string{"ORG"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			return show(d.accounts.SuspendOrganisation(ctx, account.Operator, args[0], true))
		},
	}), a.action(action{
		use: "resume", short: "Let the keys of an organisation count again", example: "org resume org_x", args: []string{"ORG"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			return show(d.accounts.SuspendOrganisation(ctx, account.Operator, args[0], false))
		},
	}), a.action(action{
		use: "delete", short: "End an organisation and all of its keys", example: "org delete org_x", args: []string{"ORG"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			return map[string]any{"id": args[0], "deleted": true}, nil, d.accounts.DeleteOrganisation(ctx, account.Operator, args[0])
		},
	}))
	return cmd
}

func (a *admin) projectCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "project", Short: "Projects of an organisation", RunE: group}
	org := ""
	cmd.PersistentFlags().StringVar(&org, "org", "", "the organisation, if there are several")
	cmd.AddCommand(a.action(action{
		use: "list", short: "List projects", example: "project list",
		run: func(ctx context.Context, d desk, _ []string) (any, [][]string, error) {
			org, err := d.org(ctx, org)
			if err != nil {
				return nil, nil, err
			}
			list, err := all(func(p account.Page) (account.Listed[account.Project], error) { return d.accounts.Projects(ctx, org, p) },
				func(p account.Project) string { return p.ID })
			return listOf(list), table([]string{"ID", "NAME", "CREATED"}, list, func(p account.Project) []string {
				return []string{p.ID, p.Name, moment(p.CreatedAt)}
			}), err
		},
	}), a.action(action{
		use: "create", short: "Make a project", example: "project create app", args: []string{"NAME"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			org, err := d.org(ctx, org)
			if err != nil {
				return nil, nil, err
			}
			p, err := d.accounts.CreateProject(ctx, account.Operator, org, args[0])
			return p, [][]string{{p.ID, p.Name}}, err
		},
	}), a.action(action{
		use: "delete", short: "End a project and its keys", example: "project delete prj_x", args: []string{"PROJECT"},
		run: func(ctx context.Context, d desk, args []string) (any, [][]string, error) {
			p, err := d.accounts.FindProject(ctx, args[0])
			if err != nil {
				return nil, nil, err
			}
			return map[string]any{"id": p.ID, "deleted": true}, nil, d.accounts.DeleteProject(ctx, account.Operator, p.Org, p.ID)
		},
	}))
	return cmd
}
