"""Alpaca rows (instruction, input, output) in JSON -> train.jsonl and eval.jsonl with input_ids and labels a line.

    python bench/alpaca_rows.py --model DIR --data rows.json --output DIR [--eval-rows 100] [--max-length 256]

Prompt and answer are tokenised apart, so that the boundary is exact; BOS once in front (where the tokenizer's own
template puts one), EOS behind the answer and trained; labels are -100 on the prompt. Rows longer than --max-length
lose their end; a row that then holds no trained token is dropped and counted. The last --eval-rows rows are held out.
"""

import argparse
import json
from pathlib import Path

from tokenizers import Tokenizer

WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)


def tokenise(row: dict, tokenizer: Tokenizer, eos: int, max_length: int) -> dict:
    template = WITH_INPUT if row.get("input") else WITHOUT_INPUT
    prompt = tokenizer.encode(template.format(**row)).ids
    if prompt and prompt[-1] == eos:
        prompt = prompt[:-1]
    answer = tokenizer.encode(row["output"], add_special_tokens=False).ids + [eos]
    input_ids = (prompt + answer)[:max_length]
    labels = ([-100] * len(prompt) + answer)[:max_length]
    return {"input_ids": input_ids, "labels": labels}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder with tokenizer.json and config.json")
    parser.add_argument("--data", type=Path, required=True, help="JSON list of Alpaca rows")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--eval-rows", type=int, default=100)
    parser.add_argument("--max-length", type=int, default=256)
    options = parser.parse_args()

    tokenizer = Tokenizer.from_file(str(options.model / "tokenizer.json"))
    eos = json.loads((options.model / "config.json").read_text())["eos_token_id"]
    rows = json.loads(options.data.read_text())
    options.output.mkdir(parents=True, exist_ok=True)
    summary = {}
    for name, part in {"train": rows[: -options.eval_rows], "eval": rows[-options.eval_rows :]}.items():
        tokenised = [tokenise(row, tokenizer, eos, options.max_length) for row in part]
        # The first label is never predicted: the shift by one drops it.
        kept = [row for row in tokenised if any(label != -100 for label in row["labels"][1:])]
        text = "".join(json.dumps(row) + "\n" for row in kept)
        (options.output / f"{name}.jsonl").write_text(text)
        summary[name] = {
            "rows": len(kept),
            "dropped": len(tokenised) - len(kept),
            "tokens": sum(len(row["input_ids"]) for row in kept),
            "trained_tokens": sum(label != -100 for row in kept for label in row["labels"]),
            "truncated": sum(row["input_ids"][-1] != eos for row in kept),
        }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
