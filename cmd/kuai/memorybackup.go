package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"kuai/character/backup"
	"kuai/character/converse"
)

// characterRoots are where everything of the characters lies.
func (a *app) characterRoots() backup.Roots {
	return backup.Roots{Threads: filepath.Join(a.data, "characters", "threads"), People: a.personas().Dir, Cards: a.shelf().Dir}
}

func (a *app) memoryBackup(user *string) *cobra.Command {
	return &cobra.Command{
		Use: "backup DIR", Short: "Copy everything of a user's into a new folder: all conversations, groups, personas, cards",
		Long: `Copy everything of a user's into a new folder, with a checksum of every file. It may
run while the server does: each conversation is copied as it was at some moment.
The folder is not encrypted, and kuai memory forget does not reach it.`,
		Example: "  kuai memory backup /media/stick/kuai-2026-11-29\n  kuai memory backup ada --user ada", Args: exactArgs(1, "a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := backup.Save(cmd.Context(), a.characterRoots(), *user, args[0], time.Now())
			if err != nil {
				return err
			}
			for _, w := range m.Warnings {
				a.note("warning: damaged already: %s\n", w)
			}
			return a.backupReport(m)
		},
	}
}

func (a *app) memoryRestore(user *string) *cobra.Command {
	replace := false
	cmd := &cobra.Command{
		Use: "restore DIR", Short: "Put back what kuai memory backup has copied; a damaged folder is refused",
		Long: `Put back what kuai memory backup has copied, for the user that it is of or the one that
--user names. The folder is checked whole before anything is touched; one that is
not what was written is refused, with what is wrong.`,
		Args: exactArgs(1, "a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			whose := ""
			if cmd.Flags().Changed("user") {
				whose = *user
			}
			m, err := backup.Restore(cmd.Context(), a.characterRoots(), whose, args[0], replace)
			if errors.Is(err, backup.ErrExists) {
				return fmt.Errorf("%w; --replace takes its place", err)
			}
			if err != nil {
				return err
			}
			return a.backupReport(m)
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "take the place of conversations that are there")
	return cmd
}

func (a *app) backupReport(m *backup.Manifest) error {
	var bytes int64
	for _, f := range m.Files {
		bytes += f.Bytes
	}
	if a.json {
		return json.NewEncoder(a.Out).Encode(map[string]any{"user": m.User, "made": m.Made, "files": len(m.Files), "bytes": bytes})
	}
	_, err := fmt.Fprintf(a.Out, "%d files, %.1f MB, of %s\n", len(m.Files), float64(bytes)/1e6, m.User)
	return err
}

// forgetPerson deletes everything of a user's.
func (a *app) forgetPerson(user string) error {
	r := a.characterRoots()
	return converse.ForgetPerson(r.Threads, r.People, user)
}
