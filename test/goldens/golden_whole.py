"""The models of golden cases -> what torch computes when the whole model is trained: loss, gradients, 20 steps.

    python test/goldens/golden_whole.py     into test/goldens/cases/whole_<case>

Model and inputs are those of the named case. Settings, noise and versions as in golden_compute.py.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from golden_compute import HYPER, NOISE_DECIDED, largest, load_model, read_batch, run, train
from safetensors.torch import save_file

WHOLE = ["phi_qv", "phi_qk_layernorm_gqa", "llama_tied", "llama_biases_all", "qwen2_tied"]


def compute(folder: Path) -> tuple[dict[str, torch.Tensor], dict]:
    batch = read_batch(folder)
    model = load_model(folder / "model")
    with torch.no_grad():
        _, loss = run(model, batch)
    numbers, gradients, states = train(model, batch)
    exact = train(load_model(folder / "model").double(), {**batch, "attention_mask": torch.ones_like(batch["attention_mask"])})
    names = list(gradients)
    noise = {name: largest(states[f"step20/{name}"] - exact[2][f"step20/{name}"]) for name in names}
    tensors = {"loss": loss.reshape(1)}
    tensors |= {f"grad/{name}": gradients[name] for name in names}
    tensors |= {f"step20/{name}": states[f"step20/{name}"] for name in names}
    result = {
        "case": folder.name,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "hyper": HYPER,
        "train": numbers,
        "step20_noise": noise,
        "noise_decided_params": [name for name, difference in noise.items() if difference > NOISE_DECIDED],
        "train_loss_noise": max(abs(a - b) for a, b in zip(numbers["loss"], exact[0]["loss"])),
        "train_grad_norm_noise": max(abs(a / b - 1) for a, b in zip(numbers["grad_norm"], exact[0]["grad_norm"])),
    }
    return {name: tensor.detach().float().contiguous() for name, tensor in tensors.items()}, result


def main() -> None:
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    cases = Path(__file__).resolve().parent / "cases"
    for name in WHOLE:
        tensors, result = compute(cases / name)
        folder = cases / f"whole_{name}"
        folder.mkdir(exist_ok=True)
        save_file(tensors, folder / "expected.safetensors", {"format": "pt"})
        (folder / "expected.json").write_text(json.dumps(result, indent=1) + "\n")
        print(name, f"loss {tensors['loss'].item():.5f}, noise {max(result['step20_noise'].values()):.1e}", result["noise_decided_params"])


if __name__ == "__main__":
    main()
