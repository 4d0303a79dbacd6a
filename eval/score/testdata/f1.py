"""Makes f1.json, golden scores and stems, with LoCoMo's own scorer and NLTK.

    git clone -b code https://github.com/snap-research/locomo
    pip install nltk==3.10.4 regex==2026.11.19 numpy
    python f1.py locomo/task_eval/evaluation.py WORDS > f1.json

WORDS is a text whose words are stemmed. Nothing of LoCoMo's is in the cases.
"""
import importlib.util, itertools, json, os, random, sys, tempfile, types

CASE = os.path.join(tempfile.mkdtemp(), "case.json")

stub = types.ModuleType("bert_score")  # not needed: the metric is f1
stub.score = None
sys.modules["bert_score"] = stub
spec = importlib.util.spec_from_file_location("evaluation", sys.argv[1])
ev = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ev)

TEXTS = [
    "", "Oslo", "In Oslo.", "the cat", "a cat and the dog", "a, an, the, and", "The cats' dogs", "painting, running, swimming",
    "He paints, and runs; she swims", "swims and running", "7 May 2023", "May 7, 2023", "the week before 9 June 2023",
    "Sweden", "from Sweden originally", "Likely yes; because she said so", "yes", "No information available", "no INFORMATION available.",
    "That was not mentioned in the conversation", "You haven't told me.", "three", "3", "O'Brien's well-known under_score café",
    "naïve Ångström, ½ cup", "你好 世界", "tab\tand\u00a0nbsp", "“quoted” – dash the’s", "hoping hopped hopping agreed feed sky skies dying",
    "relational conditional vietnamization hopefulness formality", "anna's and an andante", "psychology, counseling certification",
]
random.seed(1)
cases = []
for p, a in itertools.product(TEXTS, TEXTS):
    for c in (1, 2, 3, 5):
        if random.random() < (0.35 if c < 5 else 0.02):
            cases.append((c, p, a))
words = sorted({w for w in open(sys.argv[2]).read().lower().split() if w.isalpha() and w.isascii()})
words = words[::3]
words += [w + e for w in random.sample(words, 150) for e in random.sample(["s", "ies", "ed", "ing", "ied", "eed", "y", "ational", "ization", "iveness", "alli", "fulli", "logi", "icate", "ement", "ion", "tion", "ll", "e"], 4)]
words += ["yyyy", "ll", "allogi", "naïveté", "Æsops", "éé", "sées"]


def score(c, p, a):
    json.dump({"qa": [{"category": c, "answer": a, "pred": p, "evidence": []}, {"category": 1, "answer": "x", "pred": "y", "evidence": []}]}, open(CASE, "w"))
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        return float(ev.eval_question_answering(CASE, "pred")[0][0])
    finally:
        sys.stdout = stdout


json.dump({
    "made_with": "f1.py; nltk 3.10.4, regex 2026.11.19, seed 1",
    "scores": [{"category": c, "reply": p, "answer": a, "score": score(c, p, a)} for c, p, a in cases],
    "stems": {w: ev.ps.stem(w) for w in words},
}, sys.stdout, ensure_ascii=False, separators=(",", ":"))
