package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// mostStops bounds the way that the focus takes around a page.
const mostStops = 400

// keyboard goes around every screen with the Tab key alone: the focus comes by
// all that can be pressed or written in, shows where it is, and comes round.
// What is done with keys is done: a dialog opens, closes and gives the focus
// back, and a choice is made with arrows.
func keyboard(t *testing.T, b *browser) {
	b.run(t, chromedp.EmulateViewport(1280, 800))
	b.reload(t)
	for _, p := range pages {
		b.open(t, p.at)
		b.until(t, fmt.Sprintf(`document.querySelector(%q) && !document.querySelector(".loading")`, p.there))
		b.around(t, p.at)
	}
	b.open(t, "#/console/keys")
	b.until(t, `document.querySelector("#new-key")`)
	b.js(t, `document.querySelector("#new-key").focus()`)
	b.press(t, "\r")
	b.until(t, `document.querySelector("dialog[open]")?.contains(document.activeElement)`)
	b.press(t, "\u001b")
	b.until(t, `!document.querySelector("dialog[open]") && document.activeElement.id === "new-key"`)
	b.open(t, "#/create")
	b.until(t, `document.querySelector(".choice [aria-checked=true]")`)
	b.js(t, `document.querySelector(".choice [aria-checked=true]").focus()`)
	b.press(t, "\u0303") // the right arrow
	b.until(t, `document.querySelector(".choice [role=radio]:last-child").ariaChecked === "true" && document.activeElement.ariaChecked === "true"`)
	b.press(t, "\u0302") // the left one
	b.until(t, `document.querySelector(".choice [role=radio]").ariaChecked === "true"`)
}

// press presses a key, wherever the focus is.
func (b *browser) press(t *testing.T, key string) {
	t.Helper()
	b.run(t, chromedp.KeyEvent(key))
}

// around presses Tab until the focus comes to where it was before, and again
// if the page has grown meanwhile.
func (b *browser) around(t *testing.T, name string) {
	t.Helper()
	var left any
	for range races {
		b.js(t, `document.activeElement.blur(); window.passed = new Set(); window.last = null`)
		if !b.round(t, name) {
			return
		}
		left = b.value(t, `[...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]")].filter(e =>
			e.tabIndex >= 0 && !e.disabled && e.checkVisibility() && !passed.has(e) && !e.closest("dialog:not([open])") && e.type !== "radio").map(e => e.outerHTML.slice(0, 120)).join("\n")`)
		if left == "" {
			return
		}
	}
	t.Errorf("%s: the focus does not come by %v", name, left)
}

// round is one way around; false where it has found a fault.
func (b *browser) round(t *testing.T, name string) bool {
	t.Helper()
	for range mostStops {
		b.press(t, "\t")
		switch at := b.value(t, `(e => {
			if (e === document.body || e === document.documentElement) return ""; // the page's end is its beginning
			if (e === last) return ""; // a date has several stops
			if (passed.has(e)) return "round";
			passed.add(last = e);
			const seen = s => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none";
			return [e, e.closest("label") ?? e].some(x => seen(getComputedStyle(x))) ? "" : e.outerHTML.slice(0, 120);
		})(document.activeElement)`); at {
		case "":
		case "round":
			return true
		default:
			t.Errorf("%s: nothing shows that the focus is on %v", name, at)
		}
	}
	t.Errorf("%s: the focus does not come round", name)
	return false
}

// arabic is long enough to be wrapped.
var arabic = strings.TrimSpace(strings.Repeat("مرحبا بك في البيت الصغير على الشاطئ ", 12))

// rightToLeft says something in Arabic, which begins at the right, and looks at
// every screen mirrored: nothing stands out of it.
func rightToLeft(t *testing.T, b *browser) {
	b.open(t, "#/characters/mira")
	b.until(t, `document.querySelector("#say")`)
	b.say(t, arabic)
	inset := b.value(t, `(p => {
		const r = document.createRange(), text = document.createTreeWalker(p, NodeFilter.SHOW_TEXT);
		while (text.nextNode() && !text.currentNode.data.includes("مرحبا"));
		r.selectNodeContents(text.currentNode);
		const last = [...r.getClientRects()].at(-1), box = p.getBoundingClientRect(), s = getComputedStyle(p);
		return Math.abs(box.right - parseFloat(s.paddingRight) - parseFloat(s.borderRightWidth) - last.right);
	})([...document.querySelectorAll(".said .me")].at(-1))`)
	if inset, _ := inset.(float64); inset > 6 { // of a blank at the line's end
		t.Errorf("the last line of Arabic ends %v pixels from the right, where it should begin", inset)
	}
	for _, p := range pages {
		b.open(t, p.at)
		b.until(t, fmt.Sprintf(`document.querySelector(%q) && !document.querySelector(".loading")`, p.there))
		b.js(t, `document.documentElement.dir = "rtl"`)
		b.within(t, p.at+" mirrored")
	}
	b.js(t, `document.documentElement.dir = ""`)
}
