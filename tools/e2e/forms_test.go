package e2e

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// sly would run in every place that becomes HTML or the value of an attribute;
// it fits into the shortest field.
const sly = `"><img src=x onerror=window.pwned=1>`

// field is where a visitor writes text: at its source, and on the screen.
type field struct {
	source string // the file, and the word of the label or the id
	css    string
	text   string // "" is sly
}

// form is filled and sent. What comes of it is that the page shows, as text, what
// was typed, or that each field in wrong says beside itself why not.
type form struct {
	at     string
	ready  string // an expression that opens the form, or waits for it
	fields []field
	send   string
	wrong  []string
	done   string // an expression; "" is that the page shows sly
}

// forms are all that the studio has, but for the door, and what is said in
// conversations, which are parts of their own.
func forms() []form {
	costs, card := []field{}, []field{}
	for i := range 8 {
		costs = append(costs, field{source: "console/analytics.tsx word", css: fmt.Sprintf("details .field:nth-child(%d) input", i+1)})
	}
	for i := range 9 {
		card = append(card, field{source: "folk/editor.tsx word", css: fmt.Sprintf(".fields .field:nth-child(%d) :is(input, textarea)", i+1)})
	}
	const pair = `document.querySelectorAll("fieldset input").length >= 6 && (document.querySelector("fieldset input:checked") || [...document.querySelectorAll("fieldset label")].filter(l => /Lin|Pip/.test(l.textContent)).forEach(l => l.click()), true)`
	return []form{
		{at: "#/create", ready: `document.querySelector("details.more").open = true`, fields: []field{
			{source: "create/maker.tsx prompt", css: "#prompt", text: "a fox jumps " + sly}, {source: "create/maker.tsx seed", css: ".options label:nth-child(1) input"},
		}, send: "#make", wrong: []string{".options label:nth-child(1) input"}},
		{at: "#/create", ready: `document.querySelector("details.more").open = true`, fields: []field{
			{source: "create/maker.tsx seed", css: ".options label:nth-child(1) input", text: "1"}, {source: "create/maker.tsx steps", css: ".options label:nth-child(2) input"},
		}, send: "#make", wrong: []string{".options label:nth-child(2) input"}},
		{at: "#/create", ready: `document.querySelector("details.more").open = true`, fields: []field{
			{source: "create/maker.tsx steps", css: ".options label:nth-child(2) input", text: "2"}, {source: "create/maker.tsx guidance", css: ".options label:nth-child(3) input"},
		}, send: "#make", wrong: []string{".options label:nth-child(3) input"}},
		{
			at: "#/characters/new", ready: `document.querySelector(".fields .field:nth-child(10)")`, fields: append(card, field{source: "folk/editor.tsx tags", css: ".fields .field:nth-child(10) input"}), send: ".editor .primary",
			done: `location.hash.endsWith("/card") && [...document.querySelectorAll(".people > a")].some(a => a.textContent.includes("onerror"))`,
		},
		{at: "#/characters/new", ready: `document.querySelector(".fields .field:nth-child(10)")`, fields: []field{{source: "folk/editor.tsx word", css: ".fields .field:nth-child(1) input", text: " "}}, send: ".editor .primary", wrong: []string{".fields .field:nth-child(1) input"}},
		{at: "#/characters/@group", ready: pair, fields: []field{{source: "folk/group.tsx name", css: "#group-name"}}, send: "#group-save", done: `location.hash.startsWith("#/characters/%40") && document.querySelector(".head h1")?.textContent.includes("onerror")`},
		{at: "#/characters/@group", ready: pair, fields: []field{{source: "folk/group.tsx name", css: "#group-name"}}, send: "#group-save", wrong: []string{"#group-name"}}, // there is one
		{at: "#/characters/@harbour/seats", ready: `document.querySelector(".seats form input")?.value === "Harbour"`, fields: []field{{source: "folk/group.tsx name", css: ".seats form input", text: strings.Repeat(sly, 4)}}, send: ".seats form button", wrong: []string{".seats form input"}},
		{at: "#/characters/@personas", ready: `document.querySelector("#persona-name")`, fields: []field{
			{source: "folk/personas.tsx name", css: "#persona-name"}, {source: "folk/personas.tsx pronouns", css: ".persona:last-of-type .inline .field:nth-child(2) input"}, {source: "folk/personas.tsx aboutYou", css: ".persona:last-of-type textarea"},
		}, send: "#persona-save", wrong: []string{"#persona-name"}},
		{at: "#/characters/@personas", ready: `document.querySelector("#persona-name")`, fields: []field{
			{source: "folk/personas.tsx name", css: "#persona-name", text: "Vera"}, {source: "folk/personas.tsx pronouns", css: ".persona:last-of-type .inline .field:nth-child(2) input"}, {source: "folk/personas.tsx aboutYou", css: ".persona:last-of-type textarea"},
		}, send: "#persona-save", done: `[...document.querySelectorAll(".persona")].some(p => p.querySelector("input").value === "Vera" && p.querySelector("textarea").value.includes("onerror"))`},
		{at: "#/console/keys", ready: `document.querySelector("#key-name") || document.querySelector("#new-key")?.click()`, fields: []field{{source: "console/keys.tsx keyName", css: "#key-name", text: " "}}, send: "#make-key", wrong: []string{"#key-name"}},
		{at: "#/console/keys", ready: `document.querySelector("#key-name") || document.querySelector("#new-key")?.click()`, fields: []field{{source: "console/keys.tsx keyName", css: "#key-name"}}, send: "#make-key"},
		{at: "#/console/people", ready: `document.querySelector(".inline input")`, fields: []field{{source: "console/people.tsx email", css: ".inline input"}}, send: ".inline .primary", wrong: []string{".inline input"}},
		{at: "#/console/projects", ready: `document.querySelector(".inline input")`, fields: []field{{source: "console/people.tsx newProject", css: ".inline input"}}, send: ".inline .primary"},
		{at: "#/console/projects", ready: `document.querySelector("h2 ~ .inline input")`, fields: []field{{source: "console/people.tsx newOrganisation", css: "h2 ~ .inline input"}}, send: "h2 ~ .inline .primary", done: `document.querySelector("h2 ~ .plain").textContent.includes("onerror")`},
		{at: "#/console/usage", ready: `document.querySelector(".inline input")`, fields: []field{{source: "console/usage.tsx voucher", css: ".inline input"}}, send: ".inline button", wrong: []string{".inline input"}},
		{at: "#/console/prices", ready: `document.querySelector("#price-amount")`, fields: []field{{source: "console/prices.tsx model", css: ".prices .field input"}, {source: "console/prices.tsx price", css: "#price-amount"}}, send: "#price-save", wrong: []string{"#price-amount"}},
		{at: "#/console/prices", ready: `document.querySelector("#price-amount")`, fields: []field{{source: "console/prices.tsx model", css: ".prices .field input"}, {source: "console/prices.tsx price", css: "#price-amount", text: "0.5"}}, send: "#price-save", done: `[...document.querySelectorAll("tbody code")].some(c => c.textContent.includes("onerror"))`},
		{at: "#/console/models", ready: `document.querySelector(".inline input")`, fields: []field{{source: "console/models.tsx modelName", css: ".inline input"}}, send: ".inline .primary", wrong: []string{".inline input"}},
		{at: "#/console/workers", ready: `document.querySelector(".inline input")`, fields: []field{{source: "console/workers.tsx tokenName", css: ".inline input"}}, send: ".inline .primary"},
		{at: "#/console/analytics", ready: `document.querySelector("details.more") && (document.querySelector("details.more").open = true)`, fields: costs, send: "details .primary", wrong: []string{"details .field:nth-child(1) input", "details .field:nth-child(8) input"}},
		{at: "#/console/sponsors", ready: `document.querySelector("#slot-text")`, fields: []field{{source: "console/sponsors.tsx sponsor", css: "#slot-sponsor"}, {source: "console/sponsors.tsx text", css: "#slot-text"}, {source: "console/sponsors.tsx link", css: "#slot-link"}}, send: "#slot-save", wrong: []string{"#slot-link"}},
		{at: "#/console/sponsors", ready: `document.querySelector("#slot-text")`, fields: []field{{source: "console/sponsors.tsx sponsor", css: "#slot-sponsor"}, {source: "console/sponsors.tsx text", css: "#slot-text"}, {source: "console/sponsors.tsx link", css: "#slot-link", text: "https://example.com/?" + sly}}, send: "#slot-save", done: `[...document.querySelectorAll("tbody td")].some(c => c.textContent.includes("onerror"))`},
		{at: "#/create", ready: `document.querySelector(".find input")`, fields: []field{{source: "create/gallery.tsx search", css: ".find input"}}, done: `document.querySelectorAll(".clips .card").length === 0`},
		{at: "#/create", ready: `document.querySelector(".find input")`, fields: []field{{source: "create/gallery.tsx search", css: ".find input", text: " "}}, done: `document.querySelector(".clips .card")`},
	}
}

// hostile writes what would run into every field that takes text.
func hostile(t *testing.T, b *browser) {
	tried := map[string]bool{}
	for _, f := range forms() {
		t.Log(f.at, f.fields[0].source)
		b.send(t, f, tried)
	}
	b.talkSly(t, tried)
	for _, source := range textFields(t) {
		if !tried[source] && !strings.HasPrefix(source, "door.tsx") { // door does
			t.Errorf("nothing hostile was written into %s: add it to forms", source)
		}
		delete(tried, source)
	}
	for source := range maps.Keys(tried) {
		t.Errorf("the studio has no field %s", source)
	}
	b.inert(t, "after all forms")
	b.reload(t)
}

// send fills a form, sends it and looks at what came of it.
func (b *browser) send(t *testing.T, f form, tried map[string]bool) {
	t.Helper()
	if b.value(t, `location.hash`) != f.at {
		b.open(t, f.at)
	}
	b.until(t, f.ready)
	for _, x := range f.fields {
		tried[x.source] = true
		text := x.text
		if text == "" {
			text = sly
		}
		b.fill(t, x.css, text)
	}
	if f.send != "" {
		b.click(t, f.send)
	}
	switch {
	case f.wrong != nil:
		for _, css := range f.wrong {
			b.until(t, fmt.Sprintf(`document.querySelector(%q).closest("label").querySelector(".why")?.textContent`, css))
		}
		for _, x := range f.fields {
			want := x.text
			if want == "" {
				want = sly
			}
			if got := b.value(t, fmt.Sprintf(`document.querySelector(%q).value`, x.css)); got != want && strings.TrimSpace(want) != "" {
				t.Errorf("%s: the field has %q where %q was typed", x.source, got, want)
			}
		}
	case f.done != "":
		b.until(t, f.done)
	default:
		b.until(t, `document.querySelector(".screen").textContent.includes('onerror=window.pwned=1')`)
	}
	b.inert(t, f.at)
}

// talkSly says it, to a character and to a model, says it instead, and has it
// remembered.
func (b *browser) talkSly(t *testing.T, tried map[string]bool) {
	t.Helper()
	for _, source := range []string{"folk/talk.tsx say", "folk/talk.tsx editSaid", "folk/talk.tsx rightValue", "chat/chat.tsx ask", "chat/chat.tsx system"} {
		tried[source] = true
	}
	b.open(t, "#/characters/mira")
	b.until(t, `document.querySelector("#say")`)
	b.say(t, "I live in Bergen. "+sly)
	b.js(t, `[...document.querySelectorAll(".turn.mine .under button")].at(-1).click()`)
	b.fill(t, ".changing textarea", "I live in Bergen. Instead: "+sly)
	b.click(t, ".changing .primary")
	b.until(t, `document.querySelector(".said .again") && [...document.querySelectorAll(".me")].some(m => m.textContent.includes("Instead: "))`)
	b.click(t, ".facts button")
	b.fill(t, "dialog .field input", " ")
	b.click(t, "dialog .primary")
	b.until(t, `document.querySelector("dialog .field .why, dialog .error")`)
	b.fill(t, "dialog .field input", sly)
	b.click(t, "dialog .primary")
	b.until(t, `document.querySelector(".facts").textContent.includes("onerror") && !document.querySelector("dialog")`)
	b.inert(t, "conversation")
	b.open(t, "#/chat")
	b.until(t, `document.querySelector("#ask")`)
	b.fill(t, "#ask", "[a](javascript:window.pwned=1) ![b](javascript:window.pwned=1) "+sly)
	b.click(t, ".start .primary")
	b.until(t, `document.querySelector(".settings details")`)
	b.js(t, `document.querySelector(".settings details").open = true`)
	b.fill(t, ".parameters textarea", sly)
	b.until(t, `document.querySelector(".answer .rate")`)
	b.inert(t, "chat")
	b.fill(t, ".parameters textarea", "")
}

// inert says what of a visitor's text has become more than text.
func (b *browser) inert(t *testing.T, name string) {
	t.Helper()
	if alive := b.value(t, `[window.pwned && "it ran", ...[...document.querySelectorAll("img[src=x], body script:not([src]), iframe, object, embed, [onerror], [onload]"), ...[...document.querySelectorAll("[href], [src]")].filter(e => /^\s*javascript:/i.test(e.getAttribute("href") ?? e.getAttribute("src")))].map(e => e.outerHTML)].filter(Boolean).join("\n")`); alive != "" {
		t.Errorf("%s: a visitor's text is alive: %v", name, alive)
	}
}

var (
	inputs  = regexp.MustCompile(`<(?:Field|Option|input|textarea)\b.*`)
	noText  = regexp.MustCompile(`type="(?:checkbox|file|date|number)"|readOnly|value=\{p\.value\}`)
	labelOf = regexp.MustCompile(`(?:label|aria-label|name)=\{(?:` + "`" + `\$\{)?t\("?(\w+)"?(?: as Word)?\)|id="(\w+)"`)
)

// textFields lists where the studio's source takes text from a visitor.
func textFields(t *testing.T) []string {
	t.Helper()
	src := filepath.Join("..", "..", "studio", "src")
	all := map[string]bool{}
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".tsx" || d.Name() == "ui.tsx" {
			return err
		}
		text, err := os.ReadFile(path)
		rel, _ := filepath.Rel(src, path)
		for _, line := range inputs.FindAll(text, -1) {
			if noText.Match(line) {
				continue
			}
			word := labelOf.FindSubmatch(line)
			if word == nil {
				t.Errorf("%s: a field without a label: %s", rel, line)
				continue
			}
			all[filepath.ToSlash(rel)+" "+string(bytes.Join(word[1:], nil))] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(all))
}

// once sends forms as an impatient visitor does, with two clicks at once, a third
// that comes later, and Enter twice: the server is asked once.
func once(t *testing.T, b *browser) {
	b.js(t, `window.sent = []; window.asked ??= window.fetch; window.fetch = (u, o) => {
		const m = o?.method ?? "GET", p = new URL(u, location.href).pathname;
		if (m !== "GET" && m !== "HEAD" && !/count_tokens|sponsor\/views/.test(p)) sent.push(m + " " + p);
		return asked(u, o);
	}`)
	for _, f := range []struct {
		form
		enter string // a field in which Enter sends
		want  string
	}{
		{form{at: "#/create", ready: `document.querySelector("details.more").open = true`, fields: []field{{css: "#prompt", text: "a fox sits"}, {css: ".options label:nth-child(2) input", text: "2"}}, send: "#make", done: `document.querySelector(".work") || document.querySelector("blockquote")?.textContent.includes("sits")`}, "#prompt", "POST /v1/videos"},
		{form{at: "#/console/keys", ready: `document.querySelector("#key-name") || document.querySelector("#new-key")?.click()`, fields: []field{{css: "#key-name", text: "once"}}, send: "#make-key", done: `document.querySelector(".secret code")`}, "#key-name", "POST /api/v1/organisations/default/keys"},
		{form{at: "#/console/projects", fields: []field{{css: ".inline input", text: "once"}}, send: ".inline .primary", done: `document.querySelector(".plain").textContent.includes("once")`}, ".inline input", "POST /api/v1/organisations/default/projects"},
		{form{at: "#/console/projects", fields: []field{{css: "h2 ~ .inline input", text: "once more"}}, send: "h2 ~ .inline .primary", done: `document.querySelector("h2 ~ .plain").textContent.includes("once more")`}, "h2 ~ .inline input", "POST /api/v1/organisations"},
		{form{at: "#/console/people", fields: []field{{css: ".inline input", text: "once@example.com"}}, send: ".inline .primary", done: `document.querySelector(".secret code, .inline .why, .error")`}, ".inline input", "POST /api/v1/organisations/default/invitations"},
		{form{at: "#/console/usage", fields: []field{{css: ".inline input", text: "NO-SUCH-CODE"}}, send: ".inline button", done: `document.querySelector(".inline .why")`}, ".inline input", "POST /api/v1/vouchers/redeem"},
		{form{at: "#/console/limits", fields: []field{{css: ".inline input", text: "700001"}}, send: ".inline .primary", done: `document.querySelector("table")?.textContent.includes("700,001")`}, ".inline input", "PUT /api/v1/organisations/default/limits"},
		{form{at: "#/console/prices", ready: `document.querySelector("#price-amount")`, fields: []field{{css: "#price-amount", text: "0.07"}}, send: "#price-save", done: `document.querySelector("table").textContent.includes("0.07")`}, "#price-amount", "POST /api/v1/prices"},
		{form{at: "#/console/workers", fields: []field{{css: ".inline input", text: "once"}}, send: ".inline .primary", done: `/kuai-worker-[A-Z2-7]{20,}/.test(document.querySelector(".code code").textContent)`}, ".inline input", "POST /api/v1/workers/tokens"},
		{form{at: "#/characters/new", ready: `document.querySelector(".fields .field:nth-child(10)")`, fields: []field{{css: ".fields .field:nth-child(1) input", text: "Once"}}, send: ".editor .primary", done: `location.hash === "#/characters/once/card"`}, ".fields .field:nth-child(1) input", "POST /api/v1/characters"},
		{form{at: "#/characters/@personas", ready: `document.querySelector("#persona-name")`, fields: []field{{css: "#persona-name", text: "Once"}}, send: "#persona-save", done: `[...document.querySelectorAll(".persona input")].some(i => i.value === "Once")`}, "#persona-name", "POST /api/v1/personas"},
	} {
		for _, way := range []string{"clicks", "Enter"} {
			form := f.form
			if form.ready == "" {
				form.ready = fmt.Sprintf(`document.querySelector(%q)`, form.fields[0].css)
			}
			t.Log(f.want, way)
			b.open(t, "#/chat") // so that the form is a new one
			b.until(t, `document.querySelector("#ask")`)
			b.open(t, form.at)
			b.until(t, form.ready)
			if way == "Enter" && strings.Contains("character persona", strings.TrimSuffix(filepath.Base(f.want), "s")) {
				continue // there is one now
			}
			for _, x := range form.fields {
				b.fill(t, x.css, x.text)
			}
			b.until(t, fmt.Sprintf(`!document.querySelector(%q).disabled`, form.send))
			b.js(t, `window.sent = []`)
			if way == "clicks" {
				b.js(t, fmt.Sprintf(`(e => { e.click(); e.click(); return new Promise(done => setTimeout(() => { if (e.isConnected) e.click(); done(); }, 150)); })(document.querySelector(%q))`, form.send))
			} else {
				b.js(t, fmt.Sprintf(`document.querySelector(%q).focus()`, f.enter))
				b.run(t, chromedp.KeyEvent("\r"), chromedp.KeyEvent("\r"))
			}
			b.until(t, form.done)
			b.until(t, `new Promise(done => setTimeout(done, 300, true))`)
			if got := b.value(t, `sent.join(", ").replace(/organisations\/[^/, ]+\//g, "organisations/default/")`); got != f.want {
				t.Errorf("%s, %s: the server was asked for %q, want %q once", form.at, way, got, f.want)
			}
		}
	}
	b.open(t, "#/create")
	b.until(t, `!document.querySelector(".work")`)
	b.reload(t)
}
