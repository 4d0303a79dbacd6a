package ledger

import (
	"context"
	"database/sql"
	"strings"

	"kuai/platform/db"
)

// chunks are how many rows a statement has: few different texts, so that the
// database keeps all of them parsed.
var chunks = [...]int{64, 16, 4, 1}

// chunk is the largest that fits into n, which is above 0.
func chunk(n int) int {
	for _, c := range chunks {
		if c <= n {
			return c
		}
	}
	return 1
}

// insert adds rows with as few statements as it can. head is the statement up
// to VALUES, row one row of placeholders, tail what comes behind.
func insert(ctx context.Context, tx *db.Tx, head, row, tail string, arguments []any) error {
	_, err := valuesExec(ctx, tx, head, row, row, tail, arguments)
	return err
}

// valuesExec runs a statement over rows of values; the first row may be another
// one, with casts that tell PostgreSQL the types. It returns how many rows the
// statements have changed.
func valuesExec(ctx context.Context, tx *db.Tx, head, firstRow, row, tail string, arguments []any) (int64, error) {
	width := strings.Count(row, "?")
	changed := int64(0)
	for len(arguments) > 0 {
		n := chunk(len(arguments) / width)
		var b strings.Builder
		b.Grow(len(head) + n*(len(row)+1) + len(firstRow) + len(tail))
		b.WriteString(head)
		b.WriteString(firstRow)
		for range n - 1 {
			b.WriteByte(',')
			b.WriteString(row)
		}
		b.WriteString(tail)
		result, err := tx.ExecContext(ctx, b.String(), arguments[:n*width]...)
		if err != nil {
			return 0, err
		}
		k, err := result.RowsAffected()
		if err != nil {
			return 0, err
		}
		changed += k
		arguments = arguments[n*width:]
	}
	return changed, nil
}

// query runs a query and calls scan for each row.
func query(ctx context.Context, tx *db.Tx, text string, arguments []any, scan func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, text, arguments...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err tells
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// in is a list of placeholders for texts, and the texts as arguments. The last
// one stands there several times, so that there are few different lists.
func in(texts []string) (list string, arguments []any) {
	n := 1
	for n < len(texts) {
		n *= 4
	}
	arguments = make([]any, n)
	for i := range arguments {
		arguments[i] = texts[min(i, len(texts)-1)]
	}
	return "(" + strings.Repeat("?,", n-1) + "?)", arguments
}
