"""Whether `phinetune eval` scores answers to real questions as scikit-learn, sacrebleu, transformers and plain Python do.

    npm run build && python test/goldens/check_real_sets.py [the shared folder, ../shared by default]

For each of boolq, ARC-Easy, openbookqa and gsm8k: 60 rows of its training part and 40 of its test part, drawn with a
seed and written as Alpaca rows with a label. stories15M is trained on the former for 40 steps, and base and adapter
answer the latter. All scores of the texts and of the closed answers, per class and with the confusion matrix, are then
computed anew from the answers that `eval` wrote, and must be the same within 1e-9; so must the differences between
adapter and base. The most probable labels (--likelihood) are computed anew by transformers and PEFT on the same models.

Made with torch 2.13, transformers 5.18, peft 0.21, scikit-learn 1.9, sacrebleu 2.6.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
import unicodedata
from collections import Counter
from decimal import Decimal
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
from peft import PeftModel  # noqa: E402
from sacrebleu.metrics import BLEU, CHRF  # noqa: E402
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared"
MODEL = SHARED / "models" / "stories15M"
TRAIN_ROWS, TEST_ROWS, STEPS = 60, 40, 40
# The output head as well: the model has never learned the token that ends an answer.
TARGETS = ["q_proj", "v_proj", "up_proj", "down_proj", "lm_head"]
TOLERANCE = 1e-9
NONE = "(none)"

# What of an answer counts, in Python's own words.

NUMBER = re.compile(
    r"((?<![\w)\]%])[-+\u2212])?[$€£¥]?(?:([0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(\.[0-9]+)?|(?<![^\W_])(\.[0-9]+))"
    r"([eE][-+]?[0-9]{1,3}(?![^\W_]))?"
)


def value_of(match: re.Match) -> Decimal:
    sign, whole, decimals, bare, exponent = match.groups()
    value = Decimal((whole or "0").replace(",", "") + (decimals or bare or "") + (exponent or ""))
    return -value if sign in ("-", "\u2212") else value


def last_number(answer: str) -> str:
    found = list(NUMBER.finditer(answer))
    return str(value_of(found[-1])) if found else ""


def is_mark(character: str) -> bool:
    return character.isspace() or unicodedata.category(character)[0] in "PS"


def without_marks(text: str, start: bool) -> str:
    while text and is_mark(text[-1]):
        text = text[:-1]
    while start and text and is_mark(text[0]) and not re.match(r"[-+\u2212]?\.?\d", text):
        text = text[1:]
    return text


def first_word(answer: str) -> str:
    return next((word for word in (without_marks(word, True) for word in answer.split()) if word), "")


def by_pattern(pattern: str):
    def extract(answer: str) -> str:
        match = re.search(pattern, answer)
        return match.group(1).strip() if match else ""

    return extract


def key_of(text: str):
    match = NUMBER.fullmatch(text.strip())
    return value_of(match) if match else text.strip().lower()


def label_meant(answer: str, labels: list[str]) -> str:
    by_key = {key_of(label): label for label in labels}
    for text in (answer, without_marks(answer, False), without_marks(answer, True)):
        if key_of(text) in by_key:
            return by_key[key_of(text)]
    return NONE


# The sets: which file, how a row is made of an entry, and what of an answer counts.


def closed(output: str):
    return lambda entry: {"instruction": entry["instruction"], "output": output.format(**entry), "label": entry["answer"]}


def gsm8k(entry: dict) -> dict:
    number = entry["answer"].split("####")[1].strip().replace(",", "")
    return {"instruction": entry["question"], "output": f"The answer is {number}.", "label": number}


CHOICES = [f"answer{i}" for i in range(1, 5)]
ANSWER_IS = r"answer is (\w+)"
#        file, its entries as rows, labels (none: those that the rows have), what counts, options, new tokens
SETS = {
    "boolq": ("json", closed("{answer}"), ["true", "false"], str.strip, [], 8),
    "ARC-Easy": ("json", closed("{answer}."), CHOICES, first_word, ["--answer-extractor", "first_word"], 8),
    "openbookqa": ("json", closed("{output}"), CHOICES, by_pattern(ANSWER_IS), ["--answer-pattern", ANSWER_IS], 12),
    "gsm8k": ("jsonl", gsm8k, [], last_number, ["--answer-extractor", "last_number"], 48),
}


def entries(name: str, part: str, kind: str) -> list[dict]:
    text = (SHARED / "data" / name / f"{part}.{kind}").read_text()
    return json.loads(text) if kind == "json" else [json.loads(line) for line in text.splitlines()]


def write_rows(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(*words) -> str:
    command = ["node", ROOT / "dist" / "cli" / "main.js", *words]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


# Scores of texts.


def squad_words(text: str) -> list[str]:
    plain = "".join(c for c in text.lower() if c not in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
    return re.sub(r"\b(a|an|the)\b", " ", plain).split()


def shares(hits: float, predicted: int, actual: int) -> tuple[float, float, float]:
    precision, recall = hits / predicted if predicted else 0.0, hits / actual if actual else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0


def squad(answer: str, reference: str) -> tuple[float, float, float]:
    a, b = squad_words(answer), squad_words(reference)
    if not a or not b:
        return (float(a == b),) * 3
    return shares(sum((Counter(a) & Counter(b)).values()), len(a), len(b))


def rouge(answer: str, reference: str) -> dict[str, tuple[float, float, float]]:
    a, b = (re.findall(r"[a-z0-9]+", text.lower()) for text in (answer, reference))
    scores = {}
    for n in (1, 2):
        grams = [Counter(zip(*(words[i:] for i in range(n)))) for words in (a, b)]
        scores[f"rouge{n}"] = shares(sum((grams[0] & grams[1]).values()), *(sum(bag.values()) for bag in grams))
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, word in enumerate(a):
        for j, other in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if word == other else max(table[i][j + 1], table[i + 1][j])
    return {**scores, "rougeL": shares(table[-1][-1], len(a), len(b))}


def text_scores(answers: list[str], references: list[str], stopped: list[bool]) -> dict[str, float]:
    pairs = list(zip(answers, references))
    mean = lambda values: sum(values) / len(pairs)  # noqa: E731
    scores = {
        "exact_match": mean(a.strip() == b.strip() for a, b in pairs),
        "normalized_exact_match": mean(squad_words(a) == squad_words(b) for a, b in pairs),
        "stop_rate": mean(stopped),
        "bleu": BLEU().corpus_score(answers, [references]).score,
        "chrf": CHRF().corpus_score(answers, [references]).score,
    }
    rouges = [rouge(a, b) for a, b in pairs]
    squads = [squad(a, b) for a, b in pairs]
    for i, part in enumerate(("precision", "recall", "f1")):
        scores[part] = mean(values[i] for values in squads)
        for name in ("rouge1", "rouge2", "rougeL"):
            scores[f"{name}_{part}"] = mean(values[name][i] for values in rouges)
    return scores


# Scores of closed answers.


def averages(truth: list[str], meant: list[str], labels: list[str]) -> dict[str, float]:
    occurring = [label for label in labels if label in truth or label in meant]
    scores = {"accuracy": accuracy_score(truth, meant)}
    for average in ("macro", "weighted"):
        values = precision_recall_fscore_support(truth, meant, labels=occurring, average=average, zero_division=0)
        for part, value in zip(("precision", "recall", "f1"), values):
            scores[f"{average}_{part}"] = value
    return scores


def label_report(truth: list[str], meant: list[str], labels: list[str]) -> dict:
    matrix = confusion_matrix(truth, meant, labels=[*labels, NONE])[: len(labels)]
    columns = zip(*precision_recall_fscore_support(truth, meant, labels=labels, zero_division=0))
    return {
        "rows": len(truth),
        "confusion": {"labels": labels, "counts": matrix.tolist()},
        "perClass": [
            {"label": label, "precision": p, "recall": r, "f1": f, "support": int(n)}
            for label, (p, r, f, n) in zip(labels, columns)
        ],
    }


def likeliest(model, tokenizer, prompts: list[str], labels: list[str]) -> list[str]:
    found = []
    for prompt in prompts:
        length = tokenizer(prompt, return_tensors="pt").input_ids.shape[1]
        losses = []
        for label in labels:
            ids = tokenizer(prompt + label, return_tensors="pt").input_ids
            ids = torch.cat([ids, torch.tensor([[tokenizer.eos_token_id]])], dim=1)
            with torch.no_grad():
                logits = model(input_ids=ids).logits[0, length - 1 : -1].double()
            losses.append(torch.nn.functional.cross_entropy(logits, ids[0, length:], reduction="sum").item())
        found.append(labels[losses.index(min(losses))])
    return found


# One set.


def differences(ours, theirs, where: str) -> list[str]:
    if isinstance(theirs, dict):
        return [line for key, value in theirs.items() for line in differences(ours.get(key), value, f"{where} {key}")]
    if isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        return [line for i, (a, b) in enumerate(zip(ours, theirs)) for line in differences(a, b, f"{where} {i}")]
    same = abs(ours - theirs) <= TOLERANCE if isinstance(theirs, float) and ours is not None else ours == theirs
    return [] if same else [f"{where}: {ours}, but here {theirs}"]


def check(name: str, work: Path) -> bool:
    kind, row_of, labels, extract, options, new_tokens = SETS[name]
    rows = {}
    for part, count in (("train", TRAIN_ROWS), ("test", TEST_ROWS)):
        rows[part] = [row_of(entry) for entry in random.Random(f"{name} {part}").sample(entries(name, part, kind), count)]
        write_rows(work / f"{part}.jsonl", rows[part])
    adapter = work / "adapter"
    run("train", "--model", MODEL, "--dataset", work / "train.jsonl", "--output-dir", adapter, "--max-steps", STEPS,
        "--learning-rate", "0.003", "--lora-alpha", 16, "--lora-target-modules", *TARGETS, "--max-length", 256)
    words = ["eval", "--model", MODEL, "--adapter", adapter, "--dataset", work / "test.jsonl", "--max-length", 256]
    given = ["--likelihood", "--labels", *labels] if labels else []
    result = json.loads(run(*words, *options, *given, "--max-new-tokens", new_tokens, "--json"))

    asked = [rows["test"][row["line"] - 1] for row in result["rows"]]
    truth = [row["label"] for row in asked]
    labels = labels or sorted(set(truth))
    prompts = [row["prompt"] for row in result["rows"]]
    wrong = differences([[row["label"], row["reference"]] for row in result["rows"]], [[row["label"], row["output"]] for row in asked], "rows")
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    base = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    models = [lambda: base, lambda: PeftModel.from_pretrained(base, str(adapter)).eval()]
    scores = []
    for i, (system, model) in enumerate(zip(result["systems"], models)):
        answers = [row["answers"][i] for row in result["rows"]]
        texts = [answer["text"] for answer in answers]
        meant = [label_meant(extract(text), labels) for text in texts]
        likely = averages(truth, likeliest(model(), tokenizer, prompts, labels), labels) if given else {}
        scores.append({
            **text_scores(texts, [row["output"] for row in asked], [answer["stopped"] for answer in answers]),
            **averages(truth, meant, labels),
            "no_label_rate": meant.count(NONE) / len(meant),
            **{f"likelihood_{key}": value for key, value in likely.items() if not key.startswith("weighted")},
        })
        wrong += differences(system["scores"], scores[i], f"{system['name']} scores")
        wrong += differences(system["labels"], label_report(truth, meant, labels), f"{system['name']} labels")
    changes = {key: {"difference": {"value": scores[1][key] - scores[0][key]}} for key in scores[0]}
    wrong += differences(result["systems"][1]["changes"], changes, "changes")
    for line in wrong:
        print(f"{name} {line}")
    for key in ("accuracy", "macro_f1", "weighted_f1", "no_label_rate", "exact_match", "f1", "likelihood_accuracy"):
        if key in scores[0]:
            print(f"{name:11} {key:20} {scores[0][key]:8.4f} {scores[1][key]:8.4f}")
    print(f"{name:11} {len(asked)} rows, {len(labels)} labels, {2 * len(scores[0])} scores: {len(wrong)} differ")
    return not wrong


def main() -> int:
    good = True
    print(f"{'set':11} {'score':20} {'base':>8} {'adapter':>8}")
    for name in SETS:
        with tempfile.TemporaryDirectory() as work:
            good &= check(name, Path(work))
    return 0 if good else 1


sys.exit(main())
