"""A case folder -> what torch and PEFT compute with it: logits, loss, gradients, 20 training steps, rounding noise."""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file

HYPER = {
    "optimizer": "torch.optim.AdamW, one parameter group (decay on every trainable parameter, biases too)",
    "lr": 1e-3,
    "betas": [0.9, 0.999],
    "eps": 1e-8,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "warmup_steps": 2,
    "total_steps": 20,
    "schedule": "transformers.get_cosine_schedule_with_warmup: lr(step k, k from 0) = lr*k/2 for k<2, "
    "else lr*0.5*(1+cos(pi*(k-2)/18)); so the first step has lr 0",
}
KEPT_STEPS = (1, 2, 5, 20)
# Float32 and float64 part by more than this after 20 steps only where rounding decides: other tensors stay near 1e-7.
NOISE_DECIDED = 5e-6


def saved_name(parameter_name: str) -> str:
    """The name in adapter_model.safetensors of a trainable parameter of a PeftModel."""
    return parameter_name.replace(".modules_to_save.default.", ".").replace(".default", "")


def trainable(model) -> dict[str, torch.nn.Parameter]:
    return {saved_name(name): p for name, p in model.named_parameters() if p.requires_grad}


def load_model(folder: Path, attention: str = "eager"):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention
    ).eval()


def load_adapted(folder: Path, is_trainable: bool = False, dtype=torch.float32, attention: str = "eager"):
    base = load_model(folder / "model", attention)
    return peft.PeftModel.from_pretrained(base, folder / "adapter", is_trainable=is_trainable).to(dtype).eval()


def read_batch(folder: Path) -> dict[str, torch.Tensor]:
    return {key: torch.tensor(rows) for key, rows in json.loads((folder / "inputs.json").read_text()).items()}


def run(model, batch: dict) -> tuple[torch.Tensor, torch.Tensor]:
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"])
    return output.logits, output.loss


def train(model, batch: dict) -> tuple[dict, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """-> the numbers of every step, the gradients of the first, trained tensors after the kept steps."""
    parameters = trainable(model)
    optimizer = torch.optim.AdamW(
        parameters.values(),
        lr=HYPER["lr"],
        betas=tuple(HYPER["betas"]),
        eps=HYPER["eps"],
        weight_decay=HYPER["weight_decay"],
        foreach=False,
    )
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, HYPER["warmup_steps"], HYPER["total_steps"])
    numbers: dict[str, list[float]] = {"loss": [], "grad_norm": [], "lr": []}
    gradients: dict[str, torch.Tensor] = {}
    states: dict[str, torch.Tensor] = {}
    for step in range(1, HYPER["total_steps"] + 1):
        optimizer.zero_grad()
        _, loss = run(model, batch)
        loss.backward()
        if step == 1:
            gradients = {n: p.grad.detach().clone() for n, p in parameters.items() if p.grad is not None}
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), HYPER["max_grad_norm"])
        numbers["loss"].append(loss.item())
        numbers["grad_norm"].append(norm.item())
        numbers["lr"].append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        if step in KEPT_STEPS:
            states |= {f"step{step}/{n}": p.detach().clone() for n, p in parameters.items() if n in gradients}
    return numbers, gradients, states


def largest(difference: torch.Tensor) -> float:
    return difference.abs().max().item() if difference.numel() else 0.0


def measure_noise(folder: Path, batch: dict, eager: tuple) -> dict:
    """How far float32 runs (the given one, and one with sdpa attention) are from the same run with float64 weights."""
    # No attention mask here: padding stands behind the text, so a causal model never looks at it, and a row of a sliding
    # window that sees padding alone is NaN in float64 (the smallest float64 becomes -inf in the float32 softmax).
    unmasked = {**batch, "attention_mask": torch.ones_like(batch["attention_mask"])}

    def run_and_train(**how) -> tuple:
        model = load_adapted(folder, is_trainable=True, **how)
        with torch.no_grad():
            logits, loss = run(model, unmasked)
        return logits, loss, *train(model, unmasked)

    logits, loss, numbers, gradients, states = run_and_train(dtype=torch.float64)
    runs = (eager, run_and_train(attention="sdpa"))
    real = batch["attention_mask"].bool()

    def of_state(key: str) -> float:
        return max(largest(other[4][key] - states[key]) for other in runs)

    of_step = {name: of_state(f"step20/{name}") for name in gradients}
    return {
        "note": "max abs difference of two fp32 runs (eager and sdpa attention) to the same run with float64 weights "
        "(RMSNorm, softmax and rope stay fp32 inside transformers); logits only where attention_mask is 1; "
        "step20_by_param says which trained tensors are decided by rounding",
        "loss": max(abs(other[1].item() - loss.item()) for other in runs),
        "grad": max(largest(other[3][name] - gradients[name]) for other in runs for name in gradients),
        "logits": max(largest((other[0] - logits)[real]) for other in runs),
        **{f"step{step}": max(of_state(f"step{step}/{name}") for name in gradients) for step in KEPT_STEPS},
        "step20_by_param": of_step,
        "noise_decided_params": [name for name, difference in of_step.items() if difference > NOISE_DECIDED],
        "train_loss": max(abs(a - b) for other in runs for a, b in zip(other[2]["loss"], numbers["loss"])),
        "train_grad_norm_rel": max(
            abs(a / b - 1) for other in runs for a, b in zip(other[2]["grad_norm"], numbers["grad_norm"])
        ),
    }


def compute(folder: Path, with_merged: bool) -> tuple[dict[str, torch.Tensor], dict]:
    """model/, adapter/ and inputs.json -> expected tensors and expected numbers."""
    batch = read_batch(folder)
    real = batch["attention_mask"].bool()
    tensors: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        tensors["logits_base"], loss_base = run(load_model(folder / "model"), batch)
        model = load_adapted(folder)
        tensors["logits"], loss = run(model, batch)
        with model.disable_adapter():
            disabled, _ = run(model, batch)
        if not torch.equal(disabled, tensors["logits_base"]):
            tensors["logits_disabled"] = disabled
        checks: dict[str, float] = {}
        if (folder / "config_v4.json").exists():
            with tempfile.TemporaryDirectory() as old:
                for weights in (folder / "model").glob("model*.safetensors*"):
                    shutil.copy(weights, old)
                shutil.copy(folder / "config_v4.json", Path(old) / "config.json")
                again, _ = run(load_model(Path(old)), batch)
            checks["config_v4_logits_maxdiff"] = largest(again - tensors["logits_base"])
        if with_merged:
            merged = model.merge_and_unload()
            tensors["logits_merged"], _ = run(merged, batch)
            if not (folder / "merged").exists():
                merged.save_pretrained(folder / "merged")
                (folder / "merged" / "generation_config.json").unlink(missing_ok=True)
            checks["merged_vs_adapter_logits_maxdiff"] = largest((tensors["logits_merged"] - tensors["logits"])[real])
            again, _ = run(load_model(folder / "merged"), batch)
            checks["merged_reload_logits_maxdiff"] = largest(again - tensors["logits_merged"])
    tensors["loss"] = loss.reshape(1)

    model = load_adapted(folder, is_trainable=True)
    numbers, gradients, states = train(model, batch)
    with torch.no_grad():
        tensors["logits_after_20"], _ = run(model, batch)
    noise = measure_noise(folder, batch, (tensors["logits"], loss, numbers, gradients, states))
    tensors |= {f"grad/{name}": gradient for name, gradient in gradients.items()} | states
    parameters = trainable(model)
    saved = load_file(folder / "adapter" / "adapter_model.safetensors")
    result = {
        "case": folder.name,
        "versions": {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
            "python": sys.version.split()[0],
        },
        "attn_implementation": "eager",
        "dtype": "float32",
        "loss": loss.item(),
        "loss_base": loss_base.item(),
        "trainable": [name for name in parameters if name in gradients],
        "trainable_count": sum(p.numel() for name, p in parameters.items() if name in gradients),
        "n_loss_tokens": int((batch["labels"][:, 1:] != -100).sum()),
        "logits_delta_max": largest((tensors["logits"] - tensors["logits_base"])[real]),
        "grad_absmax": {name: largest(gradient) for name, gradient in gradients.items()},
        "hyper": HYPER,
        "train": {
            **numbers,
            "note": "loss and grad_norm (before clipping) are measured before that step's update; lr is the one the "
            "update used",
        },
        "checks": checks,
        "fp32_noise": noise,
        # Tensors in the adapter file that no step changes, and parameters PEFT marks as trained that get no gradient.
        "saved_not_trained": sorted(set(saved) - set(gradients)),
        "without_gradient": [name for name in parameters if name not in gradients],
        "trained_not_saved": sorted(set(gradients) - set(saved)),
    }
    for name, tensor in tensors.items():
        if tensor.isnan().any():
            raise RuntimeError(f"{folder.name}: {name} holds NaN")
    return {name: t.detach().float().contiguous() for name, t in tensors.items()}, result
