package converse

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kuai/character/memory"
	"kuai/character/shelf"
)

// maxThreads bounds the directory of threads that is read.
const maxThreads = 10_000_000

// PersonDirs are the directories of all conversations of a user's: those with
// one character, below threads, and groups, below people.
func PersonDirs(threads, people, user string) (dirs []string, err error) {
	if user != shelf.ID(user) {
		return nil, ErrUser
	}
	list := func(dir string, want func(name string) bool) {
		files, e := os.ReadDir(dir)
		if e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("converse: %w", e))
		}
		for _, f := range files[:min(len(files), maxThreads)] {
			if want(f.Name()) {
				dirs = append(dirs, filepath.Join(dir, f.Name()))
			}
		}
	}
	list(threads, func(name string) bool {
		_, of, ok := strings.Cut(name, "--") // no name of a character or a user has two dashes, or a dot
		of, _, _ = strings.Cut(of, ".")      // what a restore left that was stopped
		return ok && of == user
	})
	if people != "" {
		list(filepath.Join(people, user, "groups"), func(string) bool { return true })
	}
	return dirs, err
}

// Persons are the users of whom there is anything, in order.
func Persons(threads, people string) ([]string, error) {
	found := map[string]bool{}
	for _, dir := range []string{threads, people} {
		files, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("converse: %w", err)
		}
		for _, f := range files[:min(len(files), maxThreads)] {
			name := f.Name()
			if dir == threads {
				_, of, _ := strings.Cut(name, "--")
				name, _, _ = strings.Cut(of, ".") // what a restore left that was stopped
			}
			if name != "" && name == shelf.ID(name) {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// ForgetPerson deletes everything of a user's from the disk: all conversations
// below threads, and the personas and groups below people. It wraps
// memory.ErrLocked where a process has one of them open; nothing is deleted
// then.
func ForgetPerson(threads, people, user string) error {
	dirs, err := PersonDirs(threads, people, user)
	if err != nil {
		return err
	}
	for _, dir := range dirs { // all of them before any is gone
		release, err := memory.Hold(dir)
		if err != nil {
			return err
		}
		defer func() { _ = release() }() // the locks are deleted
	}
	for _, dir := range dirs {
		if e := os.RemoveAll(dir); e != nil {
			err = errors.Join(err, fmt.Errorf("converse: %w", e))
		}
	}
	if people != "" {
		if e := os.RemoveAll(filepath.Join(people, user)); e != nil {
			err = errors.Join(err, fmt.Errorf("converse: %w", e))
		}
	}
	return err
}

// eraseThread deletes a thread's directory.
func eraseThread(dir string) error {
	release, err := memory.Hold(dir)
	if err != nil {
		return err
	}
	defer func() { _ = release() }() // the lock is deleted
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("converse: %w", err)
	}
	return nil
}
