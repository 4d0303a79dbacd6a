package ledger

import (
	"context"
	"database/sql"
	"strings"

	"kuai/platform/db"
)

// maxArguments of a statement: SQLite takes 32,766 and PostgreSQL 65,535, and
// beyond some hundreds of rows a longer statement gains nothing.
const maxArguments = 8192

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
		n := min(len(arguments)/width, maxArguments/width)
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

// in is a list of placeholders.
func in(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")" }

// anys are texts as arguments.
func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, s := range texts {
		all[i] = s
	}
	return all
}
