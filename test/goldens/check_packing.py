"""Whether packed rows give what transformers gives with the positions and the block-diagonal mask of the same rows.

    npm run build && python test/goldens/check_packing.py

Packs rows of random ids into two sequences, lets `phinetune inspect` write logits, loss and gradients for the adapters
of the golden cases, and compares them with PEFT's (torch 2.13, transformers 5.18, peft 0.21), which is given
position_ids, a 4D mask made by hand, and labels without the first token of each row.
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
BINARY = os.environ.get("PHINETUNE_BINARY", str(ROOT / "dist" / "cli" / "main.js"))
NAMES = ["phi_all_bias_all", "phi_qk_layernorm_gqa", "llama_biases_all", "llama_tied", "qwen2_tied", "qwen2_sliding_window"]
# Lengths of the rows of each sequence.
SEQUENCES = [[9, 1, 14, 5], [12, 8]]
LOGITS, GRADIENTS = 2e-5, 1e-4


def mask_of(rows: torch.Tensor, window: int | None) -> torch.Tensor:
    """[B, T] numbers of rows -> [B, 1, T, T]: 0 where a token sees another one, else the lowest number."""
    at = torch.arange(rows.shape[1])
    distance = at[:, None] - at[None, :]
    near = (distance >= 0) & (distance < (window or rows.shape[1]))
    seen = near & (rows[:, :, None] == rows[:, None, :])
    return torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]


def check(name: str, work: Path) -> tuple[float, float]:
    folder = CASES / name
    base = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32, attn_implementation="eager")
    length = max(map(sum, SEQUENCES))
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, base.config.vocab_size, (len(SEQUENCES), length), generator=generator)
    rows, positions = torch.zeros_like(ids), torch.zeros_like(ids)
    for b, lengths in enumerate(SEQUENCES):
        row = torch.tensor([i for i, n in enumerate(lengths, 1) for _ in range(n)])
        rows[b, : len(row)] = row
        positions[b, : len(row)] = torch.tensor([t for n in lengths for t in range(n)])
    labels = ids.masked_fill(rows == 0, -100)

    inputs, output = work / "inputs.json", work / "out.safetensors"
    inputs.write_text(json.dumps({"input_ids": ids.tolist(), "attention_mask": rows.tolist(), "labels": labels.tolist()}))
    words = ["inspect", "--model", folder / "model", "--adapter", folder / "adapter", "--inputs", inputs, "--output", output]
    subprocess.run(["node", BINARY, *map(str, words)], check=True, capture_output=True)
    ours = load_file(output)

    model = PeftModel.from_pretrained(base, str(folder / "adapter"), is_trainable=True).eval()
    window = getattr(base.config, "sliding_window", None)
    masks = {"full_attention": mask_of(rows, None), "sliding_attention": mask_of(rows, window)}
    mask = masks if "sliding_attention" in getattr(base.config, "layer_types", []) else masks["full_attention"]
    made = model(
        input_ids=ids, position_ids=positions, attention_mask=mask, labels=labels.masked_fill(positions == 0, -100)
    )
    made.loss.backward()
    real = rows > 0
    logits = (ours["logits"] - made.logits.detach())[real].abs().max().item()
    worst = (ours["loss"] - made.loss.detach()).abs().item()
    gradients = {key: value for key, value in ours.items() if key.startswith("grad/")}
    theirs = {
        n.replace(".default", "").replace(".modules_to_save", ""): p.grad
        for n, p in model.named_parameters()
        if p.requires_grad and p.grad is not None
    }
    assert len(gradients) == len(theirs), (len(gradients), len(theirs))
    for key, value in gradients.items():
        other = theirs[key.removeprefix("grad/")]
        scale = other.abs().max().item()
        # The gradient of a key's bias is zero but for rounding where positions do not turn it.
        worst = max(worst, (value - other).abs().max().item() / max(scale, 1e-3))
    return logits, worst


def main() -> int:
    failed = False
    for name in NAMES:
        with tempfile.TemporaryDirectory() as work:
            logits, worst = check(name, Path(work))
        failed |= logits > LOGITS or worst > GRADIENTS
        print(f"{name:24} logits {logits:.1e}, loss and gradients {worst:.1e}")
    return 1 if failed else 0


sys.exit(main())
