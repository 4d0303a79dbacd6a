package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kuai/character/card"
	"kuai/character/shelf"
	"kuai/companion/fact"
	"kuai/format/atomicfile"
)

// shelf has the characters of this machine.
func (a *app) shelf() shelf.Shelf {
	return shelf.Shelf{Dir: filepath.Join(a.data, "characters", "cards")}
}

func (a *app) characterCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "character", Short: "Characters: those that come with Kuai, and cards of others", Args: cobra.ArbitraryArgs, RunE: group}
	lang := cmd.PersistentFlags().String("language", "en", "of built-in characters: en or zh")
	with := func(f func(s shelf.Shelf, l fact.Language, args []string) error) func(*cobra.Command, []string) error {
		return func(_ *cobra.Command, args []string) error {
			l := fact.English
			switch *lang {
			case "en":
			case "zh":
				l = fact.Chinese
			default:
				return usage(fmt.Errorf("--language is %q, want en or zh", *lang))
			}
			return f(a.shelf(), l, args)
		}
	}
	list := &cobra.Command{
		Use: "list", Short: "List the characters of this machine", Args: exactArgs(0, "none"), RunE: with(a.characterList),
	}
	show := &cobra.Command{
		Use: "show NAME", Short: "Show a character's texts", Example: "  kuai character show lin --language zh",
		Args: exactArgs(1, "one character"), RunE: with(a.characterShow),
	}
	replace := false
	take := &cobra.Command{
		Use: "import FILE", Short: "Keep a character card: PNG, charx or JSON, versions 1 to 3",
		Long: `Keep a character card: a PNG with the card in it, a charx archive, or JSON, of
version 1, 2 or 3. Nothing of it is lost, also what Kuai does not understand.`,
		Example: "  kuai character import card.png", Args: exactArgs(1, "one file"),
		RunE: with(func(s shelf.Shelf, _ fact.Language, args []string) error {
			return a.characterImport(s, args[0], replace)
		}),
	}
	take.Flags().BoolVar(&replace, "replace", false, "take the place of an imported character of the same name")
	var out, spec string
	give := &cobra.Command{
		Use: "export NAME", Short: "Write a character's card: .png, .charx or .json, by the ending",
		Example: "  kuai character export lin -o lin.png", Args: exactArgs(1, "one character"),
		RunE: with(func(s shelf.Shelf, l fact.Language, args []string) error {
			return a.characterExport(s, l, args[0], out, spec)
		}),
	}
	give.Flags().StringVarP(&out, "output", "o", "", "file to write (default: the name, .png)")
	give.Flags().StringVar(&spec, "spec", "v3", "of JSON: v2 or v3")
	remove := &cobra.Command{
		Use: "delete NAME", Short: "Remove an imported character", Args: exactArgs(1, "one character"),
		RunE: with(func(s shelf.Shelf, _ fact.Language, args []string) error { return s.Delete(args[0]) }),
	}
	cmd.AddCommand(list, show, take, give, remove)
	return cmd
}

func (a *app) characterList(s shelf.Shelf, l fact.Language, _ []string) error {
	all, broken := s.List(l)
	for _, err := range broken {
		a.note("warning: %v\n", err)
	}
	if a.json {
		return json.NewEncoder(a.Out).Encode(all)
	}
	t := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	for _, e := range all {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.ID, e.Name, map[bool]string{true: "built in", false: "imported"}[e.BuiltIn], e.Tags)
	}
	return t.Flush()
}

func (a *app) characterShow(s shelf.Shelf, l fact.Language, args []string) error {
	c, err := s.Card(args[0], l)
	if err != nil {
		return err
	}
	if a.json {
		data, err := c.JSON(card.SpecV3)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.Out, "%s\n", data)
		return err
	}
	var b strings.Builder
	for _, f := range [][2]string{
		{"name", c.Name},
		{"description", c.Description},
		{"personality", c.Personality},
		{"scenario", c.Scenario},
		{"greeting", c.FirstMessage},
		{"examples", c.Examples},
		{"tags", strings.Join(c.Tags, ", ")},
		{"creator", c.Creator},
		{"notes", c.CreatorNotes},
	} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%-12s %s\n", f[0], strings.ReplaceAll(f[1], "\n", "\n             "))
		}
	}
	if c.Book != nil {
		fmt.Fprintf(&b, "%-12s %d entries\n", "lorebook", len(c.Book.Entries))
	}
	_, err = a.Out.Write([]byte(b.String()))
	return err
}

func (a *app) characterImport(s shelf.Shelf, path string, replace bool) error {
	c, err := card.Open(path)
	if err != nil {
		return err
	}
	id, err := s.Import(c, replace)
	if errors.Is(err, shelf.ErrExists) && !replace {
		return fmt.Errorf("%w; --replace takes an imported one's place", err)
	}
	if err != nil {
		return err
	}
	if a.json {
		return json.NewEncoder(a.Out).Encode(map[string]string{"id": id, "name": c.Name})
	}
	_, err = fmt.Fprintf(a.Out, "%s  %s\n", id, c.Name)
	return err
}

func (a *app) characterExport(s shelf.Shelf, l fact.Language, id, out, spec string) error {
	c, err := s.Card(id, l)
	if err != nil {
		return err
	}
	if out == "" {
		out = shelf.ID(id) + ".png"
	}
	var data []byte
	switch filepath.Ext(out) {
	case ".png":
		data, err = c.PNG()
	case ".charx":
		data, err = c.Archive()
	case ".json":
		name, ok := map[string]string{"v2": card.SpecV2, "v3": card.SpecV3}[spec]
		if !ok {
			return usage(fmt.Errorf("--spec is %q, want v2 or v3", spec))
		}
		data, err = c.JSON(name)
	default:
		return usage(fmt.Errorf("--output is %s, want .png, .charx or .json", out))
	}
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(out, data)
}
