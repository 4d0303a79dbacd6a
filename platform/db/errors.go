package db

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"kuai/fault"
)

// errSilent says that PostgreSQL was asked and said nothing for too long.
var errSilent = errors.New("the database does not answer")

// brokenError is of a transaction that was not committed because of its
// connection: it may run again.
type brokenError struct{ error }

func (e *brokenError) Unwrap() error { return e.error }

// again says whether a new connection may help at once. One that hung is no
// reason to wait as long a second time.
func again(err error) bool {
	var broken *brokenError
	return errors.As(err, &broken) && lost(err) && !errors.Is(err, errSilent) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// lost says whether a connection ended.
func lost(err error) bool {
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errSilent) {
		return true
	}
	if s := state(err); s != "" {
		return strings.HasPrefix(s, "08") || strings.HasPrefix(s, "57P")
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network)
}

// retryAfter is when to try again what the database could not do.
const retryAfter = 2 * time.Second

// told makes an error of a database that cannot work at the moment one for
// clients: all of the platform gives them the same words.
func told(err error) error {
	var known *fault.Error
	if errors.As(err, &known) || !Unavailable(err) {
		return err
	}
	message := "the database is busy or away; try again"
	if primary(err) == sqlite3.SQLITE_FULL || state(err) == "53100" {
		message = "the disk is full; nothing was lost; try again later"
	}
	return &fault.Error{Code: fault.Overloaded, Message: message, RetryAfter: retryAfter, Cause: err}
}

// primary is the SQLite result code of an error without its extension, 0 if
// the error is of another kind.
func primary(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// state is the SQLSTATE of an error of PostgreSQL, "" if it is another.
func state(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// busy says whether a transaction would succeed once others are through.
func busy(err error) bool {
	switch primary(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return true
	}
	switch state(err) {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	}
	return false
}

// IsUnique says whether a row was refused because its key exists.
func IsUnique(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return state(err) == "23505"
}

// Unavailable says whether the database cannot work at the moment, so that
// the same may succeed later: it is away, full, or kept busy by others.
func Unavailable(err error) bool {
	if errors.Is(err, ErrBusy) || lost(err) {
		return true
	}
	switch primary(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	s := state(err)
	return strings.HasPrefix(s, "53") || strings.HasPrefix(s, "58") // resources, system
}
