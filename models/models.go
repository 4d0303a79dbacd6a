// Package models holds the weights that ship with Kuai, built into the binary,
// so that everything works in the first minute without a network. Each has a
// model card beside it.
package models

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kuai/internal/check"
)

//go:embed video judge companion reader embedder apt
var files embed.FS

// Video returns the built-in text-to-video model, as video.Open reads it.
func Video() fs.FS { return sub("video") }

// Judge returns the built-in judge of the video evaluation: judge.safetensors.
func Judge() fs.FS { return sub("judge") }

// Companion returns the built-in companion model, a directory as text.Open reads
// it once Unpack has put it on the disk, since its weights are mapped.
func Companion() fs.FS { return sub("companion") }

// Reader returns the built-in reader of turns, as reader.Open reads it.
func Reader() fs.FS { return sub("reader") }

// Embedder returns the built-in vectors of texts, as embedder.Open reads them.
func Embedder() fs.FS { return sub("embedder") }

// Apt returns the built-in model that finds what is said in other words, as
// apt.OpenModel reads it.
func Apt() fs.FS { return sub("apt") }

// Unpack puts a model into a directory of its own below dir, unless it is there
// already, and returns its path. Another version gets another directory.
func Unpack(model fs.FS, name, dir string) (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(model, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(model, path)
		_, _ = fmt.Fprintf(sum, "%q %d\n", path, len(data))
		_, _ = sum.Write(data)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("models: %s: %w", name, err)
	}
	to := filepath.Join(dir, name+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("models: %w", err)
	}
	part, err := os.MkdirTemp(dir, "."+name+"-")
	if err != nil {
		return "", fmt.Errorf("models: %w", err)
	}
	defer os.RemoveAll(part) //nolint:errcheck // gone already where all went well
	if err := os.CopyFS(filepath.Join(part, name), model); err != nil {
		return "", fmt.Errorf("models: %w", err)
	}
	if err := os.Rename(filepath.Join(part, name), to); err != nil {
		if _, is := os.Stat(to); is != nil { // unless another process was first
			return "", fmt.Errorf("models: %w", err)
		}
	}
	return to, nil
}

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	check.True(err == nil, "models: %s: %v", dir, err)
	return f
}
