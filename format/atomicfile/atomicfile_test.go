package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	for _, text := range []string{"one", "another"} {
		if err := WriteBytes(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("got %q, %v; want %q", got, err, text)
		}
	}
	only(t, dir, "a")
}

// only checks that nothing but a file is left in a directory.
func only(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != name {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func TestFailureKeepsTheOld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	if err := WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	full := &fs.PathError{Op: "write", Path: "tmp", Err: syscall.ENOSPC}
	fails := map[string]func(io.Writer) error{
		"error":     func(io.Writer) error { return io.ErrUnexpectedEOF },
		"full disk": func(w io.Writer) error { _, _ = w.Write(make([]byte, 1<<20)); return full },
	}
	for name, fill := range fails {
		err := Write(path, fill)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error with the path", name, err)
		}
		if want := name == "full disk"; errors.Is(err, ErrFull) != want {
			t.Errorf("%s: got %v, ErrFull wanted: %v", name, err, want)
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = Write(path, func(io.Writer) error { panic("a bug") })
	}()
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("got %q, %v; want the old contents", got, err)
	}
	only(t, dir, "a")
}

func TestUnwritable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "no", "a")} {
		err := WriteBytes(path, nil)
		if err == nil || strings.Count(err.Error(), path) != 1 || strings.Contains(err.Error(), ".tmp") {
			t.Errorf("got %v, want an error that names %s once", err, path)
		}
	}
}

func TestSymlink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, link := filepath.Join(dir, "a"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := WriteBytes(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("got %q, %v; want the link's target replaced", got, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
}

// TestDevice writes to what is no ordinary file: it must not be replaced.
func TestDevice(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	if err := WriteBytes("/dev/null", []byte("x")); err != nil {
		t.Error(err)
	}
	if err := WriteBytes("/dev/full", []byte("x")); !errors.Is(err, ErrFull) {
		t.Errorf("got %v, want ErrFull", err)
	}
	for _, path := range []string{"/dev/null", "/dev/full"} {
		if info, err := os.Stat(path); err != nil || info.Mode()&fs.ModeDevice == 0 {
			t.Fatalf("%s is no device any more: %v, %v", path, info, err)
		}
	}
}
