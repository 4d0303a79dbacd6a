// Command studio bundles the studio's TypeScript into the one script that the
// product embeds. It runs by `go generate ./studio`, needs nothing but Go, and
// gives the same bytes everywhere.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: studio DIR")
		os.Exit(2)
	}
	dir, err := filepath.Abs(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "studio:", err)
		os.Exit(1)
	}
	vendored := func(name string) string { return filepath.Join(dir, "vendor", name) }
	res := api.Build(api.BuildOptions{
		AbsWorkingDir: dir,
		EntryPoints:   []string{"src/main.tsx"},
		Outfile:       "web/app.js",
		Bundle:        true,
		Write:         true,
		Format:        api.FormatESModule,
		Target:        api.ES2022,
		Charset:       api.CharsetUTF8,
		JSXFactory:    "h",
		JSXFragment:   "Fragment",
		Alias: map[string]string{
			"preact/hooks":         vendored("hooks.mjs"),
			"preact":               vendored("preact.mjs"),
			"@preact/signals-core": vendored("signals-core.mjs"),
			"@preact/signals":      vendored("signals.mjs"),
		},
		MinifyWhitespace:  true,
		MinifySyntax:      true,
		MinifyIdentifiers: true,
		LegalComments:     api.LegalCommentsNone,
		Banner:            map[string]string{"js": "// Code generated from studio/src by tools/studio; DO NOT EDIT. Libraries: studio/vendor, MIT."},
		LogLevel:          api.LogLevelInfo,
	})
	if len(res.Errors) > 0 {
		os.Exit(1)
	}
}
