package world

import (
	"math/rand/v2"
	"strings"
)

// Lang is a language of captions.
type Lang uint8

// The languages.
const (
	English Lang = iota
	Chinese
)

// Said says which slots a caption tells.
type Said [NumSlots]bool

// How often a caption leaves a slot out.
var omitted = [NumSlots]float64{SlotObject: 0, SlotMotion: 0.12, SlotScene: 0.12, SlotTime: 0.25, SlotSize: 0.2, SlotSpeed: 0.3}

// How often the captions of training leave the plain way: one in so many.
const (
	oddName       = 4  // says a synonym, where the object has one
	oddParticiple = 4  // "jumping" for "jumps"
	oddBare       = 10 // no article: "small fox jumping at night"
)

// writer writes a caption. A free one also takes what the odd ones allow, any
// other keeps to the phrases of the tables.
type writer struct {
	*rand.Rand
	Spec
	said *Said
	free bool
}

// CaptionSlots writes a caption with random phrases that leaves some slots
// out, and tells which it has.
func (s Spec) CaptionSlots(lang Lang, r *rand.Rand) (string, Said) {
	var said Said
	for i := range said {
		said[i] = r.Float64() >= omitted[i]
	}
	return s.caption(lang, writer{r, s, &said, true}), said
}

// Caption is the text of CaptionSlots alone.
func (s Spec) Caption(lang Lang, r *rand.Rand) string {
	text, _ := s.CaptionSlots(lang, r)
	return text
}

// FullCaption tells everything of the clip, in the words of the tables: an
// evaluation asks in these.
func (s Spec) FullCaption(lang Lang, r *rand.Rand) string {
	said := Said{true, true, true, true, true, true}
	return s.caption(lang, writer{r, s, &said, false})
}

// caption drops from said what has no words, and writes the rest.
func (s Spec) caption(lang Lang, w writer) string {
	w.said[SlotSize] = w.said[SlotSize] && s.Size != Middle
	w.said[SlotSpeed] = w.said[SlotSpeed] && s.Speed != Middle && w.said[SlotMotion]
	if lang == Chinese {
		return w.chinese()
	}
	return w.english()
}

// odd is true once in n times, for a free writer.
func (w writer) odd(n int) bool { return w.free && w.IntN(n) == 0 }

// pick chooses one of the phrases, or none for a slot that is left out.
func (w writer) pick(phrases []string, slot int) string {
	if !w.said[slot] {
		return ""
	}
	return phrases[w.IntN(len(phrases))]
}

// name is the object's, or a synonym.
func (w writer) name(name string, others []string) string {
	if w.odd(oddName) && len(others) > 0 {
		return others[w.IntN(len(others))]
	}
	return name
}

// english: "a small fox jumps quickly over the grass at night".
func (w writer) english() string {
	o := Objects[w.Object]
	thing := join(" ", w.pick(Sizes[w.Size].En, SlotSize), w.name(o.En, synonyms[o.En].En))
	thing = w.article(thing)
	moves := Motions[w.Motion].En
	if w.odd(oddParticiple) {
		moves = participles[w.Motion]
	}
	motion := w.pick(moves, SlotMotion)
	speed := w.pick(Speeds[w.Speed].En, SlotSpeed)
	scene := w.pick(Scenes[w.Scene].En, SlotScene)
	at := w.pick(Times[w.Time].En, SlotTime)
	switch w.IntN(4) {
	case 0:
		return join(" ", comma(at), thing, motion, speed, scene)
	case 1:
		return join(" ", comma(scene), thing, motion, speed, at)
	default:
		return join(" ", thing, motion, speed, scene, at)
	}
}

// article puts "a" or "an" before a thing, rarely "the".
func (w writer) article(thing string) string {
	if w.odd(oddBare) {
		return thing
	}
	switch {
	case w.IntN(8) == 0:
		return "the " + thing
	case strings.ContainsRune("aeio", rune(thing[0])) || strings.HasPrefix(thing, "umbrella"):
		return "an " + thing
	}
	return "a " + thing
}

// chinese: 一只小狐狸夜里在草地上飞快地跳.
func (w writer) chinese() string {
	o := Objects[w.Object]
	thing := w.pick(Sizes[w.Size].Zh, SlotSize) + w.name(o.Zh, synonyms[o.En].Zh)
	if w.IntN(6) > 0 {
		thing = "一" + o.Measure + thing
	}
	motion := w.pick(Motions[w.Motion].Zh, SlotMotion)
	speed := w.pick(Speeds[w.Speed].Zh, SlotSpeed)
	scene := w.pick(Scenes[w.Scene].Zh, SlotScene)
	at := w.pick(Times[w.Time].Zh, SlotTime)
	switch w.IntN(4) {
	case 0:
		return join("，", at, thing+scene+speed+motion)
	case 1:
		return join("，", at+scene, thing+speed+motion)
	default:
		return thing + at + scene + speed + motion
	}
}

// comma ends an opening phrase.
func comma(s string) string {
	if s == "" {
		return ""
	}
	return s + ","
}

// join joins what is not empty.
func join(sep string, parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, sep)
}
