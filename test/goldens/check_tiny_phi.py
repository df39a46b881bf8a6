"""Whether transformers and PEFT give tiny-phi's answers: the same greedy tokens on 50 test rows, base and adapter.

    npm start && python test/goldens/check_tiny_phi.py

Needs the adapter of `npm start` in runs/start. Uses torch 2.13, transformers 5.18, peft 0.21.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
from peft import PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BASE, ADAPTER, ROWS = ROOT / "assets/tiny-phi", ROOT / "runs/start", ROOT / "assets/instructions/test.jsonl"
COUNT, NEW_TOKENS = 50, 40


def prompt_of(row: dict) -> str:
    if not row["input"]:
        return (
            "Below is an instruction that describes a task. Write a response that appropriately completes the request."
            f"\n\n### Instruction:\n{row['instruction']}\n\n### Response:\n"
        )
    return (
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
        f"response that appropriately completes the request.\n\n### Instruction:\n{row['instruction']}\n\n### Input:\n"
        f"{row['input']}\n\n### Response:\n"
    )


def answers(model, tokenizer, rows: list[dict]) -> list[str]:
    found = []
    for row in rows:
        ids = tokenizer(prompt_of(row), return_tensors="pt", add_special_tokens=False).input_ids
        with torch.no_grad():
            made = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False,
                eos_token_id=0, pad_token_id=0,
            )
        found.append(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True).strip())
    return found


def main() -> int:
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()[:COUNT]]
    with tempfile.TemporaryDirectory() as work:
        output = Path(work) / "eval.json"
        words = ["node", ROOT / "dist/cli/main.js", "eval", "--model", BASE, "--adapter", ADAPTER, "--dataset", ROWS]
        more = ["--max-rows", COUNT, "--max-new-tokens", NEW_TOKENS, "--output", output]
        subprocess.run([str(word) for word in [*words, *more]], check=True, capture_output=True)
        ours = [[answer["text"] for answer in row["answers"]] for row in json.loads(output.read_text())["rows"]]
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    base = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()
    of_base = answers(base, tokenizer, rows)
    of_adapter = answers(PeftModel.from_pretrained(base, str(ADAPTER)).eval(), tokenizer, rows)
    theirs = [list(pair) for pair in zip(of_base, of_adapter)]
    for row, (mine, other) in zip(rows, zip(ours, theirs)):
        if mine != other:
            print(row["instruction"], "|", mine, "|", other)
    same = [sum(a[i] == b[i] for a, b in zip(ours, theirs)) for i in (0, 1)]
    print(f"same greedy answers: base {same[0]} of {COUNT}, adapter {same[1]} of {COUNT}")
    return 0 if same == [COUNT, COUNT] else 1


sys.exit(main())
