"""Whether a model that `phinetune merge` wrote gives transformers the logits that PEFT computes with base and adapter.

    npm run build && python test/goldens/check_merged.py

Random phi, llama and qwen2 models (untied and tied heads; stored as float32, float16 and bfloat16, whole and in
shards) with random adapters (ranks and alphas by pattern, rsLoRA, trained biases, embedding and head trained whole).
Two adapters are merged with weights as well; PEFT combines them by hand, each scaled. In float32 the largest difference
of a logit must stay below 2e-5; in 16 bits the merged weights are rounded to them, and the difference must stay below
what rounding the weights of PEFT's own merge makes of it, and a tenth more.

Made with torch 2.13, transformers 5.18, peft 0.21.
"""

import copy
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402
import transformers  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SIZES = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
FAMILIES = {
    "phi": (transformers.PhiConfig, transformers.PhiForCausalLM, {"partial_rotary_factor": 0.5}),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM, {"attention_bias": True}),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM, {}),
}
ADAPTERS = {
    "plain": {"target_modules": "all-linear"},
    "patterns": {
        "target_modules": "all-linear",
        "use_rslora": True,
        "rank_pattern": {"q_proj": 2},
        "alpha_pattern": {"v_proj": 3},
        "bias": "all",
    },
    "whole modules": {"target_modules": ["q_proj", "v_proj"], "modules_to_save": ["embed_tokens", "lm_head"]},
}
failures = 0


def randomised(model: torch.nn.Module, scale: float) -> None:
    for name, parameter in model.named_parameters():
        if "lora_" in name or parameter.requires_grad:
            parameter.data += scale * torch.randn_like(parameter)


def logits(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.float().eval()(ids).logits


def check(about: str, difference: float, bound: float) -> None:
    global failures
    right = difference <= bound
    failures += not right
    print(f"{'right' if right else 'WRONG'}  {about}: largest difference {difference:.2e}, bound {bound:.2e}", flush=True)


def merge(base: Path, adapters: list[str], output: Path, *more: str) -> None:
    words = ["node", str(ROOT / "dist/cli/main.js"), "merge", "--model", str(base), "--adapter", *adapters, *more]
    subprocess.run([*words, "--output-dir", str(output)], check=True, capture_output=True)


def main() -> None:
    torch.manual_seed(0)
    ids = torch.randint(0, SIZES["vocab_size"], (2, 24))
    with tempfile.TemporaryDirectory() as scratch:
        for family, (config_type, model_type, more) in FAMILIES.items():
            for tied in (False, True):
                if family == "phi" and tied:
                    continue
                config = config_type(**SIZES, **more, tie_word_embeddings=tied)
                for dtype in (torch.float32, torch.float16, torch.bfloat16):
                    for kind, settings in ADAPTERS.items():
                        if tied and kind == "whole modules":
                            continue
                        name = f"{family}{' tied' if tied else ''} {str(dtype)[6:]} {kind}"
                        folder = Path(scratch) / name.replace(" ", "_")
                        base = model_type(config)
                        for parameter in base.parameters():
                            parameter.data = 0.3 * torch.randn_like(parameter)
                        base = base.to(dtype)
                        base.save_pretrained(folder / "base", max_shard_size="20KB" if kind == "plain" else "5GB")
                        adapted = get_peft_model(
                            copy.deepcopy(base).float(), LoraConfig(r=4, lora_alpha=8, task_type="CAUSAL_LM", **settings)
                        )
                        randomised(adapted, 0.1)
                        adapted.save_pretrained(folder / "adapter", save_embedding_layers=kind == "whole modules")
                        merge(folder / "base", [str(folder / "adapter")], folder / "merged")
                        merged = model_type.from_pretrained(folder / "merged", dtype="auto")
                        assert merged.dtype == dtype, f"{name}: stored as {merged.dtype}"
                        loaded = PeftModel.from_pretrained(
                            model_type.from_pretrained(folder / "base", dtype=torch.float32), folder / "adapter"
                        )
                        expected = logits(loaded, ids)
                        own = loaded.merge_and_unload().to(dtype)
                        rounding = (logits(own, ids) - expected).abs().max().item()
                        bound = 2e-5 if dtype == torch.float32 else 1.1 * rounding
                        check(name, (logits(merged, ids) - expected).abs().max().item(), bound)

        folder = Path(scratch) / "two"
        base = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES))
        base.save_pretrained(folder / "base")
        products = {}
        for name, weight in (("one", 0.7), ("two", -0.4)):
            adapted = get_peft_model(copy.deepcopy(base), LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
            randomised(adapted, 0.1)
            adapted.save_pretrained(folder / name)
            before = {key: value.clone() for key, value in base.named_parameters()}
            for key, value in adapted.merge_and_unload().named_parameters():
                products[key] = products.get(key, 0) + weight * (value.data - before[key].data)
        merge(folder / "base", [f"{folder}/one", f"{folder}/two"], folder / "merged", "--adapter-weights", "0.7", "-0.4")
        for key, value in base.named_parameters():
            value.data += products[key]
        merged = transformers.LlamaForCausalLM.from_pretrained(folder / "merged")
        difference = (logits(merged, ids) - logits(base, ids)).abs().max().item()
        check("two adapters, weighted", difference, 2e-5)
    sys.exit(f"{failures} wrong" if failures else 0)


if __name__ == "__main__":
    main()
