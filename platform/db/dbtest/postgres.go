package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"kuai/platform/db"
)

// errNone says why there is no PostgreSQL for the tests.
var errNone = errors.New("no PostgreSQL here (install the package postgresql)")

// server is the one PostgreSQL of a test process. A shell holds it and ends it
// when the process has ended, however that came about.
var server = sync.OnceValues(start)

// Postgres returns the URL of a new database of a real PostgreSQL, or skips
// the test where none can be started.
func Postgres(tb testing.TB) string {
	tb.Helper()
	dir, err := server()
	if errors.Is(err, errNone) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	name := strings.ToLower(db.NewID("test"))
	if err := create(tb.Context(), dir, name); err != nil {
		tb.Fatalf("dbtest: %v", err)
	}
	return address(dir, name)
}

func address(dir, name string) string {
	return "postgres://kuai@/" + name + "?host=" + dir
}

func create(ctx context.Context, dir, name string) error {
	pool, err := sql.Open("pgx", address(dir, "postgres"))
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, "CREATE DATABASE "+name)
	return errors.Join(err, pool.Close())
}

// binaries is the directory of initdb and postgres.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", errNone
	}
	return filepath.Dir(path), nil
}

// startTimeout is for machines that do much else.
const startTimeout = 2 * time.Minute

// start makes a cluster in a temporary directory, runs it on a socket there,
// and returns the directory.
func start() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout) //nolint:forbidigo // the server outlives the test that starts it
	defer cancel()
	dir, who, err := initialise(ctx, bin)
	if err != nil {
		return "", err
	}
	if err := hold(bin, dir, who); err != nil {
		return "", err
	}
	return dir, ready(ctx, dir)
}

// initialise makes an empty cluster in a directory of its own.
func initialise(ctx context.Context, bin string) (dir string, who *syscall.SysProcAttr, err error) {
	if dir, err = os.MkdirTemp("", "kuai-pg-"); err != nil { // short: the path of a socket has 107 bytes
		return "", nil, err
	}
	if who, err = owner(dir); err != nil {
		return "", nil, err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "kuai", "-A", "trust", "-N", "-E", "UTF8", "--locale=C")
	initdb.SysProcAttr, initdb.Dir = who, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return dir, who, nil
}

// owner gives the directory to a user that PostgreSQL runs as: it refuses to
// be root's.
func owner(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // as who we are
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			return nil, err
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errNone
}

// hold starts the server below a shell that waits for the end of its input,
// which is when this process is gone.
func hold(bin, dir string, who *syscall.SysProcAttr) error {
	script := `"$0" -D "$1/data" -k "$1" -c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
 -c shared_buffers=32MB -c max_connections=400 -c logging_collector=off >"$1/log" 2>&1 </dev/null &
p=$!; cat >/dev/null; kill -INT $p; wait $p; rm -rf "$1"`
	shell := exec.Command("/bin/sh", "-c", script, filepath.Join(bin, "postgres"), dir) //nolint:noctx // outlives every test
	shell.SysProcAttr, shell.Dir = who, "/"
	if shell.SysProcAttr == nil {
		shell.SysProcAttr = &syscall.SysProcAttr{}
	}
	shell.SysProcAttr.Setpgid = true // Ctrl-C at the tests must not end it first
	var err error
	if held, err = shell.StdinPipe(); err != nil {
		return err
	}
	return shell.Start()
}

// held is the shell's input. It stays referenced, or it would be collected and
// closed.
var held io.Closer //nolint:unused // open until the process ends

// ready waits until the server answers.
func ready(ctx context.Context, dir string) error {
	pool, err := sql.Open("pgx", address(dir, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // only asked
	for {
		if err = pool.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(dir, "log")) // says why; without it the error has to do
			return fmt.Errorf("postgres does not answer: %w: %s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
