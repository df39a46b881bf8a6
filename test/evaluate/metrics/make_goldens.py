"""Pairs of answers and references -> goldens.jsonl: their scores by the Python libraries that define them.

pip install sacrebleu==2.6.0 torchmetrics==1.9.0 torch scikit-learn==1.9.1 nltk (and rouge_score where it can be had)
python make_goldens.py
"""
import json
import random
from collections import Counter
from pathlib import Path

import numpy
import torch
from sacrebleu.metrics import BLEU, CHRF
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from torchmetrics.functional.classification import multiclass_f1_score
from torchmetrics.functional.text.rouge import rouge_score
from torchmetrics.functional.text.squad import _compute_exact_match_score, _compute_f1_score, _get_tokens

try:
    from rouge_score.rouge_scorer import RougeScorer
except ImportError:
    RougeScorer = None

torch.set_default_dtype(torch.float64)  # torchmetrics makes its text scores tensors of the default dtype
random.seed(20)

# (answer, reference)
PAIRS = [
    ("", ""), ("", "the cat"), ("the cat", ""), (" ", "\n"), ("the", "a"), ("An the a", "x"), ("...", "!?"),
    ("The cat sat on the mat.", "The cat sat on the mat."), ("The cat sat on the mat.", "the cat sat on a mat"),
    ("cat", "The cat!"), ("A dog", "a cat"), ("yes", "Yes."), ("no", "yes"), ("x", "x"), ("x", "y"), ("ab", "ab"),
    ("the the the the the the the", "The cat is on the mat."), ("one two one two one two", "one two three one two"),
    ("a b c d e f", "f e d c b a"), ("alpha beta gamma delta", "alpha gamma beta delta epsilon"),
    ("1,000.50 dollars, 3.14", "1,000.50 dollars and 3.14"), ("-5", "- 5"), ("10-12", "10 - 12"), (".5,6", "0.5, 6"),
    ("3,000,000", "3000000"), ("2+2=4", "2 + 2 = 4"), ("$5.00 (five)", "5 $"), ("50%", "50 percent"),
    ("well-known state-of-the-art", "well known state of the art"), ("snake_case_name", "snake case name"),
    ("don't can't I'm", "do not can not I am"), ('He said "hi" & left', "He said &quot;hi&quot; &amp; left"),
    ("if a &lt; b &gt; c", "if a < b > c"), ("<skipped>word", "word"), ("hyphen-\nated line\nbreak", "hyphenated line break"),
    ("tabs\tand\u00a0nbsp\u2003em\u3000ideographic", "tabs and nbsp em ideographic"),
    ("unit\u001cseparator\u0085next\ufeffbom", "unit separator next bom"), ("line\r\nend\r", "line end"),
    ("Café au lait", "cafe au lait"), ("Cafe\u0301 a\u0301 the\u0301", "café á thé"), ("naïve façade", "naïve facade"),
    ("Straße GROSS", "strasse gross"), ("İstanbul ΣΊΣΥΦΟΣ \u212a", "i̇stanbul σίσυφος k"), ("ﬁne ½ ² ⅷ", "fine 1/2 2 viii"),
    ("東京は日本の首都です。", "東京は日本の首都である。"), ("Москва — столица России", "Москва столица"),
    ("مرحبا بالعالم", "مرحبا يا عالم"), ("नमस्ते दुनिया", "नमस्ते"), ("👍🏽 great 👨‍👩‍👧 𝔘nicode", "👍 great 👨‍👩‍👧 unicode"),
    ("“quoted” – dash… a«b»", "quoted dash a b"), ("éa the é a", "a é"), ("x² a_the_b", "x a the b"),
    ("Here is a list:\n1. First\n2. Second\n- third", "1. First 2. Second 3. Third"),
    ("def f(x):\n    return x ** 2  # square", "def f(x): return x**2"), ("https://example.org/a?b=c&d=e", "example.org a b c"),
    ("It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.",
     "It is a truth that everybody acknowledges: a single man of good fortune must want a wife."),
    ("Photosynthesis is the process by which plants make food from sunlight, water and carbon dioxide.",
     "Plants use photosynthesis to turn sunlight, water, and carbon dioxide into glucose and oxygen."),
    ("short", "a much longer reference that goes on and on for quite some words"),
    ("a much longer answer that goes on and on for quite some words and words and words", "short answer"),
    (" ".join(random.choices(["red", "green", "blue", "the", "of"], k=120)),
     " ".join(random.choices(["red", "green", "blue", "the", "of"], k=100))),
    (" ".join(random.choices("abcdefgh", k=150)), " ".join(random.choices("abcdefghij", k=160))),
    ("no no no no", "no"), ("trailing   spaces   ", "trailing spaces"), ("four word answer here", "four word answer here"),
    ("three words here", "three words here"),
]

corpus_bleu, sentence_bleu, chrf = BLEU(), BLEU(effective_order=True), CHRF()


def squad(answer, reference):
    """F1 and exact match by torchmetrics; precision and recall by the lines of SQuAD's script that lead to its F1."""
    predicted, actual = _get_tokens(answer), _get_tokens(reference)
    f1 = float(_compute_f1_score(answer, reference))
    if not predicted or not actual:
        precision = recall = f1
    else:
        same = sum((Counter(predicted) & Counter(actual)).values())
        precision, recall = same / len(predicted), same / len(actual)
    return {"exact": int(_compute_exact_match_score(answer, reference)), "precision": precision, "recall": recall, "f1": f1}


def rouge(answer, reference):
    keys = ("rouge1", "rouge2", "rougeL")
    scores = rouge_score(answer, reference, rouge_keys=keys, use_stemmer=False)
    result = {key: [float(scores[f"{key}_{part}"]) for part in ("precision", "recall", "fmeasure")] for key in keys}
    if RougeScorer is not None:
        theirs = RougeScorer(keys).score(reference, answer)
        for key in keys:
            assert numpy.allclose(result[key], theirs[key], atol=1e-12), (answer, reference, key)
    return result


def pair(answer, reference):
    return {
        "kind": "pair", "answer": answer, "reference": reference,
        "squad": squad(answer, reference), "rouge": rouge(answer, reference),
        "bleu": sentence_bleu.sentence_score(answer, [reference]).score,
        "bleu_words": sentence_bleu.tokenizer(answer.rstrip()).split(),
        "chrf": chrf.sentence_score(answer, [reference]).score,
    }


def corpus(rows):
    answers, references = [PAIRS[r][0] for r in rows], [[PAIRS[r][1] for r in rows]]
    return {
        "kind": "corpus", "rows": rows,
        "bleu": corpus_bleu.corpus_score(answers, references).score,
        "chrf": chrf.corpus_score(answers, references).score,
    }


def scores_of(actual, predicted, labels):
    """Macro and weighted over the labels that occur; per class over all. Answers that are none are -1."""
    occurring = sorted((set(actual) | set(predicted)) - {-1})
    of = lambda average, which: [
        float(x) for x in precision_recall_fscore_support(actual, predicted, labels=which, average=average, zero_division=0)[:3]]
    per_class = precision_recall_fscore_support(actual, predicted, labels=labels, average=None, zero_division=0)
    return {
        "accuracy": float(accuracy_score(actual, predicted)), "macro": of("macro", occurring),
        "weighted": of("weighted", occurring), "per_class": [[float(x) for x in part] for part in per_class],
    }


def classification(K, n, none):
    labels = list(range(K))
    actual = random.choices(labels, weights=[k + 1 for k in range(K)], k=n)
    predicted = [a if random.random() < 0.5 else random.choice(labels) for a in actual]
    predicted = [-1 if random.random() < none else p for p in predicted]
    return {
        "kind": "classification", "K": K, "actual": actual, "predicted": predicted, **scores_of(actual, predicted, labels),
        "confusion": confusion_matrix(actual, predicted, labels=labels + [-1])[:K].tolist(),
    }


def next_token(V, n):
    actual = [min(int(random.expovariate(1 / 12)), V - 1) for _ in range(n)]
    predicted = [a if random.random() < 0.4 else random.randrange(V // 2) for a in actual]
    scores = scores_of(actual, predicted, list(range(V)))
    theirs = multiclass_f1_score(torch.tensor(predicted), torch.tensor(actual), num_classes=V, average="macro")
    assert abs(float(theirs) - scores["macro"][2]) < 1e-6
    return {"kind": "next_token", "V": V, "actual": actual, "predicted": predicted,
            "accuracy": scores["accuracy"], "macro": scores["macro"]}


def percentiles(n):
    values = [random.gauss(0, 1) for _ in range(n)]
    shares = [0, 0.025, 0.31, 0.5, 0.975, 1]
    return {"kind": "percentile", "values": values, "shares": shares, "expected": numpy.percentile(values, [100 * s for s in shares]).tolist()}


everything = list(range(len(PAIRS)))
cases = [pair(*p) for p in PAIRS]
cases += [corpus(everything), corpus([7]), corpus([64]), corpus([0, 1]), corpus([13, 13, 14])]
# Rows drawn with replacement: what a bootstrap scores.
cases += [corpus(sorted(random.choices(everything, k=len(everything)))) for _ in range(6)]
cases += [corpus(sorted(random.choices(everything, k=5))) for _ in range(6)]
cases += [classification(2, 40, 0), classification(2, 40, 0.2), classification(5, 60, 0.1), classification(12, 15, 0.3), classification(3, 4, 1)]
cases += [next_token(50, 300), next_token(400, 200)]
cases += [percentiles(1), percentiles(2), percentiles(41)]
path = Path(__file__).parent / "goldens.jsonl"
path.write_text("".join(json.dumps(case, ensure_ascii=True) + "\n" for case in cases), encoding="utf-8")
print(f"{len(PAIRS)} pairs, {len(cases)} cases, {path.stat().st_size} bytes, rouge_score {'checked' if RougeScorer else 'not installed'}")
