# Cases of check_mlx.mjs -> whether mlx-lm, with the adapter loaded, has the logits that phinetune has with the PEFT adapter.
# Run: see check_mlx.mjs
import json
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx_lm.tuner.utils import load_adapters
from mlx_lm.utils import load_model
from safetensors.numpy import load_file

LIMIT = 1e-4
work = Path(sys.argv[1])
told = json.loads((work / "cases.json").read_text())
ids = mx.array([told["ids"]])
wrong = []


def distance(found, wanted):
    """Largest difference, and the largest logit."""
    return float(np.abs(found - wanted).max()), float(np.abs(wanted).max())


print("| case | base | with the adapter | what the adapter changes |\n|---|---|---|---|")
for case in told["cases"]:
    name = case["name"]
    wanted = {form: load_file(work / f"{name}-{form}.safetensors")["logits"] for form in ("base", "adapted")}
    model, _ = load_model(Path(case["model"]))
    model.set_dtype(mx.float32)
    model.eval()
    base = np.array(model(ids).astype(mx.float32))
    model = load_adapters(model, case["mlx"])
    model.eval()
    adapted = np.array(model(ids).astype(mx.float32))
    (plain, largest), (with_adapter, most) = distance(base, wanted["base"]), distance(adapted, wanted["adapted"])
    change, _ = distance(wanted["adapted"], wanted["base"])
    print(f"| {name} | {plain:.1e} of {largest:.1f} | {with_adapter:.1e} of {most:.1f} | {change:.1f} |")
    if plain > LIMIT * largest or with_adapter > LIMIT * most or change < 0.1:
        wrong.append(name)
print("all as it should be" if not wrong else f"differences: {', '.join(wrong)}")
sys.exit(1 if wrong else 0)
