package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"kuai/platform/config"
	"kuai/platform/db"
)

// databaseFlag adds --database.
func databaseFlag(f *pflag.FlagSet) *string {
	return serverFlag(f, "database", "the platform's database: a file, or postgres://USER@HOST/NAME (default: kuai.db in --data; environment: KUAI_DATABASE)", "KUAI_DATABASE")
}

// blobsFlag adds --blobs.
func blobsFlag(f *pflag.FlagSet) *string {
	return serverFlag(f, "blobs", "where files lie: a directory, or s3://BUCKET/PREFIX?endpoint=HOST:PORT (default: in the data directory; environment: KUAI_BLOBS)", "KUAI_BLOBS")
}

// serverFlag adds a flag that is the server's setting whatever the command.
func serverFlag(f *pflag.FlagSet, name, usage, variable string) *string {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	value := own.String(name, "", usage)
	config.Also(own, name, variable)
	config.Place(own, "serve")
	f.AddFlagSet(own)
	return value
}

// databaseURL is where the platform keeps its truth: what --database says, or
// what stands for it, else a file below --data.
func (a *app) databaseURL(flag string) string {
	return firstOf(flag, filepath.Join(a.data, "kuai.db"))
}

// openDatabase opens the platform's database. must says that it has to be there.
func (a *app) openDatabase(ctx context.Context, url string, must bool) (*db.DB, error) {
	url = a.databaseURL(url)
	if path := db.SQLitePath(url); must && path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("database: %w", err)
		}
	}
	return db.Open(ctx, url)
}
