package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"kuai/format/atomicfile"
	"kuai/media"
	"kuai/world"
)

func (a *app) worldCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "world", Short: "Look at the sticker world that the video model learns from", Args: cobra.ArbitraryArgs, RunE: group}
	var o world.PreviewOptions
	var out, font, split string
	show := &cobra.Command{
		Use:     "preview",
		Short:   "Draw a contact sheet of clips, one a row; or a moving one, as .gif, .webp, .webm ...",
		Example: "  kuai world preview -o sheet.png --size 128 --clips 12\n  kuai world preview -o wall.gif",
		Args:    exactArgs(0, "none"),
		RunE: func(_ *cobra.Command, _ []string) error {
			s, ok := map[string]world.Split{"train": world.Train, "val": world.Val, "heldout": world.HeldOut}[split]
			if !ok {
				return usage(fmt.Errorf("--split is %q, want train, val or heldout", split))
			}
			o.Split = s
			w, err := world.Open(font)
			if err != nil {
				return err
			}
			captions, err := preview(w, out, o)
			if err != nil {
				return err
			}
			if a.json {
				return json.NewEncoder(a.Out).Encode(map[string]any{"file": out, "captions": captions})
			}
			var text strings.Builder
			for i, c := range captions {
				fmt.Fprintf(&text, "%3d  %s\n", i+1, c)
			}
			_, err = io.WriteString(a.Out, text.String())
			return err
		},
	}
	f := show.Flags()
	f.StringVarP(&out, "output", "o", "sheet.png", "file to write: .png for a sheet, or any ending of clips")
	f.StringVar(&font, "font", os.Getenv("KUAI_FONT"), "emoji font (environment: KUAI_FONT; default: the usual places)")
	f.StringVar(&split, "split", "train", "train, val or heldout")
	f.IntVar(&o.Size, "size", 64, "pixels on a side")
	f.IntVar(&o.Clips, "clips", 16, "how many clips")
	f.Uint64Var(&o.Seed, "seed", 1, "which clips")

	list := &cobra.Command{
		Use:   "list",
		Short: "List what prompts can name, in English and Chinese",
		Args:  exactArgs(0, "none"),
		RunE: func(_ *cobra.Command, _ []string) error {
			all := map[string][][2]string{}
			for i, name := range world.SlotNames {
				en, zh := world.SlotValues(i)
				for k := range en {
					all[name] = append(all[name], [2]string{en[k], zh[k]})
				}
			}
			if a.json {
				return json.NewEncoder(a.Out).Encode(all)
			}
			var text strings.Builder
			for _, name := range world.SlotNames {
				var words []string
				for _, v := range all[name] {
					words = append(words, v[0]+" "+v[1])
				}
				fmt.Fprintf(&text, "%s: %s\n\n", name, strings.Join(words, ", "))
			}
			_, err := io.WriteString(a.Out, text.String())
			return err
		},
	}
	cmd.AddCommand(show, list)
	return cmd
}

// preview writes a sheet as PNG, and a wall of moving clips as anything else.
func preview(w *world.World, out string, o world.PreviewOptions) (captions []string, err error) {
	if filepath.Ext(out) == ".png" {
		err = atomicfile.Write(out, func(f io.Writer) (err error) {
			captions, err = w.Preview(f, o)
			return err
		})
		return captions, err
	}
	if _, err := media.FormatOf(out); err != nil {
		return nil, err
	}
	wall, captions, err := w.Wall(o)
	if err != nil {
		return nil, err
	}
	return captions, media.Save(out, wall, media.Options{})
}
