"""Whether PEFT loads the adapters that phinetune writes, and computes the same logits.

    npm run build && python test/goldens/check_peft_loads.py

Trains an adapter of each kind below for 5 steps through the command line, on the models of the golden cases, lets
`phinetune inspect` write its logits, loads the folder with PEFT (torch 2.13, transformers 5.18, peft 0.21) and prints
the largest difference. Then PEFT saves what it loaded, and the tensors must be the same bytes.
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
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "test" / "goldens" / "cases"
BINARY = ["node", str(ROOT / "dist" / "cli" / "main.js")]
TOLERANCE = 1e-4

KINDS = {
    "phi default": ("phi_qv", []),
    "phi all-linear, bias all, gaussian": ("phi_qv", ["--lora-target-modules", "all-linear", "--lora-bias", "all", "--init-lora-weights", "gaussian"]),
    "phi bias lora_only, rslora, head saved": ("phi_qv", ["--lora-bias", "lora_only", "--use-rslora", "--lora-modules-to-save", "lm_head", "final_layernorm"]),
    "phi head and embedding targeted": ("phi_qv", ["--lora-target-modules", "lm_head", "embed_tokens", "fc1"]),
    "llama patterns": ("llama_tied", ["--lora-target-modules", "all-linear", "--rank-pattern", "q_proj=3", "--alpha-pattern", "layers.0.mlp.up_proj=32"]),
    "llama one layer, excluded": ("llama_tied", ["--lora-target-modules", "q_proj", "up_proj", "--layers-to-transform", "0", "--exclude-modules", "up_proj"]),
    "qwen2 regular expression": ("qwen2_tied", ["--lora-target-modules", r".*\.(k_proj|down_proj)"]),
    "qwen2 embedding saved": ("qwen2_tied", ["--lora-modules-to-save", "embed_tokens"]),
}


def run(*words: str) -> None:
    subprocess.run([*BINARY, *map(str, words)], check=True, capture_output=True)


def check(name: str, case: str, options: list[str], work: Path) -> float:
    folder = CASES / case
    inputs = json.loads((folder / "inputs.json").read_text())
    rows = work / "rows.jsonl"
    with rows.open("w") as file:
        for ids, mask, labels in zip(inputs["input_ids"], inputs["attention_mask"], inputs["labels"]):
            real = [i for i, bit in enumerate(mask) if bit]
            file.write(json.dumps({"input_ids": [ids[i] for i in real], "labels": [labels[i] for i in real]}) + "\n")
    adapter, output = work / "run", work / "out.safetensors"
    run("train", "--model", folder / "model", "--dataset", rows, "--output-dir", adapter, "--max-steps", 5,
        "--learning-rate", "0.05", "--lora-r", 4, "--lora-alpha", 16, "--lora-dropout", 0.1, *options)
    run("inspect", "--model", folder / "model", "--adapter", adapter, "--inputs", folder / "inputs.json", "--output", output)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32), str(adapter))
    mask = torch.tensor(inputs["attention_mask"])
    with torch.no_grad():
        logits = model.eval()(input_ids=torch.tensor(inputs["input_ids"]), attention_mask=mask).logits
    ours = load_file(output)
    difference = (ours["logits"] - logits)[mask == 1].abs().max().item()
    moved = (ours["logits"] - ours["logits_base"])[mask == 1].abs().max().item()
    again = work / "again"
    model.save_pretrained(str(again))
    before, after = load_file(adapter / "adapter_model.safetensors"), load_file(again / "adapter_model.safetensors")
    same = all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    print(f"{name:45} logits differ by {difference:.1e} (adapter moves them by {moved:.2f}); saved again by PEFT: {'same tensors' if same else 'DIFFERENT'}")
    return difference if same and moved > 0.01 else float("inf")


def main() -> int:
    worst = 0.0
    for name, (case, options) in KINDS.items():
        with tempfile.TemporaryDirectory() as work:
            worst = max(worst, check(name, case, options, Path(work)))
    print(f"largest difference {worst:.1e}, allowed {TOLERANCE:.0e}")
    return 0 if worst < TOLERANCE else 1


sys.exit(main())
