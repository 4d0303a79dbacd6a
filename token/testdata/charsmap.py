"""Writes charsmap.json.gz: vocabularies of the PyPI package sentencepiece with
its precompiled normalisation, what that package makes of lines that try it, and
what the package tokenizers makes of the same, which reads the map in its own way.

    charsmap.py
"""
import base64, gzip, io, json
import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as pb
from tokenizers import Tokenizer, decoders, models, normalizers as n, pre_tokenizers as p

LINES = gzip.open("lines.txt.gz", "rt", encoding="utf8", newline="\n").read().split("\n")[::6] + [
    "ﬁne oﬃce ﬀ", "ＦＵＬＬ　ｗｉｄｔｈ １２３", "ｶﾞｷﾞ ﾊﾟ ﾊ", "㌔ ㍿ ㋿", "½ Ⅷ ² ™ № ℡", "e\u0301 a\u030a o\u0308\u0304 \u0301x", "한국어 \u1112\u1161\u11ab\u1100\u116e\u11a8",
    "  two  spaces ", "\u00a0nbsp\u2003em\u3000wide\u200bzero\u200dj\ufeffbom", "tab\tand\rreturn\x01\x7f\x85", "", " ", "   ", "👨‍👩‍👧 👍🏽 🇨🇳 ❤️", "ﷺ ﷻ", "İstanbul ẞ ſ ς",
    "¨ ´ ¸ ˚", "… ‥ ⋯", "Å Å K Ω", "ก็ำ ຳ", "ཱི ཀྵ", "①②③ ⑴ ⒈ ㈠", "a\u0300\u0301\u0302\u0303 z\u0335", "\U0001d400\U0001d7ce \U0001f100", "▁already▁marked ▁", "क्षि र्क", "\u0f77 \u0f79",
]
p1 = dict(model_type="unigram", vocab_size=900, character_coverage=0.98, hard_vocab_limit=False, num_threads=1, minloglevel=2)
TEXT = gzip.open("lines.txt.gz", "rt", encoding="utf8").read().split("\n") + LINES


def train(**o):
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(TEXT), model_writer=out, **(p1 | o))
    m = pb.ModelProto()
    m.ParseFromString(out.getvalue())
    return out.getvalue(), m


def sentencepiece(name, **o):
    data, m = train(**o)
    s = spm.SentencePieceProcessor(model_proto=data)
    spec = m.normalizer_spec
    return {
        "name": name, "prefix": spec.add_dummy_prefix, "extra": spec.remove_extra_whitespaces,
        "pieces": [x.piece for x in m.pieces], "scores": [x.score for x in m.pieces], "types": [x.type for x in m.pieces],
        "unknown": s.unk_id(), "normalized": [s.normalize(l) for l in LINES], "ids": [s.encode(l) for l in LINES],
    }, m


def tokenizers(name, m, *more):
    t = Tokenizer(models.Unigram([(x.piece, x.score) for x in m.pieces], unk_id=0))
    charsmap = n.Precompiled(m.normalizer_spec.precompiled_charsmap)
    t.normalizer = n.Sequence([charsmap, *more]) if more else charsmap
    t.pre_tokenizer, t.decoder = p.Metaspace(), decoders.Metaspace()
    text = t.to_str().replace(base64.b64encode(m.normalizer_spec.precompiled_charsmap).decode(), "CHARSMAP")
    return {"name": name, "tokenizer": json.loads(text), "normalized": [t.normalizer.normalize_str(l) for l in LINES], "ids": [t.encode(l, add_special_tokens=False).ids for l in LINES]}


nfkc, m = sentencepiece("usual", normalization_rule_name="nmt_nfkc")
fold, f = sentencepiece("no prefix, spaces kept", normalization_rule_name="nmt_nfkc", add_dummy_prefix=False, remove_extra_whitespaces=False)
assert m.normalizer_spec.precompiled_charsmap == f.normalizer_spec.precompiled_charsmap
out = {"lines": LINES, "charsmap": base64.b64encode(m.normalizer_spec.precompiled_charsmap).decode(), "sentencepiece": [nfkc, fold], "tokenizers": [tokenizers("as T5", m), tokenizers("as XLM-R", f, n.Replace("  ", " "))]}
with gzip.GzipFile("charsmap.json.gz", "wb", 9, mtime=0) as z:
    z.write(json.dumps(out, ensure_ascii=False).encode())
