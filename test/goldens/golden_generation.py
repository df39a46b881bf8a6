"""A model, an adapter and prompts -> greedy tokens and logits, alone and in a left-padded batch."""

import json
import random
import zlib
from pathlib import Path

import peft
import torch
import transformers
from golden_cases import Sizes
from golden_compute import largest, load_model
from safetensors.torch import save_file


def generate(model, ids: list[list[int]], mask: list[list[int]], count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Greedy continuation without end token -> tokens [B, count], raw logits [B, count, V]."""
    model.generation_config.eos_token_id = None
    output = model.generate(
        input_ids=torch.tensor(ids),
        attention_mask=torch.tensor(mask),
        max_new_tokens=count,
        do_sample=False,
        use_cache=True,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return output.sequences[:, len(ids[0]) :], torch.stack(output.logits, dim=1)


def compute_generation(root: Path, spec: dict) -> tuple[dict[str, torch.Tensor], dict]:
    tensors: dict[str, torch.Tensor] = {}
    result = dict(spec)
    prompts, count = spec["prompts"], spec["max_new_tokens"]
    for kind in ("with_adapter", "base"):
        model = load_model(root / spec["model"])
        if kind == "with_adapter":
            model = peft.PeftModel.from_pretrained(model, root / spec["adapter"]).eval()
        singles = [generate(model, [prompt], [[1] * len(prompt)], count) for prompt in prompts]
        padded = spec["left_padded"]
        tokens, logits = generate(model, padded["input_ids"], padded["attention_mask"], count)
        margins, full = [], 0.0
        for row, (single, single_logits) in enumerate(singles):
            tensors[f"{kind}/prompt{row}/logits_per_step"] = single_logits[0].contiguous()
            top = single_logits[0].topk(2, dim=-1).values
            margins.append((top[:, 0] - top[:, 1]).min().item())
            text = torch.tensor([prompts[row] + single[0].tolist()])
            with torch.no_grad():
                whole = model(input_ids=text).logits[0, len(prompts[row]) - 1 : -1]
            full = max(full, largest(whole - single_logits[0]))
        result[kind] = {
            "new_tokens": [single[0].tolist() for single, _ in singles],
            "min_top1_top2_margin": margins,
            "batch_left_padded_new_tokens": tokens.tolist(),
            "batch_equals_single": all(torch.equal(tokens[i], s[0]) for i, (s, _) in enumerate(singles)),
            "batch_vs_single_logits_maxdiff": max(largest(logits[i] - s[0]) for i, (_, s) in enumerate(singles)),
            "cache_vs_full_forward_maxdiff": full,
        }
    return tensors, result


def make_generation(root: Path, name: str, case: str, sizes: Sizes) -> None:
    """Prompts are drawn until no greedy choice hangs on rounding."""
    folder = root / name
    folder.mkdir(parents=True)
    for attempt in range(200):
        draw = random.Random(zlib.crc32(name.encode()) + attempt)
        prompts = [[draw.randrange(3, sizes.vocab) for _ in range(length)] for length in sizes.prompts]
        longest = max(sizes.prompts)
        spec = {
            "case": name,
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
            "model": f"{case}/model",
            "adapter": f"{case}/adapter",
            "max_new_tokens": sizes.new_tokens,
            "pad_token_id": 0,
            "eos": "disabled",
            "prompts": prompts,
            "left_padded": {
                "input_ids": [[0] * (longest - len(p)) + p for p in prompts],
                "attention_mask": [[0] * (longest - len(p)) + [1] * len(p) for p in prompts],
            },
        }
        tensors, result = compute_generation(root, spec)
        kinds = (result["with_adapter"], result["base"])
        if all(min(k["min_top1_top2_margin"]) > 1e-3 and k["batch_equals_single"] for k in kinds):
            break
    else:
        raise RuntimeError(f"{name}: no prompts found whose greedy tokens are all clear")
    save_file(tensors, folder / "expected.safetensors", {"format": "pt"})
    (folder / "expected.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"{name}: margin {min(min(k['min_top1_top2_margin']) for k in kinds):.4f}, attempt {attempt}", flush=True)
