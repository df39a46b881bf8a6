"""The table of golden cases -> folders with a tiny model, an adapter and what torch + PEFT compute with them.

    python test/goldens/make_goldens.py small [OUT]     the committed cases, into test/goldens/cases
    python test/goldens/make_goldens.py full OUT [NAME …]      all cases in full form (hidden size 48, with merged/)
    python test/goldens/make_goldens.py random OUT SEED COUNT  cases drawn at random, in full form
    python test/goldens/make_goldens.py matching [OUT]  which modules PEFT adapts, or why it refuses: matching.json
    python test/goldens/make_goldens.py check DIR …     computes existing cases again and compares

Made with Python 3.11, torch 2.13 (CPU), transformers 5.18, peft 0.21; the versions stand in every
expected.json. The same versions on the same kind of CPU make the same bytes; elsewhere the last bits may differ.
"""

import contextlib
import copy
import json
import math
import os
import random
import shutil
import sys
import warnings
import zlib
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import peft
import torch
import transformers
from golden_cases import (
    CASES,
    COMMITTED,
    DEFAULT_ROPE,
    FULL,
    GENERATION,
    SMALL,
    SMALL_CONFIG,
    SMALL_SHARD_BYTES,
    Case,
    Sizes,
)
from golden_compute import KEPT_STEPS, compute, largest, load_model, read_batch, run
from golden_generation import compute_generation, make_generation
from safetensors.torch import load_file, save_file

FAMILIES = {
    "phi": (transformers.PhiConfig, transformers.PhiForCausalLM),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
}


def seed_of(name: str) -> int:
    return zlib.crc32(name.encode())


def make_config(case: Case, sizes: Sizes):
    given = dict(case.config)
    heads = given.get("num_attention_heads", sizes.heads)
    settings = {
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.intermediate[case.family],
        "num_attention_heads": heads,
        "num_key_value_heads": heads // given.pop("kv_groups", 1),
        "num_hidden_layers": sizes.layers,
        "vocab_size": sizes.vocab,
        "max_position_embeddings": 64,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
        "use_cache": False,
        **given,
    }
    partial = settings.pop("partial_rotary_factor", 0.5)
    settings.setdefault("rope_parameters", DEFAULT_ROPE)
    settings["rope_parameters"] = dict(settings["rope_parameters"])
    if case.family == "phi":
        settings["rope_parameters"]["partial_rotary_factor"] = partial
        settings["partial_rotary_factor"] = partial
    else:
        settings["pad_token_id"] = 0
    return FAMILIES[case.family][0](attn_implementation="eager", **settings)


def make_model(case: Case, sizes: Sizes, seed: int):
    """Random weights of a scale at which every part of the model has a say in the logits."""
    model = FAMILIES[case.family][1](make_config(case, sizes)).float().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("bias"):
                parameter.copy_(0.05 * noise)
            elif "norm" in name:
                parameter.copy_(1 + 0.1 * noise)
            elif "embed_tokens" in name:
                parameter.copy_((0.3 if case.config.get("tie_word_embeddings") else 0.5) * noise)
            else:
                parameter.copy_(0.12 * math.sqrt(48 / sizes.hidden) * noise)
    return model


def make_inputs(sizes: Sizes, seed: int) -> dict:
    """Rows of falling length, right padded with 0; the first labels of each row are not trained."""
    draw = random.Random(seed)
    longest = max(sizes.lengths)
    inputs: dict[str, list] = {"input_ids": [], "attention_mask": [], "labels": []}
    for row, length in enumerate(sizes.lengths):
        ids = [draw.randrange(3, sizes.vocab) for _ in range(length)]
        pad = longest - length
        prompt = max(1, 3 - row)
        inputs["input_ids"].append(ids + [0] * pad)
        inputs["attention_mask"].append([1] * length + [0] * pad)
        inputs["labels"].append([-100] * prompt + ids[prompt:] + [-100] * pad)
    return inputs


def make_adapter(case: Case, folder: Path, seed: int) -> torch.Tensor:
    """model/ -> adapter/, every trained tensor moved off its initial value so that no gradient is zero; -> logits."""
    base = load_model(folder / "model")
    torch.manual_seed(seed)
    config = peft.LoraConfig(task_type="CAUSAL_LM", **copy.deepcopy(case.lora))
    model = peft.get_peft_model(base, config)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if not parameter.requires_grad:
                continue
            noise = torch.randn(parameter.shape, generator=generator)
            if "lora_embedding_A" in name or "lora_B" in name:
                parameter.copy_(0.05 * noise)
            elif "lora_embedding_B" in name:
                parameter.copy_(0.3 * noise)
            elif "lora_A" in name:
                if case.lora.get("init_lora_weights") != "gaussian":
                    parameter.copy_(noise / math.sqrt(parameter.shape[1]))
            else:
                parameter.add_(0.02 * noise)
    with working_directory(folder):
        model.peft_config["default"].base_model_name_or_path = "model"
        model.save_pretrained("adapter")
    path = folder / "adapter" / "adapter_config.json"
    saved = json.loads(path.read_text())
    for key in ("target_modules", "exclude_modules", "modules_to_save"):
        # PEFT keeps sets: sorted, two runs write the same file.
        if isinstance(saved[key], list):
            saved[key] = sorted(saved[key])
    path.write_text(json.dumps(saved, indent=2) + "\n")
    with torch.no_grad():
        return run(model.eval(), read_batch(folder))[0]


@contextlib.contextmanager
def working_directory(folder: Path):
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def config_v4(model_folder: Path) -> dict:
    """The configuration under the key names of transformers 4."""
    config = json.loads((model_folder / "config.json").read_text())
    rope = dict(config.pop("rope_parameters"))
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.37.0"
    config.pop("layer_types", None)
    config["rope_theta"] = rope.pop("rope_theta")
    rope.pop("partial_rotary_factor", None)
    kind = rope.pop("rope_type")
    # `type` was the older name; llama3 scaling came with `rope_type`.
    key = "rope_type" if kind == "llama3" else "type"
    config["rope_scaling"] = None if kind == "default" else {key: kind, **rope}
    return config


def draw_case(folder: Path, case: Case, sizes: Sizes, full: bool, seed: int) -> tuple[dict[str, torch.Tensor], dict]:
    """Writes model, inputs and adapter into an empty folder and computes what is expected of them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = make_model(case, sizes, seed).to(getattr(torch, case.dtype))
    shards = {"max_shard_size": case.shard_bytes if full else SMALL_SHARD_BYTES} if case.shard_bytes else {}
    model.save_pretrained(folder / "model", **shards)
    (folder / "model" / "generation_config.json").unlink(missing_ok=True)
    (folder / "config_v4.json").write_text(json.dumps(config_v4(folder / "model"), indent=1) + "\n")
    (folder / "inputs.json").write_text(json.dumps(make_inputs(sizes, seed + 2)) + "\n")
    logits = make_adapter(case, folder, seed + 3)
    tensors, result = compute(folder, with_merged=full)
    result["checks"]["reload_logits_maxdiff"] = largest(tensors["logits"] - logits)
    return tensors, result


def make_case(root: Path, name: str, case: Case, sizes: Sizes, full: bool) -> None:
    """Draws again while a LoRA matrix holds, by accident, an element whose gradient is lost in rounding."""
    folder = root / name
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for attempt in range(50):
            tensors, result = draw_case(folder, case, sizes, full, seed_of(name) + 10 * attempt)
            noise = result["fp32_noise"]
            if all(".lora_" not in n or d < 1e-6 for n, d in noise["step20_by_param"].items()):
                break
        else:
            raise RuntimeError(f"{name}: rounding decides in every draw")
    if not full:
        (folder / "adapter" / "README.md").unlink(missing_ok=True)
        tensors.pop("logits_after_20")
        result.pop("grad_absmax")
    result["lora_config"] = case.lora
    result["peft_warnings"] = sorted({str(w.message).split("\n")[0][:300] for w in caught if "peft" in w.filename})
    save_file(tensors, folder / "expected.safetensors", {"format": "pt"})
    (folder / "expected.json").write_text(json.dumps(result, indent=1) + "\n")
    odd = {k: result[k] for k in ("saved_not_trained", "without_gradient", "trained_not_saved") if result[k]}
    checks = {key: f"{value:.0e}" for key, value in result["checks"].items() if value > 1e-7}
    print(
        f"{name}: draw {attempt}, loss {result['loss']:.5f}, delta {result['logits_delta_max']:.2f}, "
        f"{result['trainable_count']} trained, noise {noise['logits']:.1e} {noise['step20']:.1e} "
        f"{noise['noise_decided_params']} {checks} {odd}",
        flush=True,
    )


def make(root: Path, sizes: Sizes, names: list[str], full: bool) -> None:
    refused = {}
    for name in names:
        case = CASES[name]
        if not full:
            rank = case.lora["r"] if "rank_pattern" in case.lora else 2
            config = {**case.config, **SMALL_CONFIG.get(name, {})}
            case = replace(case, config=config, lora={**case.lora, "r": rank})
        try:
            make_case(root, name, case, sizes, full)
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            if not full:
                raise
            refused[name] = f"{type(error).__name__}: {error}"
            shutil.rmtree(root / name)
            print(f"{name}: REFUSED {refused[name]}", flush=True)
    if refused:
        (root / "refused.json").write_text(json.dumps(refused, indent=1) + "\n")
    for name, case in GENERATION.items():
        if case in names:
            shutil.rmtree(root / name, ignore_errors=True)
            make_generation(root, name, case, sizes)


def check(folder: Path) -> bool:
    """Prints by how much a new computation differs from what the folder holds, and which fields are not there."""
    held = json.loads((folder / "expected.json").read_text())
    wanted = load_file(folder / "expected.safetensors")
    if "max_new_tokens" in held:
        spec = {key: value for key, value in held.items() if key not in ("with_adapter", "base")}
        tensors, result = compute_generation(folder.parent, spec)
        same = all(held[kind]["new_tokens"] == result[kind]["new_tokens"] for kind in ("with_adapter", "base"))
    else:
        tensors, result = compute(folder, with_merged=(folder / "merged").exists())
        same = held["trainable"] == result["trainable"]
        for key in ("loss", "grad_norm", "lr"):
            pairs = zip(held["train"][key], result["train"][key])
            print(f"  train.{key}: {max(abs(a - b) / max(abs(a), 1e-9) for a, b in pairs):.1e} relative")
    decided = held.get("fp32_noise", {}).get("noise_decided_params", [])
    skipped = {f"step{step}/{name}" for step in KEPT_STEPS for name in decided}
    differences: dict[str, float] = {}
    for name in sorted(set(wanted) & set(tensors) - skipped):
        kind = name.split("/")[0]
        differences[kind] = max(differences.get(kind, 0.0), largest(wanted[name] - tensors[name]))
    print(folder.name, "same names and tokens" if same else "OTHER NAMES OR TOKENS", json.dumps(differences))
    for what, one, other in (("tensors", wanted, tensors), ("fields", held, result)):
        if set(one) != set(other):
            print(f"  {what} only held: {sorted(set(one) - set(other))}, only computed: {sorted(set(other) - set(one))}")
    return same and max(differences.values()) < 1e-5


def main() -> None:
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    here = Path(__file__).resolve().parent
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "small":
        make(Path(arguments[0]) if arguments else here / "cases", SMALL, COMMITTED, full=False)
    elif command == "full":
        make(Path(arguments[0]), FULL, arguments[1:] or list(CASES), full=True)
    elif command == "random":
        from random_cases import draw_cases

        CASES.update(drawn := draw_cases(int(arguments[1]), int(arguments[2])))
        make(Path(arguments[0]), FULL, list(drawn), full=True)
    elif command == "matching":
        from matching_probes import write_matching

        write_matching(Path(arguments[0]) if arguments else here / "matching.json")
    elif command == "check":
        results = [check(Path(folder).resolve()) for folder in arguments]
        sys.exit(0 if all(results) else 1)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
