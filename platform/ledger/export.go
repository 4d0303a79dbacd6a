package ledger

import (
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"kuai/fault"
	"kuai/platform/db"
	"kuai/platform/money"
	"kuai/platform/price"
)

// exportPage is how many events are read at once: an export holds no
// transaction open while its reader is slow.
const exportPage = 1000

// Event is a line of a bill, as it is exported. Its fields are the columns, in
// their order, which stays.
type Event struct {
	Time           time.Time       `json:"time"`
	Event          string          `json:"event"`
	Org            string          `json:"organisation"`
	Project        string          `json:"project"`
	User           string          `json:"user"`
	Key            string          `json:"key"`
	Model          string          `json:"model"`
	Request        string          `json:"request"` // or job
	Reservation    string          `json:"reservation"`
	Dimension      price.Dimension `json:"dimension"` // waived: what was used but not charged
	Quantity       int64           `json:"quantity"`
	Price          money.Amount    `json:"price"` // of so many as the next field says, below the first tier
	Per            int64           `json:"per"`
	Amount         money.Amount    `json:"amount"`
	Currency       money.Currency  `json:"currency"`
	IdempotencyKey string          `json:"idempotency_key"`
}

// exportColumns are the names of an event's fields.
var exportColumns = []string{
	"time", "event", "organisation", "project", "user", "key", "model", "request", "reservation",
	"dimension", "quantity", "price", "per", "amount", "currency", "idempotency_key",
}

func (e Event) fields() []string {
	return []string{
		e.Time.Format(time.RFC3339Nano), e.Event, e.Org, e.Project, e.User, e.Key, tame(e.Model), tame(e.Request), e.Reservation,
		string(e.Dimension), strconv.FormatInt(e.Quantity, 10), e.Price.String(), strconv.FormatInt(e.Per, 10), e.Amount.String(), string(e.Currency), tame(e.IdempotencyKey),
	}
}

// tame keeps a text that a client chose from being a formula in a spreadsheet.
func tame(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}

// Format of an export.
type Format string

// Formats.
const (
	CSV  Format = "csv"
	JSON Format = "json" // a list, an event on each line
)

// Export writes the events of a query, by organisation and then by time, while
// it reads them. By is not looked at.
func (l *Ledger) Export(ctx context.Context, w io.Writer, f Format, q Query) error {
	if f != CSV && f != JSON {
		return fault.Param("format", "format is %.20q, want csv or json", string(f))
	}
	if err := q.check(); err != nil {
		return err
	}
	orgs := []string{q.Org}
	if q.Org == "" {
		var err error
		if orgs, err = l.orgs(ctx); err != nil {
			return fmt.Errorf("ledger: export: %w", err)
		}
	}
	out := newExporter(w, f)
	err := out.begin()
	for _, org := range orgs {
		if err != nil {
			break
		}
		q.Org = org
		err = l.events(ctx, q, out.event)
	}
	if err == nil {
		err = out.end()
	}
	if err != nil {
		return fmt.Errorf("ledger: export: %w", err)
	}
	return nil
}

func (l *Ledger) orgs(ctx context.Context) ([]string, error) {
	var all []string
	err := l.db.Read(ctx, func(tx *db.Tx) error {
		all = nil
		return query(ctx, tx, "SELECT DISTINCT org FROM ledger_events ORDER BY org", nil, func(rows *sql.Rows) error {
			var org string
			err := rows.Scan(&org)
			all = append(all, org)
			return err
		})
	})
	return all, err
}

// events calls emit with the events of one organisation, by time.
func (l *Ledger) events(ctx context.Context, q Query, emit func(Event) error) error {
	where, args := q.where()
	text := `SELECT id, org, project, user_id, key_id, model, job, reservation, dimension, quantity, price, per, amount, idempotency_key, at
 FROM ledger_events WHERE ` + where + " AND (at, id) > (?, ?) ORDER BY at, id LIMIT " + strconv.Itoa(exportPage)
	var lastAt int64
	lastID := ""
	for {
		var page []Event
		var currency money.Currency
		err := l.db.Read(ctx, func(tx *db.Tx) error {
			page = nil
			b, err := l.Balance(ctx, tx, q.Org)
			if err != nil {
				return err
			}
			currency = b.Currency
			return query(ctx, tx, text, append(slices.Clip(args), lastAt, lastID), func(rows *sql.Rows) error {
				e, err := scanEvent(rows)
				page = append(page, e)
				return err
			})
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			e.Currency = currency
			if err := emit(e); err != nil {
				return err
			}
		}
		if len(page) < exportPage {
			return nil
		}
		last := page[len(page)-1]
		lastAt, lastID = db.Micros(last.Time), last.Event
	}
}

func scanEvent(rows *sql.Rows) (Event, error) {
	var e Event
	var at int64
	err := rows.Scan(&e.Event, &e.Org, &e.Project, &e.User, &e.Key, &e.Model, &e.Request, &e.Reservation, &e.Dimension,
		&e.Quantity, &e.Price, &e.Per, &e.Amount, &e.IdempotencyKey, &at)
	e.Time = db.Time(at)
	return e, err
}

// exporter writes events in a format.
type exporter struct {
	w     io.Writer
	csv   *csv.Writer // nil for JSON
	comma string      // before the next event
}

func newExporter(w io.Writer, f Format) *exporter {
	if f == CSV {
		return &exporter{w: w, csv: csv.NewWriter(w)}
	}
	return &exporter{w: w, comma: "\n"}
}

func (x *exporter) begin() error {
	if x.csv != nil {
		return x.csv.Write(exportColumns)
	}
	_, err := io.WriteString(x.w, "[")
	return err
}

func (x *exporter) event(e Event) error {
	if x.csv != nil {
		return x.csv.Write(e.fields())
	}
	text, err := json.Marshal(e)
	if err == nil {
		_, err = fmt.Fprintf(x.w, "%s%s", x.comma, text)
		x.comma = ",\n"
	}
	return err
}

func (x *exporter) end() error {
	if x.csv != nil {
		x.csv.Flush()
		return x.csv.Error()
	}
	_, err := io.WriteString(x.w, "\n]\n")
	return err
}
