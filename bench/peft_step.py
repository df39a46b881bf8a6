"""A model of phi-1.5's width -> the time and memory of one LoRA training step in transformers + PEFT, as one JSON line.

    python bench/peft_step.py --make --model DIR [--layers 4] [--stored float16]   random weights into DIR, nothing is measured
    python bench/peft_step.py --model DIR [--steps 8] [--bf16] [--labels half]

One process is one measurement, so that a driver can take turns with another program. B=2, T=256, r=8 on q_proj, k_proj,
v_proj, dense, fc1 and fc2; AdamW; sdpa attention; the weights stay frozen in the dtype asked for, the adapter is float32
(PEFT's default). A step is forward, backward, clipping and the optimizer. Peak memory: VmHWM holds the mapped weight
file too, so the largest private (anonymous) memory, sampled every 10 ms, stands beside it.
"""

import argparse
import json
import os
import statistics
import threading
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

TARGETS = ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"]


def status_mib(key: str) -> float:
    """A figure of /proc/self/status in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) / 1024, 1)


class AnonymousPeak(threading.Thread):
    """Samples the private memory of this process until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.mib = 0.0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.01):
            self.mib = max(self.mib, status_mib("RssAnon"))

    def finish(self) -> float:
        self.stopped.set()
        self.join()
        return self.mib


def make(folder: Path, layers: int, dtype: str) -> None:
    """The same file for the same number of layers: weights from a seeded generator, biases zero, norms one."""
    import torch
    import transformers

    config = transformers.PhiConfig(
        vocab_size=51200,
        hidden_size=2048,
        intermediate_size=8192,
        num_attention_heads=32,
        num_hidden_layers=layers,
        partial_rotary_factor=0.5,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = transformers.PhiForCausalLM(config).to(getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size="100GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--stored", choices=["float32", "float16"], default="float32", help="as phi-1.5: float16")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="frozen weights and activations in bfloat16")
    parser.add_argument("--labels", choices=["full", "half"], default="full", help="half: the first half is not trained")
    parser.add_argument("--attention", choices=["sdpa", "eager"], default="sdpa")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    options = parser.parse_args()
    if options.make:
        make(options.model, options.layers, options.stored)
        return

    peak = AnonymousPeak()
    peak.start()
    start = time.perf_counter()
    import peft
    import torch
    import transformers

    imported = time.perf_counter()
    torch.set_num_threads(options.threads)
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        options.model,
        dtype=torch.bfloat16 if options.bf16 else torch.float32,
        attn_implementation=options.attention,
        use_cache=False,
    )
    model = peft.get_peft_model(
        model, peft.LoraConfig(r=options.rank, lora_alpha=16, target_modules=TARGETS, task_type="CAUSAL_LM")
    )
    if options.gradient_checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    loaded = time.perf_counter()

    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-4, weight_decay=0.0)
    torch.manual_seed(1)
    losses, seconds, cpu_seconds = [], [], []
    for step in range(options.warm_up + options.steps):
        ids = torch.randint(0, model.config.vocab_size, (options.batch, options.length))
        labels = ids.clone()
        if options.labels == "half":
            labels[:, : options.length // 2] = -100
        begin, cpu_begin = time.perf_counter(), time.process_time()
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if step >= options.warm_up:
            seconds.append(time.perf_counter() - begin)
            cpu_seconds.append(time.process_time() - cpu_begin)

    tokens = options.batch * options.length
    median = statistics.median(seconds)
    result = {
        "program": "peft",
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
        "layers": model.config.num_hidden_layers,
        "dtype": "bfloat16" if options.bf16 else "float32",
        "batch": options.batch,
        "length": options.length,
        "rank": options.rank,
        "labels": options.labels,
        "attention": options.attention,
        "gradient_checkpointing": options.gradient_checkpointing,
        "threads": torch.get_num_threads(),
        "trainable": sum(parameter.numel() for parameter in trained),
        "median_step_seconds": round(median, 4),
        "min_step_seconds": round(min(seconds), 4),
        # Over all threads, waiting threads included: says how much of the wall time another program took.
        "median_cpu_seconds": round(statistics.median(cpu_seconds), 4),
        "step_seconds": [round(value, 4) for value in seconds],
        "tokens_per_second": round(tokens / median, 1),
        "best_tokens_per_second": round(tokens / min(seconds), 1),
        "peak_rss_mib": status_mib("VmHWM"),
        "peak_anonymous_mib": peak.finish(),
        "import_seconds": round(imported - start, 2),
        "load_seconds": round(loaded - imported, 2),
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
