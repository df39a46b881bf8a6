# A base and an adapter from the Hub's cache, merged models and phinetune's logits -> how near PEFT and transformers come to these.
# Run: check_chain.mjs runs it, where PYTHON is given
import json
import sys

import numpy as np
import peft
import torch
import transformers
from peft import AutoPeftModelForCausalLM
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
told = json.loads(open(sys.argv[1]).read())
wanted = load_file(told["logits"])["logits"]  # [answers, places, V]


@torch.no_grad()
def logits_of(model):
    """Logits at the places of the answers, which end each row."""
    model.eval()
    places = wanted.shape[1]
    return np.stack([model(torch.tensor([ids])).logits[0, -places:].float().numpy() for ids in told["rows"]])


def distance(found):
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def table_gelu(x):
    """GELU as llama.cpp looks it up: argument and value have 16 bits."""
    rounded = torch.nn.functional.gelu(x.half().float(), approximate="tanh").half().float()
    return torch.where(x <= -10, torch.zeros_like(x), torch.where(x >= 10, x, rounded))


versions = {module.__name__: module.__version__ for module in (torch, transformers, peft)}
model = AutoPeftModelForCausalLM.from_pretrained(told["adapter"], dtype=torch.float32)
result = {"versions": versions, "base": model.peft_config["default"].base_model_name_or_path}
result["peft"] = distance(logits_of(model))
for form, folder in told["merged"].items():
    result[form] = distance(logits_of(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)))
if told["table"]:
    model = AutoModelForCausalLM.from_pretrained(told["merged"]["float32"], dtype=torch.float32)
    for layer in model.model.layers:
        layer.mlp.activation_fn.forward = table_gelu
    save_file({"logits": logits_of(model)}, told["table"])
print(json.dumps(result))
