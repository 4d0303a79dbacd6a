package text

import "kuai/text/checkpoint"

// mixer makes what mixes a layer's positions, by the layer's kind. The table of
// architectures, with the names of what they store, is text/checkpoint's.
func (l *loader) mixer(i int) mixer {
	switch {
	case l.config.Arch == "kuai":
		return l.kuai(i)
	case l.config.Kinds[i] == checkpoint.Lightning:
		return l.lightning(i)
	}
	return l.softmax(i)
}
