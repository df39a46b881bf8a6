# Split expressions and folders of data files -> goldens.json: which rows and which files Python's datasets takes.
# Run: python test/hub/make_goldens.py (datasets 5.0)
import json
import os
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
from datasets.arrow_reader import ReadInstruction  # noqa: E402
from datasets.data_files import DataFilesDict, get_data_patterns, sanitize_patterns  # noqa: E402

LENGTHS = [1, 3, 7, 10, 99, 100, 101, 150, 999, 52002]
SPECS = [
    "train", "train[:10]", "train[10:]", "train[:-3]", "train[-3:]", "train[2:5]", "train[5:2]", "train[1_0:2_0]",
    "train[:10%]", "train[10%:20%]", "train[-5%:]", "train[:-5%]", "train[33%:66%]", "train[:1%]", "train[-1%:]",
    "train[:50%]", "train[50%:]", "train[:0%]", "train[:100%]", "train[-100%:]", "train[10:20%]", "train[15%:25]",
    "train[:7%](closest)", "train[:7%](pct1_dropremainder)", "train[-7%:](pct1_dropremainder)", "train[:]",
    "train[:101%]", "train[:5](closest)", "train[:5%](other)", "train[5]", "train[", "train[:1.5%]", "",
    "train + train[:2]", "train[:10%]+train[90%:]", "train[:5%]+train[:5%](pct1_dropremainder)", "train.a[:3]",
]
LAYOUTS = [
    ["alpaca.json"],
    ["a.jsonl", "b.jsonl"],
    ["train.csv", "test.csv"],
    ["data/train.csv", "data/dev.csv"],
    ["train_0.jsonl", "train_1.jsonl", "test_0.jsonl"],
    ["my-train-file.json", "my-validation-file.json"],
    ["train/a.parquet", "train/b.parquet", "test/c.parquet"],
    ["data/train/0.json", "data/training-2/1.json", "data/eval/0.json"],
    ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001-abc123.parquet"],
    ["data/train_sft-00000-of-00001.parquet", "data/test_sft-00000-of-00001.parquet", "data/extra-00000-of-00001.parquet"],
    ["trained.json", "contest.json"],
    ["a/train.json", "b/train.json", ".hidden/train.json", "__pycache__/train.json", "dataset_info.json"],
    ["validation.parquet", "nested/deep/val 1.parquet", "testing.parquet"],
    ["TRAIN.json", "Test.json"],
]
CONFIGS = [
    (["en/a.json", "en/b.json", "fr/a.json"], "en/*.json"),
    (["en/a.json", "en/b.json", "fr/a.json"], ["en/a.json", "fr/*"]),
    (["en/a.json", "x/en/b.json"], [{"split": "train", "path": "**/en/*.json"}, {"split": "test", "path": ["en/[ab].json"]}]),
    (["data/train-0.json", "data/train-1.json", "data/test-0.json"], {"train": "data/train-*", "test": "data/test-?.json"}),
    (["a/b/c.json", "a/c.json"], "a/**"),
    (["a/b/c.json", "a/c.json", "c.json"], "**/c.json"),
    (["a[1].json", "a1.json"], "a[!2].json"),
]


def rows(spec, n):
    try:
        absolute = ReadInstruction.from_spec(spec).to_absolute({"train": n, "train.a": n})
        return [[part.from_, part.to] for part in absolute]
    except Exception as error:
        return str(error)


def folder(paths):
    root = Path(tempfile.mkdtemp())
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("{}")
    return root


def files(paths, data_files=None):
    root = folder(paths)
    patterns = get_data_patterns(str(root)) if data_files is None else sanitize_patterns(data_files)
    found = DataFilesDict.from_patterns(patterns, base_path=str(root), allowed_extensions=[".json", ".jsonl", ".csv", ".parquet"])
    return {str(split): [str(Path(path).relative_to(root)) for path in listed] for split, listed in found.items()}


goldens = {
    "splits": [{"spec": spec, "n": n, "rows": rows(spec, n)} for spec in SPECS for n in LENGTHS],
    "layouts": [{"paths": paths, "splits": files(paths)} for paths in LAYOUTS],
    "configs": [{"paths": paths, "data_files": data, "splits": files(paths, data)} for paths, data in CONFIGS],
}
target = Path(__file__).with_name("goldens.json")
target.write_text("\n".join(["{"] + [",\n".join(f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]" for name, cases in goldens.items())] + ["}", ""]))
