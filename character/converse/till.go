package converse

import (
	"context"

	"kuai/serve/chat"
)

// Till takes the money for what models write.
type Till interface {
	// Open admits a reply whose prompt has so many tokens and that has at most so
	// many of its own, or says why not.
	Open(ctx context.Context, most chat.Usage) (Bill, error)
}

// Bill is an admitted reply's. One of its methods is called, once.
type Bill interface {
	// Pay says that the reply was kept, or was seen as far as it got.
	Pay(ctx context.Context, used chat.Usage)
	// Drop says that nobody has had anything of it.
	Drop(ctx context.Context, reason string)
}

// account is what a reply uses, and who is told.
type account struct {
	till  Till
	bill  Bill // nil: no model was asked
	used  chat.Usage
	shown bool
}

// Admit is called by speakers before a model works, with the tokens of the prompt
// and the most that it may write; Used, with what it has read and written, as far as
// it is known. Drawing a reply anew is not paid: the last one counts.
func (p *Prompt) Admit(ctx context.Context, prompt, most int) error {
	a := p.account
	if a == nil || a.bill != nil {
		return nil
	}
	bill, err := a.till.Open(ctx, chat.Usage{Prompt: prompt, Completion: most})
	if err != nil {
		return err
	}
	a.bill = bill
	return nil
}

// Used is called by speakers, see Admit.
func (p *Prompt) Used(u chat.Usage) {
	if p.account != nil {
		p.account.used = u
	}
}

// paid has a reply written and kept, and pays for it. One that fails, breaks off
// unseen, or needed no model costs nothing.
func (c *Conversation) paid(ctx context.Context, show func(string), reply func(show func(string)) (Reply, error)) (r Reply, err error) {
	if c.Till == nil {
		return reply(show)
	}
	a := &account{till: c.Till}
	c.account = a
	failed := true // also where it panics
	defer func() {
		c.account = nil
		a.end(ctx, failed, err)
	}()
	seen := show
	if show != nil {
		seen = func(piece string) {
			a.shown = true
			show(piece)
		}
	}
	r, err = reply(seen)
	failed = err != nil
	return r, err
}

// end pays or not. Whoever leaves in the middle of what they see pays for that.
func (a *account) end(ctx context.Context, failed bool, err error) {
	switch left := ctx.Err() != nil && a.shown; {
	case a.bill == nil:
	case a.used.Completion > 0 && (!failed || left):
		a.bill.Pay(ctx, a.used)
	case err != nil:
		a.bill.Drop(ctx, err.Error())
	default:
		a.bill.Drop(ctx, "no model wrote the reply")
	}
}
