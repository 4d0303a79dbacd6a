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

// CaptionSlots writes a caption with random phrases that leaves some slots
// out, and tells which it has.
func (s Spec) CaptionSlots(lang Lang, r *rand.Rand) (string, Said) {
	var said Said
	for i := range said {
		said[i] = r.Float64() >= omitted[i]
	}
	return s.caption(lang, r, &said), said
}

// Caption is the text of CaptionSlots alone.
func (s Spec) Caption(lang Lang, r *rand.Rand) string {
	text, _ := s.CaptionSlots(lang, r)
	return text
}

// FullCaption tells everything of the clip.
func (s Spec) FullCaption(lang Lang, r *rand.Rand) string {
	said := Said{true, true, true, true, true, true}
	return s.caption(lang, r, &said)
}

// caption drops from said what has no words, and writes the rest.
func (s Spec) caption(lang Lang, r *rand.Rand, said *Said) string {
	said[SlotSize] = said[SlotSize] && s.Size != Middle
	said[SlotSpeed] = said[SlotSpeed] && s.Speed != Middle && said[SlotMotion]
	if lang == Chinese {
		return s.chinese(r, said)
	}
	return s.english(r, said)
}

// pick chooses one of the phrases, or none for a slot that is left out.
func pick(r *rand.Rand, phrases []string, said bool) string {
	if !said {
		return ""
	}
	return phrases[r.IntN(len(phrases))]
}

// english: "a small fox jumps quickly over the grass at night".
func (s Spec) english(r *rand.Rand, said *Said) string {
	thing := join(" ", pick(r, Sizes[s.Size].En, said[SlotSize]), Objects[s.Object].En)
	thing = article(thing, r)
	motion := pick(r, Motions[s.Motion].En, said[SlotMotion])
	speed := pick(r, Speeds[s.Speed].En, said[SlotSpeed])
	scene := pick(r, Scenes[s.Scene].En, said[SlotScene])
	at := pick(r, Times[s.Time].En, said[SlotTime])
	switch r.IntN(4) {
	case 0:
		return join(" ", comma(at), thing, motion, speed, scene)
	case 1:
		return join(" ", comma(scene), thing, motion, speed, at)
	default:
		return join(" ", thing, motion, speed, scene, at)
	}
}

// article puts "a" or "an" before a thing, rarely "the".
func article(thing string, r *rand.Rand) string {
	switch {
	case r.IntN(8) == 0:
		return "the " + thing
	case strings.ContainsRune("aeio", rune(thing[0])) || strings.HasPrefix(thing, "umbrella"):
		return "an " + thing
	}
	return "a " + thing
}

// chinese: 一只小狐狸夜里在草地上飞快地跳.
func (s Spec) chinese(r *rand.Rand, said *Said) string {
	o := Objects[s.Object]
	thing := pick(r, Sizes[s.Size].Zh, said[SlotSize]) + o.Zh
	if r.IntN(6) > 0 {
		thing = "一" + o.Measure + thing
	}
	motion := pick(r, Motions[s.Motion].Zh, said[SlotMotion])
	speed := pick(r, Speeds[s.Speed].Zh, said[SlotSpeed])
	scene := pick(r, Scenes[s.Scene].Zh, said[SlotScene])
	at := pick(r, Times[s.Time].Zh, said[SlotTime])
	switch r.IntN(4) {
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
