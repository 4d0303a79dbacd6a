package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kuai/platform"
	"kuai/platform/backup"
	"kuai/platform/db"
)

// place is where the platform of this machine lives.
func (a *app) place(ctx context.Context, blobs string) (backup.Place, error) {
	store, err := platform.OpenBlobs(ctx, a.jobsDir(), blobs)
	return backup.Place{Data: a.data, Memory: a.characterRoots(), Blobs: store}, err
}

func (a *app) backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "backup DIR", Short: "Copy the whole platform into a new folder, while the server runs",
		Long: `Copy the platform into a new folder: accounts, money and jobs as they are at one
moment, the files of customers, keys and settings, and what characters remember of
everyone; with a checksum of each file. Models are left out: kuai pull brings them
back. The folder is not encrypted and holds keys. PostgreSQL has its own pg_dump.`,
		Example: "  kuai backup /media/disk/kuai-2026-11-29", Args: exactArgs(1, "a folder"),
	}
	url, blobs := databaseFlag(cmd.Flags()), blobsFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		d, err := a.openDatabase(ctx, *url, true)
		if err != nil {
			return err
		}
		p, err := a.place(ctx, *blobs)
		if err != nil {
			return errors.Join(err, d.Close())
		}
		m, err := backup.Save(ctx, d, p, args[0], time.Now())
		if err := errors.Join(err, d.Close()); err != nil {
			return err
		}
		for _, w := range m.Warnings {
			a.note("warning: damaged already: %s\n", w)
		}
		return a.platformReport(m)
	}
	return cmd
}

func (a *app) restoreCommand() *cobra.Command {
	replace, check := false, false
	cmd := &cobra.Command{
		Use: "restore DIR", Short: "Put back what kuai backup has copied; a damaged folder is refused",
		Long: `Put back what kuai backup has copied, here or on another machine, while no server
runs. The folder is checked whole before anything is touched: each file by its
checksum, the database page by page. The database that is replaced stays beside
the new one as kuai.db.replaced-TIME.`,
		Example: "  kuai restore /media/disk/kuai-2026-11-29 --check\n  kuai restore /media/disk/kuai-2026-11-29 --data /var/lib/kuai", Args: exactArgs(1, "a folder"),
	}
	url, blobs := databaseFlag(cmd.Flags()), blobsFlag(cmd.Flags())
	cmd.Flags().BoolVar(&replace, "replace", false, "take the place of the platform that is there")
	cmd.Flags().BoolVar(&check, "check", false, "only say whether the folder is whole")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		if check {
			m, err := backup.Check(ctx, args[0])
			if err != nil {
				return err
			}
			return a.platformReport(m)
		}
		path := db.SQLitePath(a.databaseURL(*url))
		if path == "" {
			return fmt.Errorf("restore: %w", db.ErrNoCopy)
		}
		p, err := a.place(ctx, *blobs)
		if err != nil {
			return err
		}
		m, err := backup.Restore(ctx, path, p, args[0], replace, time.Now())
		if errors.Is(err, backup.ErrExists) {
			return fmt.Errorf("%w; --replace takes its place", err)
		}
		if err != nil {
			return err
		}
		return a.platformReport(m)
	}
	return cmd
}

func (a *app) platformReport(m *backup.Manifest) error {
	bytes := m.BlobBytes
	for _, f := range m.Files {
		bytes += f.Bytes
	}
	if a.json {
		return a.object(map[string]any{
			"made": m.Made, "users": len(m.Users), "blobs": m.Blobs, "files": len(m.Files), "bytes": bytes, "missing": len(m.Missing),
		})
	}
	_, err := fmt.Fprintf(a.Out, "made %s: %d files, %d blobs, %.1f MB, the memories of %d\n",
		m.Made.Format(time.DateTime), len(m.Files), m.Blobs, float64(bytes)/1e6, len(m.Users))
	return err
}
