"""Whether --load-in-4bit computes what PEFT does on a model that transformers loads by bitsandbytes, in NF4 with double quantisation.

    npm run build && python test/goldens/check_nf4.py MODEL [MODEL …]

Holds every cached layer against quantize_4bit of bitsandbytes (packed places, factors, dequantised numbers), then loss, logits
and the gradients of an adapter on all linear layers against PEFT's, in float32 on a processor. Needs torch, transformers, peft
and bitsandbytes (2.13, 5.18, 0.21, 0.50.2 were used) without its native library for processors: that one rounds factors by a
table, and with AVX-512 dequantises wrongly where a width is a multiple of 16 but not of 64 (docs/decisions/nf4.md).
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import bitsandbytes.functional as F  # noqa: E402
import torch  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM, BitsAndBytesConfig  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PHINETUNE_BINARY", str(ROOT / "dist" / "cli" / "main.js"))
LOGITS, GRADIENTS = 5e-5, 2e-4


def in_4_bit(folder: str):
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", quantization_config=config, device_map="cpu"
    )


def compare_layers(cache: Path, weights: dict[str, torch.Tensor]) -> None:
    """Prints how many layers are equal to the last bit, and how far the others are."""
    layers, places, factors, offsets, worst = 0, 0, 0, 0, 0.0
    count = 0
    for file in sorted(cache.rglob("*.safetensors")):
        ours = load_file(file)
        with safe_open(file, "pt") as opened:
            weight = weights[opened.metadata()["module"] + ".weight"].float()
        packed, theirs = F.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        layers += 1
        count += theirs.absmax.numel()
        places += (ours["packed"] != packed.reshape(-1)).sum().item()
        factors += (ours["absmax"].reshape(-1)[: theirs.absmax.numel()] != theirs.absmax).sum().item()
        offsets += int(ours["nested_offset"].item() != theirs.offset.item())
        wanted = F.dequantize_4bit(packed, theirs)
        # The same numbers by bitsandbytes from what lies in the cache.
        theirs.absmax = ours["absmax"].reshape(-1)[: theirs.absmax.numel()]
        theirs.state2.absmax, theirs.offset = ours["nested_absmax"].reshape(-1), ours["nested_offset"]
        found = F.dequantize_4bit(ours["packed"].reshape(-1, 1), theirs)
        worst = max(worst, ((found - wanted).abs().max() / weight.abs().max()).item())
    print(
        f"  {layers} layers: {places} other bytes of places, {factors} of {count} other factors, "
        f"{offsets} other offsets; farthest number {worst:.1e} of the largest weight"
    )


def check(folder: str, work: Path) -> bool:
    model = in_4_bit(folder)
    weights = {n: t for file in Path(folder).glob("*.safetensors") for n, t in load_file(file).items()}
    adapter = work / "adapter"
    torch.manual_seed(1)
    made = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    made.save_pretrained(adapter)

    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, model.config.vocab_size, (2, 24), generator=generator)
    labels = ids.clone()
    labels[:, :8] = -100
    inputs, output = work / "inputs.json", work / "out.safetensors"
    inputs.write_text(json.dumps({"input_ids": ids.tolist(), "labels": labels.tolist()}))
    words = ["inspect", "--model", folder, "--adapter", adapter, "--inputs", inputs, "--output", output, "--load-in-4bit"]
    environment = {**os.environ, "PHINETUNE_CACHE": str(work / "cache")}
    subprocess.run(["node", BINARY, *map(str, words)], check=True, capture_output=True, env=environment)
    ours = load_file(output)
    compare_layers(work / "cache", weights)

    # In evaluation, bitsandbytes computes in bfloat16 on some processors. No model here has dropout.
    result = made.train()(input_ids=ids, labels=labels)
    result.loss.backward()
    logits = (ours["logits"] - result.logits.detach()).abs().max().item() / result.logits.abs().max().item()
    loss = (ours["loss"] - result.loss.detach()).abs().item()
    theirs = {
        name.replace(".default", ""): parameter.grad
        for name, parameter in made.named_parameters()
        if parameter.requires_grad
    }
    gradients = {key: value for key, value in ours.items() if key.startswith("grad/")}
    assert gradients.keys() == {f"grad/{name}" for name in theirs}, (len(gradients), len(theirs))
    differences, norm, worst = 0.0, 0.0, 0.0
    for key, value in gradients.items():
        other = theirs[key.removeprefix("grad/")]
        differences += ((value - other) ** 2).sum().item()
        norm += (other**2).sum().item()
        worst = max(worst, (value - other).abs().max().item() / max(other.abs().max().item(), 1e-6))
    relative = (differences / norm) ** 0.5
    with torch.no_grad():
        exact = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
        exact = PeftModel.from_pretrained(exact, str(adapter)).eval()(input_ids=ids, labels=labels).loss.item()
    print(
        f"  logits {logits:.1e}, loss {loss:.1e} (of {result.loss.item():.4f}; in float32 weights {exact:.4f}), "
        f"gradients {relative:.1e} over all, {worst:.1e} of a tensor's largest"
    )
    return logits < LOGITS and loss < LOGITS and relative < GRADIENTS


def main() -> int:
    failed = False
    for folder in sys.argv[1:]:
        print(folder)
        with tempfile.TemporaryDirectory() as work:
            failed |= not check(folder, Path(work))
    return 1 if failed or len(sys.argv) < 2 else 0


sys.exit(main())
