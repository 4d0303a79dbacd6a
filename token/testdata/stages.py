"""Writes stages.json.gz: small vocabularies of the PyPI package tokenizers, each
with other normalizers, pre-tokenizers, added tokens and decoders, what the
package makes of lines that try them, and what it decodes.

    stages.py
"""
import gzip, json
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers as n, pre_tokenizers as p, trainers

LINES = """Hello, world! It's 2026-11-23, isn't it?
  two  spaces,	a tab and 	 both 
camelCase HTTPServer x_y don't WE'LL I'll you'Ve 1234567 3.14
don't...stop!!! (a)[b]{c} a--b --- "quoted" $5 + 5% = ^x^ ~y `z`
快是好的。 你好,世界! 1二3 ½ Ⅷ ² ٣٤
é e\u0301 ﬁ ﬂ Å ſtraße ΣΊΣΥΦΟΣ İstanbul
\u0301ABC a\ufe0fBC 1\ufe0fABC ❤️ABC 👨‍👩‍👧 👍🏽 🇨🇳
<s>Hello</s> <tool>x</tool> a <mask> b <Name>c</Name> name NAME renamed
the<mask>cat <mask>  <mask>sat<s> <s>on
\u00a0nbsp\u2003em\u3000wide\u200bzero\u200dj
▁already▁marked ▁ text ▁▁
x
 
a<s>
<s> a
\u4e00\u4e01\U00020000\U0001f600 qqq \U0001f9ff\U0001f9fe zz ქართ zz""".split("\n")
TEXT = LINES[:6] + ["the cat sat on the mat and said hello to the world, don't you know", "name and Name of the world 123 45"] * 3

llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
o200k = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
deepseek = [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
qwen35 = llama3.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"\p{L}\p{N}]+[", r"\p{L}\p{M}\p{N}]+[").replace("{1,3}", "")
bytes_last = lambda *steps: p.Sequence([*steps, p.ByteLevel(add_prefix_space=False, use_regex=False)])
split = lambda r, how="isolated", invert=False: p.Split(Regex(r), how, invert)
ADDED = [AddedToken("<mask>", lstrip=True, special=True), AddedToken("<tool>", rstrip=True, special=False, normalized=False), AddedToken("name", single_word=True, special=False, normalized=False)]
cases = []

def case(name, pre, norm=None, level=True, model=None, added=(), decoder=None):
    t = Tokenizer(model or (models.BPE() if level else models.BPE(unk_token="<unk>")))
    t.normalizer, t.pre_tokenizer = norm or t.normalizer, pre or t.pre_tokenizer
    special = ["<unk>", "<s>", "</s>"]
    if isinstance(t.model, models.Unigram):
        trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=special, unk_token="<unk>", show_progress=False)
    else:
        if t.model.byte_fallback:
            special += ["<0x%02X>" % i for i in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=len(special) + 420, special_tokens=special, show_progress=False, initial_alphabet=p.ByteLevel.alphabet() if level else [], limit_alphabet=1000 if level else 60)
    t.train_from_iterator(TEXT, trainer)
    data = json.loads(t.to_str())  # bytes are pieces, not added tokens
    data["added_tokens"] = [a for a in data["added_tokens"] if not a["content"].startswith("<0x")]
    t = Tokenizer.from_str(json.dumps(data))
    t.decoder = decoder or (decoders.ByteLevel() if level else decoders.Metaspace())
    for a in added:
        (t.add_special_tokens if a.special else t.add_tokens)([a])
    codes = [t.encode(l, add_special_tokens=False).ids for l in LINES]
    cases.append({"name": name, "tokenizer": json.loads(t.to_str()), "ids": codes, "texts": [t.decode(c) for c in codes]})

case("added", p.ByteLevel(add_prefix_space=False), added=ADDED)
case("added, normalized", p.ByteLevel(add_prefix_space=False), n.Lowercase(), added=[AddedToken("<Name>", special=False, normalized=True), AddedToken("NAME", special=False, normalized=True, single_word=True)])
case("prefix space", p.ByteLevel(add_prefix_space=True))
case("nfkc, lower, strip", p.ByteLevel(add_prefix_space=False), n.Sequence([n.NFKC(), n.Lowercase(), n.Strip()]))
case("nfd, replace", p.ByteLevel(add_prefix_space=False), n.Sequence([n.NFD(), n.Replace("the", "a"), n.Replace(Regex(r"\s+"), " ")]))
for how in ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]:
    case("split " + how, bytes_last(split(r"[\s\-!]", how)))
case("split inverted", bytes_last(split(r"\w+|\s", "removed", True)))
case("split text", bytes_last(p.Split("s", "merged_with_next")))
case("llama3", bytes_last(split(llama3)))
case("o200k", bytes_last(split(o200k)))
case("qwen35", bytes_last(split(qwen35)))
case("deepseek", bytes_last(*map(split, deepseek)))
case("digits", bytes_last(p.Digits(individual_digits=True), p.Punctuation()))
case("digits together", bytes_last(p.Digits(individual_digits=False), p.Punctuation("merged_with_previous")))
case("whitespace", bytes_last(p.Whitespace()))
case("whitespace split", bytes_last(p.WhitespaceSplit()))
spm = lambda **k: models.BPE(unk_token="<unk>", **k)
llama = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
case("llama", None, n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), level=False, model=spm(byte_fallback=True, fuse_unk=True), decoder=llama)
case("fused", None, n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), level=False, model=spm(fuse_unk=True), decoder=llama)
for scheme in ["always", "first", "never"]:
    for fuse in [False, True]:
        case(f"metaspace {scheme} {fuse}", p.Metaspace(prepend_scheme=scheme), level=False, model=spm(fuse_unk=fuse), added=ADDED, decoder=decoders.Metaspace(prepend_scheme=scheme))
case("metaspace whole", p.Metaspace(split=False), level=False, model=spm(byte_fallback=True), decoder=llama)
case("unigram", p.Metaspace(), n.NFKC(), level=False, model=models.Unigram())
case("unigram first", p.Sequence([p.Metaspace(prepend_scheme="first"), p.Digits(True)]), level=False, model=models.Unigram(), decoder=decoders.Metaspace(prepend_scheme="first"))

with open("stages.json.gz", "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as g:
    g.write(json.dumps({"lines": LINES, "cases": cases}, ensure_ascii=False).encode())
