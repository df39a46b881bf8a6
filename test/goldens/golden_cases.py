"""The table of golden cases: which model, which adapter; read by make_goldens.py."""

from dataclasses import dataclass, field
from typing import Any

DEFAULT_ROPE = {"rope_type": "default", "rope_theta": 10000.0}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    # So short that 16 positions reach all three branches of the scaling.
    "original_max_position_embeddings": 32,
}
PHI_LINEAR = ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"]


@dataclass(frozen=True)
class Case:
    """`config` goes over the family's sizes, with kv_groups = attention heads per key/value head; `lora` to LoraConfig."""

    family: str
    lora: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    # How the base lies on disk; it always computes in float32.
    dtype: str = "float32"
    shard_bytes: int = 0


@dataclass(frozen=True)
class Sizes:
    hidden: int
    intermediate: dict[str, int]
    heads: int
    layers: int
    vocab: int
    lengths: tuple[int, ...]
    prompts: tuple[int, ...]
    new_tokens: int


FULL = Sizes(48, {"phi": 96, "llama": 80, "qwen2": 80}, 4, 2, 128, (16, 11, 6), (9, 5, 2), 24)
SMALL = Sizes(16, {"phi": 32, "llama": 24, "qwen2": 24}, 2, 2, 64, (10, 6), (6, 3, 1), 12)


def lora(target: Any, r: int = 4, alpha: int = 8, **more: Any) -> dict[str, Any]:
    return {"r": r, "lora_alpha": alpha, "target_modules": target, **more}


CASES: dict[str, Case] = {
    "phi_qv": Case("phi", lora(["q_proj", "v_proj"], 8, 16, bias="none")),
    "phi_all_bias_all": Case("phi", lora(PHI_LINEAR, bias="all")),
    "phi_lora_only_rslora": Case(
        "phi",
        lora(PHI_LINEAR, bias="lora_only", use_rslora=True),
        {"partial_rotary_factor": 0.25, "num_attention_heads": 3},
    ),
    "phi_qk_layernorm_gqa": Case("phi", lora("all-linear"), {"qk_layernorm": True, "kv_groups": 2}),
    "phi_qk_layernorm_bias_all": Case("phi", lora("all-linear", bias="all"), {"qk_layernorm": True}),
    # Head size 12 x 0.4 = 4.8: the rotary part is cut down to 4.
    "phi_patterns": Case(
        "phi",
        lora(
            "all-linear",
            rank_pattern={"q_proj": 2, r"layers\.1\.mlp\.fc1": 6, r"^model\.layers\.0\.self_attn\.dense": 3},
            alpha_pattern={"v_proj": 32, r".*\.1\.mlp\.fc\d": 5},
            exclude_modules=["k_proj", "layers.0.mlp.fc2"],
        ),
        {"partial_rotary_factor": 0.4, "hidden_act": "gelu_new"},
    ),
    "phi_layers_exclude_regex": Case(
        "phi",
        lora(
            ["q_proj", "k_proj", "dense", "fc1", "fc2"],
            layers_to_transform=[1],
            exclude_modules=r".*\.fc2",
            rank_pattern={"dense": 2},
            use_rslora=True,
        ),
    ),
    "phi_layers_pattern": Case("phi", lora(["q_proj", "fc1"], layers_to_transform=[0], layers_pattern="layers")),
    "phi_full_paths": Case(
        "phi", lora(["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.fc1", "layers.1.self_attn.v_proj"])
    ),
    "phi_default_targets": Case("phi", lora(None)),
    "phi_save_head": Case("phi", lora(["q_proj", "v_proj"], modules_to_save=["lm_head"])),
    "phi_save_embed_head": Case("phi", lora(["q_proj", "fc2"], modules_to_save=["embed_tokens", "lm_head"])),
    "phi_save_norms": Case(
        "phi", lora(["q_proj", "v_proj"], modules_to_save=["final_layernorm", "input_layernorm"])
    ),
    "phi_save_head_bias_all": Case("phi", lora(["q_proj"], bias="all", modules_to_save=["lm_head"])),
    "phi_target_head": Case("phi", lora(["q_proj", "lm_head"])),
    "phi_target_head_lora_only": Case("phi", lora(["fc1", "lm_head"], bias="lora_only")),
    "phi_embed_lora": Case("phi", lora(["q_proj", "embed_tokens"])),
    "phi_bias_all_rslora_gaussian": Case(
        "phi", lora(["q_proj", "v_proj"], 8, bias="all", use_rslora=True, init_lora_weights="gaussian")
    ),
    "phi_gelu": Case("phi", lora("all-linear"), {"hidden_act": "gelu"}),
    "phi_relu": Case("phi", lora("all-linear"), {"hidden_act": "relu"}),
    "llama_tied": Case("llama", lora("all-linear", 8, 16), {"tie_word_embeddings": True, "kv_groups": 2}),
    "llama_rope_llama3": Case("llama", lora("all-linear"), {"rope_parameters": LLAMA3_ROPE, "kv_groups": 2}),
    "llama_rope_llama3_biases": Case(
        "llama",
        lora("all-linear", bias="lora_only"),
        {"rope_parameters": LLAMA3_ROPE, "kv_groups": 2, "attention_bias": True, "mlp_bias": True},
    ),
    "llama_biases_all": Case(
        "llama", lora(["q_proj", "down_proj"], bias="all"), {"attention_bias": True, "mlp_bias": True}
    ),
    "llama_rope_linear": Case(
        "llama",
        lora(["q_proj", "k_proj", "o_proj", "gate_proj"]),
        {"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 10000.0}},
    ),
    "llama_head_dim": Case("llama", lora("all-linear"), {"head_dim": 16, "kv_groups": 2}),
    "llama_save_norm": Case("llama", lora(["q_proj"], modules_to_save=["norm"])),
    "llama_tied_save_embed": Case(
        "llama", lora(["q_proj", "v_proj"], modules_to_save=["embed_tokens"]), {"tie_word_embeddings": True}
    ),
    "llama_tied_save_embed_tied": Case(
        "llama",
        lora(["q_proj", "v_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True),
        {"tie_word_embeddings": True},
    ),
    "llama_tied_save_head": Case(
        "llama", lora(["q_proj", "v_proj"], modules_to_save=["lm_head"]), {"tie_word_embeddings": True}
    ),
    "llama_tied_embed_lora": Case("llama", lora(["q_proj", "embed_tokens"]), {"tie_word_embeddings": True}),
    "llama_tied_target_head": Case("llama", lora(["q_proj", "lm_head"]), {"tie_word_embeddings": True}),
    "llama_bf16_sharded": Case(
        "llama", lora("all-linear"), {"kv_groups": 2, "tie_word_embeddings": True}, "bfloat16", 20_000
    ),
    "phi_f16": Case("phi", lora("all-linear", bias="all"), {}, "float16"),
    "qwen2_tied": Case("qwen2", lora("all-linear"), {"tie_word_embeddings": True, "kv_groups": 2}),
    "qwen2_untied": Case("qwen2", lora("all-linear"), {"kv_groups": 2}),
    "qwen2_tied_bias_all": Case("qwen2", lora("all-linear", bias="all"), {"tie_word_embeddings": True}),
    "qwen2_untied_bias_all": Case("qwen2", lora("all-linear", bias="all"), {"kv_groups": 4}),
    "qwen2_regex": Case("qwen2", lora(r".*\.(self_attn\.[qv]_proj|1\.mlp\.(gate|down)_proj)"), {"kv_groups": 2}),
    "qwen2_sliding_window": Case(
        "qwen2",
        lora("all-linear"),
        {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1, "kv_groups": 2},
    ),
}

# Generation: the case whose model and adapter are used.
GENERATION = {
    "generate_phi": "phi_qv",
    "generate_llama": "llama_rope_llama3",
    "generate_qwen2": "qwen2_tied",
    "generate_qwen2_sliding_window": "qwen2_sliding_window",
}

# The committed cases; the small model differs only in its sizes.
COMMITTED = [
    "phi_qv",
    "phi_all_bias_all",
    "phi_lora_only_rslora",
    "phi_qk_layernorm_gqa",
    "phi_save_head",
    "phi_save_embed_head",
    "phi_save_norms",
    "phi_target_head",
    "phi_patterns",
    "phi_layers_exclude_regex",
    "phi_full_paths",
    "phi_gelu",
    "llama_tied",
    "llama_rope_llama3",
    "llama_biases_all",
    "llama_rope_linear",
    "llama_head_dim",
    "llama_bf16_sharded",
    "qwen2_tied",
    "qwen2_untied_bias_all",
    "qwen2_regex",
    "qwen2_sliding_window",
]
SMALL_CONFIG = {
    # A head size of 8 would leave an odd rotary part of 3.
    "phi_patterns": {"partial_rotary_factor": 0.5},
    "phi_lora_only_rslora": {"num_attention_heads": 2},
    "qwen2_untied_bias_all": {"kv_groups": 2},
}
SMALL_SHARD_BYTES = 6_000
