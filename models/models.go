// Package models holds the weights that ship with Kuai, built into the binary,
// so that everything works in the first minute without a network. Each has a
// model card beside it.
package models

import (
	"embed"
	"io/fs"

	"kuai/internal/check"
)

//go:embed video judge
var files embed.FS

// Video returns the built-in text-to-video model, as video.Open reads it.
func Video() fs.FS { return sub("video") }

// Judge returns the built-in judge of the video evaluation: judge.safetensors.
func Judge() fs.FS { return sub("judge") }

func sub(dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	check.True(err == nil, "models: %s: %v", dir, err)
	return f
}
