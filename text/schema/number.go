package schema

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// Digits that a number has at most; more mean nothing to a float64.
const (
	maxWhole    = 16 // before the point, where no bound says otherwise
	maxFraction = 16
	maxBound    = 40 // digits of a bound, and its exponent
)

// decimal reads a number exactly; false if it is none or far too long.
func decimal(s string) (*big.Rat, bool) {
	mantissa, exp, _ := strings.Cut(strings.ToLower(s), "e")
	if n, err := strconv.Atoi(exp); len(mantissa) > 2*maxBound || exp != "" && (err != nil || n > maxBound || n < -maxBound) {
		return new(big.Rat), false
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return new(big.Rat), false
	}
	return r, true
}

// bound is an end of a range.
type bound struct {
	at   *big.Rat // nil: none
	open bool     // the end itself is outside
}

// anyNumber is any number.
func (b *builder) anyNumber() sym {
	return b.shared("number", func() sym {
		g := b.g
		digit := g.class('0', '9')
		sign := g.alt(nil, g.lit("-"))
		fraction := g.alt(nil, []sym{g.single['.'], g.repeat(digit, 1, maxFraction)})
		exponent := g.alt(nil, []sym{g.class('e', 'e', 'E', 'E'), g.alt(nil, []sym{g.class('+', '+', '-', '-')}), g.repeat(digit, 1, 2)})
		return g.seq(sign, b.whole(), fraction, exponent)
	})
}

// whole is digits without a leading zero.
func (b *builder) whole() sym {
	return b.shared("whole", func() sym {
		g := b.g
		return g.alt(g.lit("0"), []sym{g.class('1', '9'), g.repeat(g.class('0', '9'), 0, maxWhole-1)})
	})
}

// number builds the numbers of a schema.
func (b *builder) number(n *node, integer bool, path string) (sym, error) {
	if m := n.get("multipleOf"); m != nil {
		num, _ := m.value.(json.Number)
		if x, ok := decimal(num.String()); !ok || !integer || x.Cmp(big.NewRat(1, 1)) != 0 {
			return 0, unsupported(path, "multipleOf is not supported")
		}
	}
	var low, high bound
	for _, key := range []string{"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"} {
		v := n.get(key)
		if v == nil {
			continue
		}
		num, ok := v.value.(json.Number)
		x, fine := decimal(num.String())
		if !ok || !fine {
			return 0, unsupported(path, "%s is no number of at most %d digits", key, maxBound)
		}
		open := strings.HasPrefix(key, "exclusive")
		if strings.HasSuffix(strings.ToLower(key), "minimum") {
			if low.at == nil || x.Cmp(low.at) >= 0 {
				low = bound{x, open || low.at != nil && low.open && x.Cmp(low.at) == 0}
			}
		} else if high.at == nil || x.Cmp(high.at) <= 0 {
			high = bound{x, open || high.at != nil && high.open && x.Cmp(high.at) == 0}
		}
	}
	switch {
	case low.at == nil && high.at == nil && integer:
		return b.g.seq(b.g.alt(nil, b.g.lit("-")), b.whole()), nil
	case low.at == nil && high.at == nil:
		return b.anyNumber(), nil
	}
	return b.between(low, high, integer, path)
}

// between is the numbers of a range, without exponents.
func (b *builder) between(low, high bound, integer bool, path string) (sym, error) {
	zero := new(big.Rat)
	var alts [][]sym
	if high.at == nil || high.at.Sign() >= 0 {
		lo := low
		if lo.at == nil || lo.at.Sign() < 0 {
			lo = bound{at: zero}
		}
		s, err := b.magnitude(lo, high, integer, path)
		if err != nil {
			return 0, err
		}
		alts = append(alts, []sym{s})
	}
	if low.at == nil || low.at.Sign() < 0 {
		lo, hi := bound{at: zero}, bound{}
		if high.at != nil && high.at.Sign() <= 0 {
			lo = bound{new(big.Rat).Neg(high.at), high.open}
		}
		if low.at != nil {
			hi = bound{new(big.Rat).Neg(low.at), low.open}
		}
		s, err := b.magnitude(lo, hi, integer, path)
		if err != nil {
			return 0, err
		}
		alts = append(alts, []sym{b.g.single['-'], s})
	}
	return b.g.alt(alts...), nil
}

// digits writes numbers of a range digit by digit. While everything so far
// equals the digits of a bound, that bound is tight.
type digits struct {
	b        *builder
	lo, hi   string // digits of the bounds, of one length; hi "" is none
	whole    int    // digits before the point
	loX, hiX bool   // the bound itself is outside
	integer  bool
	done     map[place]sym
}

type place struct {
	at               int
	tightLo, tightHi bool
}

// magnitude is the numbers from low to high, both not negative.
func (b *builder) magnitude(low, high bound, integer bool, path string) (sym, error) {
	if integer { // the nearest whole numbers inside
		low.at, low.open = ceil(low.at, low.open), false
		if high.at != nil {
			high.at, high.open = floor(high.at, high.open), false
			if high.at.Sign() < 0 {
				return b.g.alt(), nil
			}
		}
	}
	scale := fraction(low.at)
	if high.at != nil {
		scale = max(scale, fraction(high.at))
	}
	if scale > maxFraction-2 {
		return 0, unsupported(path, "a bound with more than %d digits after the point", maxFraction-2)
	}
	loInt, loFrac, _ := strings.Cut(low.at.FloatString(scale), ".")
	shortest, longest := len(loInt), max(maxWhole, len(loInt)+1)
	hiInt, hiFrac := "", ""
	if high.at != nil {
		hiInt, hiFrac, _ = strings.Cut(high.at.FloatString(scale), ".")
		longest = len(hiInt)
	}
	var alts [][]sym
	for n := shortest; n <= longest; n++ {
		d := &digits{b: b, whole: n, integer: integer, loX: low.open, hiX: high.open, done: map[place]sym{}}
		tightLo, tightHi := n == shortest, high.at != nil && n == longest
		d.lo, d.hi = strings.Repeat("0", n+scale), strings.Repeat("9", n+scale)
		if tightLo {
			d.lo = loInt + loFrac
		}
		if tightHi {
			d.hi = hiInt + hiFrac
		}
		alts = append(alts, []sym{d.next(0, tightLo, tightHi)})
	}
	return b.g.alt(alts...), nil
}

func ceil(x *big.Rat, open bool) *big.Rat {
	n := new(big.Int).Div(x.Num(), x.Denom()) // Euclidean: down for a positive divisor
	if !x.IsInt() || open {
		n.Add(n, big.NewInt(1))
	}
	return new(big.Rat).SetInt(n)
}

func floor(x *big.Rat, open bool) *big.Rat {
	n := new(big.Int).Div(x.Num(), x.Denom())
	if x.IsInt() && open {
		n.Sub(n, big.NewInt(1))
	}
	return new(big.Rat).SetInt(n)
}

// fraction is how many digits a number has after the point; they end, since it
// was read from decimal digits.
func fraction(x *big.Rat) int {
	n, _ := x.FloatPrec()
	return n
}

// next is what may be written from a position on, of which a digit comes next
// (or, after the last digit of the bounds, any that do no harm).
func (d *digits) next(at int, tightLo, tightHi bool) sym {
	key := place{at, tightLo, tightHi}
	if s, ok := d.done[key]; ok {
		return s
	}
	g := d.b.g
	s := g.alt()
	d.done[key] = s
	var alts [][]sym
	if at < len(d.lo) {
		lo, hi := byte('0'), byte('9')
		if tightLo {
			lo = d.lo[at]
		}
		if tightHi {
			hi = d.hi[at]
		}
		for c := lo; c <= hi; c++ {
			if at == 0 && c == '0' && d.whole > 1 {
				continue
			}
			alts = append(alts, []sym{g.single[c], d.after(at+1, tightLo && c == lo, tightHi && c == hi)})
		}
	} else {
		alts = d.beyond(tightLo, tightHi)
	}
	g.symbols[s].alts = alts
	return s
}

// after is what may follow a digit.
func (d *digits) after(at int, tightLo, tightHi bool) sym {
	g := d.b.g
	var alts [][]sym
	if at < d.whole {
		return d.next(at, tightLo, tightHi)
	}
	if d.mayStop(at, tightLo, tightHi) {
		alts = append(alts, nil)
	}
	switch {
	case d.integer:
	case at == d.whole:
		alts = append(alts, []sym{g.single['.'], d.next(at, tightLo, tightHi)})
	default:
		alts = append(alts, []sym{d.next(at, tightLo, tightHi)})
	}
	return g.alt(alts...)
}

// mayStop says whether the digits so far, with zeros behind, are in the range.
func (d *digits) mayStop(at int, tightLo, tightHi bool) bool {
	zeros := func(s string) bool { return strings.Trim(s, "0") == "" }
	if tightLo && (!zeros(d.lo[at:]) || d.loX) {
		return false
	}
	return !tightHi || !d.hiX || !zeros(d.hi[at:])
}

// beyond is what may be written after the last digit of the bounds.
func (d *digits) beyond(tightLo, tightHi bool) [][]sym {
	g := d.b.g
	digit := g.class('0', '9')
	room := maxFraction - (len(d.lo) - d.whole)
	switch {
	case tightHi && tightLo && (d.loX || d.hiX), tightHi && d.hiX:
		return nil
	case tightHi: // it is the bound: zeros change nothing
		return [][]sym{{g.repeat(g.single['0'], 1, room)}}
	case tightLo && d.loX: // more than the bound by any digit but zero
		return [][]sym{{g.repeat(g.single['0'], 0, room/2-1), g.class('1', '9'), g.repeat(digit, 0, room/2)}}
	}
	return [][]sym{{g.repeat(digit, 1, room)}}
}
