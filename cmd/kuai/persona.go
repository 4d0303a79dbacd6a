package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kuai/character/persona"
)

// personas has whom the users say to be.
func (a *app) personas() persona.Store {
	return persona.Store{Dir: filepath.Join(a.data, "characters", "people")}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (a *app) personaCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "persona", Short: "Personas: whom you say to be to characters", Args: cobra.ArbitraryArgs, RunE: group}
	user := cmd.PersistentFlags().String("user", "me", "whose")
	list := &cobra.Command{
		Use: "list", Short: "List your personas", Args: exactArgs(0, "none"),
		RunE: func(*cobra.Command, []string) error { return a.personaList(*user) },
	}
	var p persona.Persona
	fields := func(c *cobra.Command) *cobra.Command {
		c.Flags().StringVar(&p.Description, "description", "", "who that is, as a character is told")
		c.Flags().StringVar(&p.Pronouns, "pronouns", "", "such as she/her")
		return c
	}
	add := fields(&cobra.Command{
		Use: "add NAME", Short: "Make a persona", Args: exactArgs(1, "a name"),
		Example: `  kuai persona add "Ada Lovelace" --description "A mathematician in London, 1843." --pronouns she/her
  kuai chat --character lin --persona ada-lovelace`,
		RunE: func(_ *cobra.Command, args []string) error {
			p.Name = args[0]
			made, err := a.personas().Add(*user, p)
			if err != nil {
				return err
			}
			return a.personaShow(made)
		},
	})
	name := ""
	edit := fields(&cobra.Command{
		Use: "edit ID", Short: "Change a persona: what no flag names stays", Args: exactArgs(1, "a persona"),
		RunE: func(cmd *cobra.Command, args []string) error {
			was, err := a.personas().Get(*user, args[0])
			if err != nil {
				return err
			}
			for flag, f := range map[string][2]*string{"name": {&was.Name, &name}, "description": {&was.Description, &p.Description}, "pronouns": {&was.Pronouns, &p.Pronouns}} {
				if cmd.Flags().Changed(flag) {
					*f[0] = *f[1]
				}
			}
			if err := a.personas().Edit(*user, was); err != nil {
				return err
			}
			return a.personaShow(was)
		},
	})
	edit.Flags().StringVar(&name, "name", "", "another name; the id stays")
	remove := &cobra.Command{
		Use: "delete ID", Short: "Remove a persona; what was said as it stays", Args: exactArgs(1, "a persona"),
		RunE: func(_ *cobra.Command, args []string) error { return a.personas().Delete(*user, args[0]) },
	}
	cmd.AddCommand(list, add, edit, remove)
	return cmd
}

func (a *app) personaShow(p persona.Persona) error {
	if a.json {
		return json.NewEncoder(a.Out).Encode(p)
	}
	_, err := fmt.Fprintf(a.Out, "%s  %s\n", p.ID, p.Name)
	return err
}

func (a *app) personaList(user string) error {
	all, broken := a.personas().List(user)
	for _, err := range broken {
		a.note("warning: %v\n", err)
	}
	if a.json {
		return json.NewEncoder(a.Out).Encode(append([]persona.Persona{}, all...))
	}
	w := tabwriter.NewWriter(a.Out, 0, 8, 2, ' ', 0)
	for _, p := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.ID, p.Name, p.Pronouns, strings.Join(strings.Fields(p.Description), " "))
	}
	return w.Flush()
}
