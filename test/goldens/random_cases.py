"""A seed -> golden cases drawn at random over families, sizes and all settings of LoRA that phinetune knows."""

import random
from typing import Any

from golden_cases import LLAMA3_ROPE, Case

LINEAR = {
    "phi": ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"],
    "llama": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    "qwen2": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
}
NORMS = {
    "phi": ["input_layernorm", "final_layernorm"],
    "llama": ["input_layernorm", "post_attention_layernorm", "norm"],
    "qwen2": ["input_layernorm", "post_attention_layernorm", "norm"],
}


def draw_model(draw: random.Random, family: str) -> dict[str, Any]:
    heads = draw.choice([2, 3, 4, 6])
    config: dict[str, Any] = {
        "num_attention_heads": heads,
        "kv_groups": draw.choice([g for g in (1, 2, 3, 4, 6) if heads % g == 0]),
        "hidden_size": heads * draw.choice([8, 12, 16]),
        "intermediate_size": draw.choice([40, 56, 96]),
        "num_hidden_layers": draw.choice([1, 2, 3]),
        "tie_word_embeddings": draw.random() < 0.4,
    }
    if family == "phi":
        config["partial_rotary_factor"] = draw.choice([0.5, 0.5, 1.0])
        config["qk_layernorm"] = draw.random() < 0.3
        config["hidden_act"] = draw.choice(["gelu_new", "gelu_new", "gelu", "gelu_pytorch_tanh", "relu", "silu"])
        config["layer_norm_eps"] = draw.choice([1e-5, 1e-5, 1e-6, 1e-3])
    else:
        config["rms_norm_eps"] = draw.choice([1e-6, 1e-5, 1e-3])
        rope = draw.choice(["default", "default", "llama3", "linear"])
        if rope == "llama3":
            config["rope_parameters"] = LLAMA3_ROPE | {"factor": draw.choice([4.0, 8.0, 32.0])}
        elif rope == "linear":
            config["rope_parameters"] = {"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}
        else:
            theta = draw.choice([1e4, 5e5, 1e6])
            config["rope_parameters"] = {"rope_type": "default", "rope_theta": theta}
    if family == "llama":
        config["attention_bias"] = draw.random() < 0.3
        config["mlp_bias"] = draw.random() < 0.3
        if draw.random() < 0.2:
            config["head_dim"] = draw.choice([8, 16])
    if family == "qwen2" and draw.random() < 0.3:
        window = {"use_sliding_window": True, "sliding_window": draw.choice([2, 4, 7])}
        config |= window | {"max_window_layers": draw.choice([0, 1])}
    return config


def draw_targets(draw: random.Random, family: str, layers: int) -> Any:
    names = LINEAR[family]
    kind = draw.random()
    if kind < 0.25:
        return "all-linear"
    if kind < 0.35:
        return None
    if kind < 0.5:
        some = "|".join(draw.sample(names, draw.randint(1, 3)))
        return draw.choice(
            [rf".*\.({some})", rf".*layers\.[0-{layers - 1}]\..*({some})", rf"model\.layers\.0\.\w+\.({some})"]
        )
    if kind < 0.6:
        layer = draw.randrange(layers)
        where = ["self_attn.q_proj", "self_attn.v_proj", f"mlp.{names[-1]}"]
        return [f"{draw.choice(['model.', ''])}layers.{layer}.{name}" for name in draw.sample(where, 2)]
    return draw.sample(names, draw.randint(1, len(names)))


def draw_lora(draw: random.Random, family: str, config: dict[str, Any]) -> dict[str, Any]:
    layers = config["num_hidden_layers"]
    targets = draw_targets(draw, family, layers)
    lora: dict[str, Any] = {
        "r": draw.choice([1, 2, 3, 4, 8]),
        "lora_alpha": draw.choice([1, 4, 8, 16, 5]),
        "target_modules": targets,
        "bias": draw.choice(["none", "none", "all", "lora_only"]),
        "use_rslora": draw.random() < 0.3,
        "init_lora_weights": draw.choice([True, True, "gaussian"]),
    }
    names = LINEAR[family]
    if draw.random() < 0.3:
        keys = draw.sample([*names, r"layers\.0\.\w+\.\w+", rf"^model\.layers\.0\.self_attn\.{names[0]}", "v_proj"], 2)
        lora["rank_pattern"] = {key: draw.choice([1, 2, 5]) for key in keys}
    if draw.random() < 0.3:
        keys = draw.sample([*names, r"layers\.1\.mlp\.\w+", r".*\.0\..*v_proj"], 2)
        lora["alpha_pattern"] = {key: draw.choice([3, 7, 20]) for key in keys}
    if isinstance(targets, list) and "." not in targets[0]:
        if draw.random() < 0.25:
            lora["layers_to_transform"] = draw.choice([0, [0], [layers - 1], list(range(layers))])
        elif draw.random() < 0.2:
            targets.append("lm_head")
        elif draw.random() < 0.15:
            targets.append("embed_tokens")
    if draw.random() < 0.25:
        lora["exclude_modules"] = draw.choice([["layers.0.self_attn.v_proj"], [names[1]], rf".*\.{names[2]}"])
    if draw.random() < 0.3:
        taken = targets if isinstance(targets, list) else []
        free = [name for name in [*NORMS[family], "lm_head", "embed_tokens"] if name not in taken]
        lora["modules_to_save"] = draw.sample(free, draw.randint(1, 2))
    return lora


def draw_cases(seed: int, count: int) -> dict[str, Case]:
    """PEFT refuses some of them; make_goldens.py lists those in refused.json."""
    draw = random.Random(seed)
    cases = {}
    for index in range(count):
        family = draw.choice(["phi", "llama", "qwen2"])
        config = draw_model(draw, family)
        lora = draw_lora(draw, family, config)
        dtype = draw.choice(["float32", "float32", "float32", "float16", "bfloat16"])
        shards = draw.choice([0, 0, 20_000])
        cases[f"r{seed}_{index:03d}_{family}"] = Case(family, lora, config, dtype, shards)
    return cases
