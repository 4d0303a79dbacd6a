package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kuai/platform/audit"
	"kuai/platform/db"
	"kuai/platform/ledger"
	"kuai/platform/money"
	"kuai/platform/price"
)

// errDifference says that the books do not balance.
var errDifference = errors.New("audit: the books do not balance")

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Compute every balance anew, and report each millionth that differs",
		Long: `Compute every balance from its postings, every settlement from the events, every
event from its prices and every sum of spending from both, in one consistent view
of the database, also while a server works on it. The audit log's chain of hashes
is checked as well. The exit code is 1 if anything differs.`,
		Example: `  kuai audit
  kuai audit --database postgres://kuai@db/kuai --json`,
		Args: exactArgs(0, "none"),
	}
	url := databaseFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := a.openDatabase(cmd.Context(), *url, true)
		if err != nil {
			return err
		}
		return errors.Join(a.audit(cmd.Context(), d), d.Close())
	}
	return cmd
}

func (a *app) audit(ctx context.Context, d *db.DB) error {
	report, err := ledger.Audit(ctx, d, time.Now())
	if err != nil {
		return err
	}
	log, err := audit.Verify(ctx, d)
	if err != nil && !errors.Is(err, audit.ErrBroken) {
		return err
	}
	broken := err
	ok := report.OK() && broken == nil
	if a.json {
		out := struct {
			OK bool `json:"ok"`
			*ledger.Report
			Log      audit.Report `json:"log"`
			LogError string       `json:"log_error,omitempty"`
		}{OK: ok, Report: report, Log: log}
		if broken != nil {
			out.LogError = broken.Error()
		}
		if err := a.object(out); err != nil {
			return err
		}
	} else {
		a.auditText(report, broken)
	}
	if !ok {
		return errDifference
	}
	return nil
}

func (a *app) auditText(r *ledger.Report, broken error) {
	for _, d := range r.Differences {
		fmt.Fprintln(a.Out, d)
	}
	if r.More > 0 {
		fmt.Fprintf(a.Out, "and %d more\n", r.More)
	}
	if broken != nil {
		fmt.Fprintln(a.Out, broken)
	}
	for _, t := range r.Totals {
		fmt.Fprintf(a.Out, "%s: %s paid in, %s in vouchers, %s adjusted; %s cash, %s promotion, %s held, %s revenue\n",
			t.Currency, -t.TopUps, -t.Vouchers, -t.Adjustment, t.Cash, t.Promo, t.Held, t.Revenue)
	}
	fmt.Fprintf(a.Out, "%d accounts, %d reservations, %d postings, %d events, %d changes: ", r.Accounts, r.Reservations, r.Postings, r.Events, r.Changes)
	if r.OK() && broken == nil {
		fmt.Fprintln(a.Out, "no difference")
		return
	}
	fmt.Fprintf(a.Out, "%d differences\n", int64(len(r.Differences))+r.More)
}

// object writes one JSON object.
func (a *app) object(v any) error {
	e := json.NewEncoder(a.Out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// withLedger runs a command over the ledger of --database.
func (a *app) withLedger(url *string, must bool, f func(ctx context.Context, l *ledger.Ledger, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		d, err := a.openDatabase(ctx, *url, must)
		if err != nil {
			return err
		}
		l, err := ledger.New(ctx, d, ledger.Options{})
		if err == nil {
			err = f(ctx, l, args)
		}
		return errors.Join(err, d.Close())
	}
}

func (a *app) usageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "usage", Short: "What was used, and what it cost", Args: cobra.ArbitraryArgs, RunE: group}
	url := databaseFlag(cmd.PersistentFlags())
	var from, to, format, org string
	export := &cobra.Command{
		Use:     "export",
		Short:   "Write each line of each bill, as CSV or JSON",
		Example: "  kuai usage export --from 2026-03-01 --to 2026-04-01 --format csv > march.csv",
		Args:    exactArgs(0, "none"),
		RunE: a.withLedger(url, true, func(ctx context.Context, l *ledger.Ledger, _ []string) error {
			q := ledger.Query{Org: org, To: time.Now()}
			for _, edge := range []struct {
				text string
				at   *time.Time
			}{{from, &q.From}, {to, &q.To}} {
				if edge.text != "" {
					t, err := ledger.ParseTime(edge.text)
					if err != nil {
						return usage(err)
					}
					*edge.at = t
				}
			}
			if from == "" {
				q.From = q.To.AddDate(0, -1, 0)
			}
			if format != "csv" && format != "json" {
				return usage(fmt.Errorf("--format is %q, want csv or json", format))
			}
			return l.Export(ctx, a.Out, ledger.Format(format), q)
		}),
	}
	f := export.Flags()
	f.StringVar(&from, "from", "", "first day or time, in UTC (default: a month before --to)")
	f.StringVar(&to, "to", "", "the day or time that is no longer in it (default: now)")
	f.StringVar(&format, "format", "csv", "csv or json")
	f.StringVar(&org, "organisation", "", "of one organisation alone")
	cmd.AddCommand(export)
	return cmd
}

func (a *app) pricesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "prices",
		Short: "What things cost: list prices, import others",
		Long: `Prices are data: a file is built in, imports add to it. For each model and each
dimension the most exact pattern counts, then the later date, then the later
import. What a request costs is decided when it comes in; a price that changes
later does not reach it.`,
		Args: cobra.ArbitraryArgs, RunE: group,
	}
	url := databaseFlag(cmd.PersistentFlags())
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "List all prices, the ones that count first", Args: exactArgs(0, "none"),
		RunE: a.withLedger(url, false, func(ctx context.Context, l *ledger.Ledger, _ []string) error {
			var all []price.Price
			err := l.DB().Read(ctx, func(tx *db.Tx) (err error) {
				all, err = l.Prices(ctx, tx)
				return err
			})
			if err != nil {
				return err
			}
			if a.json {
				return a.object(map[string]any{"prices": all})
			}
			return priceTable(a.Out, all)
		}),
	}, &cobra.Command{
		Use: "import FILE", Short: "Add the prices of a YAML file", Args: exactArgs(1, "one file"),
		Example: `  kuai prices import prices.yaml

  # prices.yaml
  currency: USD
  prices:
    - {model: "MiniMax-M*", dimension: input_tokens, price: "0.30", per: 1000000, from: 2026-04-01T00:00:00Z}`,
		RunE: a.withLedger(url, false, func(ctx context.Context, l *ledger.Ledger, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			prices, err := price.ReadFile(f)
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
			err = a.change(ctx, l, "prices.import", "", func(tx *db.Tx) (string, any, error) {
				return "", map[string]int{"prices": len(prices)}, l.ImportPrices(ctx, tx, prices, operator)
			})
			if err == nil {
				a.note("%d prices imported\n", len(prices))
			}
			return err
		}),
	})
	return cmd
}

func priceTable(w io.Writer, all []price.Price) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MODEL\tDIMENSION\tPRICE\tPER\tFROM\tUNTIL\tSOURCE")
	for _, p := range all {
		prices := []string{p.Price.String()}
		for _, tier := range p.Tiers {
			prices = append(prices, fmt.Sprintf("%s above %d", tier.Price, tier.Above))
		}
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%d\t%s\t%s\t%s\n", p.Model, p.Dimension, strings.Join(prices, ", "), p.Currency, p.Per, date(p.From), date(p.Until), p.Source)
	}
	return t.Flush()
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// operator is who runs commands, in the ledger and the audit log.
const operator = "operator"

// change does something to the ledger, with its entry in the audit log.
func (a *app) change(ctx context.Context, l *ledger.Ledger, action, org string, do func(tx *db.Tx) (string, any, error)) error {
	return l.DB().Tx(ctx, func(tx *db.Tx) error {
		object, detail, err := do(tx)
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, time.Now(), audit.Entry{Org: org, Actor: operator, Action: action, Object: object, Detail: detail})
	})
}

func (a *app) balanceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "balance", Short: "The money of an organisation: show, top up, change terms", Args: cobra.ArbitraryArgs, RunE: group}
	url := databaseFlag(cmd.PersistentFlags())
	reason := cmd.PersistentFlags().String("reason", "", "why, for the books")
	// changes one organisation, then shows it.
	changing := func(action string, f func(ctx context.Context, l *ledger.Ledger, tx *db.Tx, c ledger.Change, args []string) (ledger.Change, error)) func(*cobra.Command, []string) error {
		return a.withLedger(url, true, func(ctx context.Context, l *ledger.Ledger, args []string) error {
			err := a.change(ctx, l, action, args[0], func(tx *db.Tx) (string, any, error) {
				c, err := f(ctx, l, tx, ledger.Change{Org: args[0], Reason: *reason, Actor: operator}, args)
				return c.ID, c, err
			})
			if err != nil {
				return err
			}
			return a.showBalance(ctx, l, args[0])
		})
	}
	terms := ledger.Terms{}
	limit, currency := "0", ""
	setTerms := &cobra.Command{
		Use: "terms ORGANISATION", Short: "Set how much may be owed, and the currency", Args: exactArgs(1, "one organisation"),
		RunE: changing("ledger.terms", func(ctx context.Context, l *ledger.Ledger, tx *db.Tx, c ledger.Change, _ []string) (ledger.Change, error) {
			var err error
			if terms.CreditLimit = ledger.Unlimited; limit != "unlimited" {
				if terms.CreditLimit, err = money.Parse(limit); err != nil {
					return c, usage(err)
				}
			}
			terms.Currency = money.Currency(currency)
			return l.SetTerms(ctx, tx, c, terms)
		}),
	}
	setTerms.Flags().StringVar(&limit, "credit-limit", "0", `how much may be owed, or "unlimited"`)
	setTerms.Flags().StringVar(&currency, "currency", "", "three capital letters (default: as it is)")
	setTerms.Flags().BoolVar(&terms.Overdraft, "overdraft", false, "work may cost more than was reserved for it")
	cmd.AddCommand(&cobra.Command{
		Use: "show ORGANISATION", Short: "Show what it has", Args: exactArgs(1, "one organisation"),
		RunE: a.withLedger(url, true, func(ctx context.Context, l *ledger.Ledger, args []string) error {
			return a.showBalance(ctx, l, args[0])
		}),
	}, &cobra.Command{
		Use: "topup ORGANISATION AMOUNT", Short: "Add money that was paid", Args: exactArgs(2, "an organisation and an amount"),
		Example: `  kuai balance topup org_x 100.00 --reason "invoice 7"`,
		RunE: changing("ledger.topup", func(ctx context.Context, l *ledger.Ledger, tx *db.Tx, c ledger.Change, args []string) (ledger.Change, error) {
			var err error
			if c.Amount, err = money.Parse(args[1]); err != nil {
				return c, usage(err)
			}
			return l.TopUp(ctx, tx, c)
		}),
	}, setTerms)
	return cmd
}

func (a *app) showBalance(ctx context.Context, l *ledger.Ledger, org string) error {
	var b ledger.Balance
	err := l.DB().Read(ctx, func(tx *db.Tx) (err error) {
		b, err = l.Balance(ctx, tx, org)
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.object(b)
	}
	fmt.Fprintf(a.Out, "%s: %s %s available: %s cash, %s promotion, %s of %s credit left, %s owed, %s held\n",
		b.Org, b.Available, b.Currency, b.Cash, b.Promo, b.CreditLeft, b.CreditLimit, b.Owed, b.Held)
	return nil
}
