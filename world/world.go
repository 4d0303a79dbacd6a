// Package world draws the clips that the video models learn from: a sticker
// moves through a scene, and a caption says what can be seen, in English or
// Chinese. Everything is decided by a [Spec]; the same Spec gives the same
// bytes.
//
// The stickers are the pictures of a colour emoji font, read when training
// data is made and not needed by a trained model. Noto Color Emoji's artwork
// is Apache-2.0, the font OFL-1.1.
package world

import (
	"errors"
	"fmt"
	"image"
	"io/fs"

	"kuai/world/emoji"
)

const (
	// Frames is the length of a clip, FPS its frames per second.
	Frames = 25
	// FPS is the number of frames per second.
	FPS = 12
	// MaxSize bounds the sides of a rendered clip.
	MaxSize = 512
)

// Value is what one slot of a Spec can say, with its phrases in both
// languages. The first phrase names it.
type Value struct {
	En, Zh []string
}

// The ten motions. A Spec's Motion is an index of Motions.
const (
	RunLeft = iota
	RunRight
	Bounce
	Spin
	Grow
	Circle
	Fall
	Fly
	Sway
	Jump
)

// Motions says how things can move.
var Motions = []Value{
	RunLeft:  {[]string{"runs to the left", "runs left", "dashes to the left"}, []string{"向左跑", "往左跑", "朝左边跑去"}},
	RunRight: {[]string{"runs to the right", "runs right", "dashes to the right"}, []string{"向右跑", "往右跑", "朝右边跑去"}},
	Bounce:   {[]string{"bounces", "bounces up and down", "hops up and down"}, []string{"上下弹跳", "蹦蹦跳跳", "一上一下地弹"}},
	Spin:     {[]string{"spins", "spins around", "rotates"}, []string{"旋转", "打转", "转个不停"}},
	Grow:     {[]string{"grows", "gets bigger", "becomes larger"}, []string{"变大", "越变越大", "长大"}},
	Circle:   {[]string{"circles", "flies in a circle", "goes in a circle"}, []string{"绕圈", "绕着圈飞", "兜圈子"}},
	Fall:     {[]string{"falls", "falls down", "drops from the sky"}, []string{"掉下来", "从天上落下", "往下掉"}},
	Fly:      {[]string{"flies up", "flies away", "soars into the sky"}, []string{"飞上天", "往上飞", "飞走"}},
	Sway:     {[]string{"sways", "sways from side to side", "rocks to and fro"}, []string{"左右摇摆", "摇晃", "摇来摇去"}},
	Jump:     {[]string{"jumps", "leaps", "makes a big jump"}, []string{"跳", "跳起来", "高高跃起"}},
}

// The eight scenes. A Spec's Scene is an index of Scenes.
const (
	Meadow = iota
	Beach
	Snow
	Sea
	City
	Desert
	Space
	Plain
)

// Scenes says where things can be.
var Scenes = []Value{
	Meadow: {[]string{"on the meadow", "over the grass", "on the grass"}, []string{"在草地上", "在草原上", "在绿草地上"}},
	Beach:  {[]string{"on the beach", "at the beach", "on the sand by the sea"}, []string{"在沙滩上", "在海滩上", "在海边"}},
	Snow:   {[]string{"in the snow", "on the snow", "over snowy hills"}, []string{"在雪地里", "在雪地上", "在雪中"}},
	Sea:    {[]string{"on the sea", "over the sea", "over the waves"}, []string{"在大海上", "在海面上", "在海浪上"}},
	City:   {[]string{"in the city", "on the street", "in front of tall buildings"}, []string{"在城市里", "在街上", "在高楼前"}},
	Desert: {[]string{"in the desert", "on the dunes", "over the dunes"}, []string{"在沙漠里", "在沙丘上", "在沙漠中"}},
	Space:  {[]string{"in space", "in outer space", "among the stars"}, []string{"在太空里", "在宇宙中", "在星空中"}},
	Plain:  {[]string{"on a plain background", "in front of a plain wall", "against a plain backdrop"}, []string{"在纯色背景前", "在素色背景上", "在单色墙前"}},
}

// The four times of day. A Spec's Time is an index of Times.
const (
	Morning = iota
	Day
	Sunset
	Night
)

// Times says when.
var Times = []Value{
	Morning: {[]string{"in the morning", "at dawn", "early in the morning"}, []string{"早晨", "清晨", "一大早"}},
	Day:     {[]string{"by day", "at noon", "during the day"}, []string{"白天", "中午", "大白天"}},
	Sunset:  {[]string{"at sunset", "in the evening", "at dusk"}, []string{"傍晚", "日落时", "黄昏"}},
	Night:   {[]string{"at night", "in the night", "late at night"}, []string{"夜里", "晚上", "深夜"}},
}

// Sizes and Speeds have a middle that is not spoken of.
const (
	Middle = iota
	Less   // small, slow
	More   // big, fast
)

// Sizes says how big things are.
var Sizes = []Value{
	Middle: {},
	Less:   {[]string{"small", "little", "tiny"}, []string{"小", "小小的", "很小的"}},
	More:   {[]string{"big", "large", "huge"}, []string{"大", "大大的", "巨大的"}},
}

// Speeds says how fast things move.
var Speeds = []Value{
	Middle: {},
	Less:   {[]string{"slowly"}, []string{"慢慢地", "缓缓地"}},
	More:   {[]string{"quickly", "fast"}, []string{"飞快地", "快速地"}},
}

// Spec decides a clip. The zero value is a fox that runs left over a meadow in
// the morning.
type Spec struct {
	Object, Motion, Scene, Time, Size, Speed uint8

	Mirror bool   // the picture is turned around where its motion has no side
	Seed   uint64 // of what no caption tells: hills, stars, places, hues
}

// Slots are the facts of a Spec that captions tell, in this order.
const (
	SlotObject = iota
	SlotMotion
	SlotScene
	SlotTime
	SlotSize
	SlotSpeed
	NumSlots
)

// SlotNames names the slots.
var SlotNames = [NumSlots]string{"object", "motion", "scene", "time", "size", "speed"}

// Slot returns the value of a slot, an index of its table.
func (s Spec) Slot(i int) int {
	return int([NumSlots]uint8{s.Object, s.Motion, s.Scene, s.Time, s.Size, s.Speed}[i])
}

// SlotValues returns the names of a slot's values in English and Chinese.
func SlotValues(i int) (en, zh []string) {
	if i == SlotObject {
		for _, o := range Objects {
			en, zh = append(en, o.En), append(zh, o.Zh)
		}
		return en, zh
	}
	for _, v := range [][]Value{nil, Motions, Scenes, Times, Sizes, Speeds}[i] {
		if len(v.En) == 0 {
			en, zh = append(en, "medium"), append(zh, "中等")
			continue
		}
		en, zh = append(en, v.En[0]), append(zh, v.Zh[0])
	}
	return en, zh
}

// World renders clips. It is safe for concurrent use.
type World struct {
	sprites []*sprite // one an object
}

// FontPaths are where Open looks for a font.
var FontPaths = []string{
	"/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
	"/usr/share/fonts/noto/NotoColorEmoji.ttf",
	"/usr/share/fonts/google-noto-color-emoji-fonts/NotoColorEmoji.ttf",
	"/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
}

// ErrNoFont says that no emoji font was found.
var ErrNoFont = errors.New("world: no Noto Color Emoji font with bitmaps found; install it (Debian: apt-get install fonts-noto-color-emoji) or name its file with --font or KUAI_FONT")

// Open reads the objects' pictures from the font at path, or from the usual
// places for "". It fails with ErrNoFont or says what is wrong with the font.
func Open(path string) (*World, error) {
	paths := FontPaths
	if path != "" {
		paths = []string{path}
	}
	for _, p := range paths {
		f, err := emoji.Open(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("world: %s: %w", p, err)
		}
		return fromPictures(f.Picture)
	}
	if path != "" {
		return nil, fmt.Errorf("%w (looked for %s)", ErrNoFont, path)
	}
	return nil, ErrNoFont
}

// fromPictures makes a world of the pictures of code points. Rendering an
// object without a picture is a bug.
func fromPictures(picture func(code rune) (image.Image, error)) (*World, error) {
	w := &World{}
	for _, o := range Objects {
		img, err := picture(o.Code)
		if err != nil {
			return nil, fmt.Errorf("world: %s: %w", o.En, err)
		}
		w.sprites = append(w.sprites, newSprite(img))
	}
	return w, nil
}
