"""LoraConfig settings -> the names PEFT trains and saves, or the error it raises; one line each in matching.json."""

import copy
import json
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import peft
import torch
import transformers
from golden_cases import CASES, PHI_LINEAR, SMALL, SMALL_CONFIG, Case, lora
from golden_compute import saved_name
from make_goldens import make_config
from safetensors import safe_open

TIED = {"tie_word_embeddings": True}
QV = ["q_proj", "v_proj"]

# What the cases do not cover: edges of matching, and settings that PEFT refuses.
PROBES: dict[str, Case] = {
    **{name: replace(case, config={**case.config, **SMALL_CONFIG.get(name, {})}) for name, case in CASES.items()},
    "phi_all_linear_exclude_list": Case("phi", lora("all-linear", exclude_modules=["q_proj", "fc1"])),
    "phi_all_linear_upper_case": Case("phi", lora("ALL-LINEAR")),
    "phi_all_linear_with_layers": Case("phi", lora("all-linear", layers_to_transform=[1])),
    "phi_all_linear_save_head": Case("phi", lora("all-linear", modules_to_save=["lm_head"])),
    "phi_all_linear_save_fc2": Case("phi", lora("all-linear", modules_to_save=["fc2"])),
    "phi_all_linear_in_list": Case("phi", lora(["all-linear"])),
    "phi_regex_plain_name": Case("phi", lora("q_proj")),
    "phi_regex_whole_path": Case("phi", lora(r"model\.layers\.\d+\.self_attn\.(q|k)_proj")),
    "phi_regex_prefix_only": Case("phi", lora(r".*q_pro")),
    "phi_regex_head": Case("phi", lora(r"lm_head|.*fc1")),
    "phi_regex_with_layers": Case("phi", lora(r".*q_proj", layers_to_transform=[0])),
    "phi_unknown_name": Case("phi", lora(["query"])),
    "phi_partly_unknown": Case("phi", lora(["q_proj", "query", "up_proj"])),
    "phi_name_is_part_of_component": Case("phi", lora(["proj"])),
    "phi_two_components": Case("phi", lora(["self_attn.q_proj", "0.mlp.fc1"])),
    "phi_empty_list": Case("phi", lora([])),
    "phi_excluded_all": Case("phi", lora(["q_proj"], exclude_modules=["q_proj"])),
    "phi_exclude_regex": Case("phi", lora(PHI_LINEAR, exclude_modules=r".*layers\.0\..*")),
    "phi_exclude_unknown": Case("phi", lora(QV, exclude_modules=["nothing"])),
    "phi_layers_int": Case("phi", lora(QV, layers_to_transform=1)),
    "phi_layers_empty": Case("phi", lora(QV, layers_to_transform=[])),
    "phi_layers_out_of_range": Case("phi", lora(QV, layers_to_transform=[0, 7])),
    "phi_layers_only_out_of_range": Case("phi", lora(QV, layers_to_transform=[7])),
    "phi_layers_and_head": Case("phi", lora(["q_proj", "lm_head"], layers_to_transform=[0])),
    "phi_layers_full_path_of_other_layer": Case(
        "phi", lora(["model.layers.0.self_attn.q_proj", "fc1"], layers_to_transform=[1])
    ),
    "phi_layers_pattern_list": Case("phi", lora(QV, layers_to_transform=[1], layers_pattern=["h", "layers"])),
    "phi_layers_pattern_wrong": Case("phi", lora(QV, layers_to_transform=[1], layers_pattern="blocks")),
    "phi_layers_pattern_alone": Case("phi", lora(QV, layers_pattern="layers")),
    "phi_layernorm_target": Case("phi", lora(["q_proj", "input_layernorm"])),
    "phi_mlp_target": Case("phi", lora(["mlp"])),
    "phi_rank_zero": Case("phi", lora(QV, 0)),
    "phi_rank_pattern_suffix": Case("phi", lora(QV, rank_pattern={"proj": 2})),
    "phi_rank_pattern_order": Case("phi", lora(QV, rank_pattern={"q_proj": 2, "layers.0.self_attn.q_proj": 6})),
    "phi_rank_pattern_order_reversed": Case(
        "phi", lora(QV, rank_pattern={"layers.0.self_attn.q_proj": 6, "q_proj": 2})
    ),
    "phi_rank_pattern_caret": Case("phi", lora(QV, rank_pattern={r"^model\.layers\.0\.self_attn\.q_proj": 6})),
    "phi_rank_pattern_caret_short": Case("phi", lora(QV, rank_pattern={r"^self_attn\.q_proj": 6})),
    "phi_rank_pattern_alternation": Case("phi", lora(QV, rank_pattern={r"q_proj|v_proj": 2})),
    "phi_rank_pattern_head_component": Case("phi", lora(QV, rank_pattern={"layers.0": 2})),
    "phi_save_attention": Case("phi", lora(["fc1"], modules_to_save=["dense"])),
    "phi_save_also_target": Case("phi", lora(["q_proj", "dense"], modules_to_save=["dense"])),
    "phi_save_full_path": Case("phi", lora(["q_proj"], modules_to_save=["model.layers.0.mlp.fc1"])),
    "phi_save_unknown": Case("phi", lora(["q_proj"], modules_to_save=["score"])),
    "phi_save_regex": Case("phi", lora(["q_proj"], modules_to_save=[".*fc1"])),
    "phi_save_mlp": Case("phi", lora(["q_proj"], modules_to_save=["mlp"])),
    "phi_save_norm_bias_all": Case("phi", lora(["q_proj"], bias="all", modules_to_save=["final_layernorm"])),
    "phi_save_head_lora_only": Case("phi", lora(["fc1"], bias="lora_only", modules_to_save=["lm_head"])),
    "phi_save_embed_only": Case("phi", lora(["q_proj"], modules_to_save=["embed_tokens"])),
    "phi_no_target_but_save": Case("phi", lora([], modules_to_save=["lm_head"])),
    "phi_bias_unknown": Case("phi", lora(QV, bias="lora")),
    "phi_embed_and_head": Case("phi", lora(["embed_tokens", "lm_head"])),
    "phi_embed_bias_all": Case("phi", lora(["embed_tokens", "q_proj"], bias="all")),
    "phi_target_head_bias_all": Case("phi", lora(["q_proj", "lm_head"], bias="all")),
    "llama_default_targets": Case("llama", lora(None)),
    "llama_all_linear_tied": Case("llama", lora("all-linear"), TIED),
    "llama_tied_save_both": Case("llama", lora(QV, modules_to_save=["embed_tokens", "lm_head"]), TIED),
    "llama_tied_save_both_tied": Case(
        "llama", lora(QV, modules_to_save=["embed_tokens", "lm_head"], ensure_weight_tying=True), TIED
    ),
    "llama_tied_save_head_tied": Case("llama", lora(QV, modules_to_save=["lm_head"], ensure_weight_tying=True), TIED),
    "llama_tied_embed_lora_tied": Case(
        "llama", lora(["q_proj", "embed_tokens"], ensure_weight_tying=True), TIED
    ),
    "llama_tied_embed_and_head": Case("llama", lora(["embed_tokens", "lm_head"]), TIED),
    "llama_untied_ensure_tying": Case("llama", lora(QV, modules_to_save=["lm_head"], ensure_weight_tying=True)),
    "llama_bias_all_without_biases": Case("llama", lora(QV, bias="all")),
    "llama_bias_lora_only_without_biases": Case("llama", lora(QV, bias="lora_only")),
    "qwen2_default_targets": Case("qwen2", lora(None)),
    "qwen2_bias_lora_only": Case("qwen2", lora(["q_proj", "o_proj", "up_proj"], bias="lora_only")),
}


def probe(case: Case) -> dict:
    model_class = getattr(transformers, {"phi": "Phi", "llama": "Llama", "qwen2": "Qwen2"}[case.family] + "ForCausalLM")
    result: dict = {"family": case.family, "config": case.config, "lora": case.lora}
    with warnings.catch_warnings(record=True) as caught, tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("always")
        try:
            torch.manual_seed(0)
            base = model_class(make_config(case, SMALL))
            model = peft.get_peft_model(base, peft.LoraConfig(task_type="CAUSAL_LM", **copy.deepcopy(case.lora)))
            parameters = {saved_name(n): list(p.shape) for n, p in model.named_parameters() if p.requires_grad}
            count, total = model.get_nb_trainable_parameters()
            model.save_pretrained(folder)
            with safe_open(Path(folder) / "adapter_model.safetensors", "pt") as file:
                saved = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}
            config = json.loads((Path(folder) / "adapter_config.json").read_text())
            targets = config["target_modules"]
            scaling = {n: m.scaling["default"] for n, m in base.named_modules() if isinstance(getattr(m, "scaling", 0), dict)}
            result |= {
                "target_modules_saved": sorted(targets) if isinstance(targets, list) else targets,
                "trainable_count": count,
                "all_count": total,
                "trained": parameters,
                "saved_besides": {n: s for n, s in saved.items() if n not in parameters},
                "not_saved": sorted(set(parameters) - set(saved)),
                # One number where all modules have the same.
                "scaling": scaling if len(set(scaling.values())) > 1 else next(iter(scaling.values())),
            }
        except Exception as error:  # Whatever PEFT raises is the finding.
            result["error"] = f"{type(error).__name__}: {str(error)[:400]}"
    result["warnings"] = sorted({str(w.message).split("\n")[0][:200] for w in caught if "peft" in w.filename})
    return result


def write_matching(path: Path) -> None:
    lines = []
    for name, case in PROBES.items():
        found = probe(case)
        lines.append(f"{json.dumps(name)}: {json.dumps(found)}")
        outcome = found.get("error") or f"{found['trainable_count']} of {found['all_count']} trained"
        print(f"{name}: {outcome} {found['warnings']}", flush=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
