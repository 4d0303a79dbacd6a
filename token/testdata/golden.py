"""Trains small vocabularies with the PyPI package tokenizers (pip install
tokenizers) and writes, for each, NAME.json.gz and what the package makes of the
lines of a text: lines.txt.gz, NAME.ids.gz (a line of numbers for each line).

    golden.py TEXT [LINES]    TEXT holds one line an entry; LINES (300) of them
                              are kept, spread evenly

With LINES of 10000 and the files in another directory the same comparison
covers a large text: KUAI_TOKEN_GOLDEN=DIR go test ./token
"""
import collections, gzip, sys
from tokenizers import Tokenizer, Regex, models, pre_tokenizers, normalizers, decoders, trainers, processors

text = [l.rstrip("\n") for l in open(sys.argv[1], encoding="utf-8", newline="\n")]
keep = int(sys.argv[2]) if len(sys.argv) > 2 else 300
lines = [text[i * len(text) // keep] for i in range(keep)]
gpt2 = None
llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
qwen2 = llama3.replace("{1,3}", "")
o200k = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SIZE = 3000
made = {}

def byte_level(name, regex, normalizer=None, digits=False):
    t = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    t.normalizer = normalizer
    if regex is None:
        steps = ([pre_tokenizers.Digits(individual_digits=True)] if digits else []) + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
        t.pre_tokenizer = pre_tokenizers.Sequence(steps) if digits else steps[0]
    else:
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(regex), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(text, trainers.BpeTrainer(vocab_size=SIZE, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    made[name] = t

byte_level("gpt2", gpt2)
byte_level("smollm", gpt2, digits=True)
byte_level("llama3", llama3)
byte_level("qwen2", qwen2, normalizers.NFC())
byte_level("o200k", o200k)

t = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
t.train_from_iterator((" ".join(l.split(" ")[:8]) for l in text), trainers.BpeTrainer(vocab_size=SIZE, special_tokens=["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)], limit_alphabet=1500, max_token_length=12, show_progress=False))
made["spm"] = t

t = Tokenizer(models.Unigram())
t.normalizer = normalizers.NFKC()
t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
t.decoder = decoders.Metaspace()
common = set(c for c, _ in collections.Counter("".join(text)).most_common(900))
t.train_from_iterator((l for l in text if set(l) <= common), trainers.UnigramTrainer(vocab_size=SIZE, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False))
made["unigram"] = t

def write(name, data):
    with open(name, "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as g:
        g.write(data.encode("utf-8"))

write("lines.txt.gz", "\n".join(lines))

t = Tokenizer(models.BPE())  # what Train should learn from the lines
t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=900, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
write("trained.json.gz", t.to_str())
for name, t in made.items():
    write(name + ".json.gz", t.to_str())
    write(name + ".ids.gz", "\n".join(" ".join(map(str, e.ids)) for e in t.encode_batch(lines, add_special_tokens=False)))
