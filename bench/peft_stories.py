"""A model folder and tokenised rows -> one LoRA run with TRL + PEFT, printed as one JSON line: losses, time, memory.

    python bench/peft_stories.py --model DIR --rows DIR [--seed 0] [--accumulation 1] [--output DIR]

DIR of --rows holds train.jsonl and eval.jsonl, an object with input_ids and labels a line (bench/alpaca_rows.py makes
them), so that another program can be given the same tokens. The evaluation loss is the sum of the token losses over
all held-out rows divided by their number. The settings are the defaults below; everything else is as TRL has it,
except that gradient checkpointing is off.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import datasets
import peft
import torch
import transformers
import trl


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def held_out_loss(model, rows: list[dict], batch_size: int) -> tuple[float, int]:
    """Token-weighted mean of the losses over `rows`, and the number of tokens."""
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            longest = max(len(row["input_ids"]) for row in part)

            def padded(key: str, filler: int) -> torch.Tensor:
                return torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in part])

            mask = torch.tensor([[1] * len(r["input_ids"]) + [0] * (longest - len(r["input_ids"])) for r in part])
            labels = padded("labels", -100)[:, 1:]
            causal = model.get_base_model()
            hidden = causal.model(input_ids=padded("input_ids", 0), attention_mask=mask).last_hidden_state[:, :-1]
            # The head on the labelled positions only: a third less work, the same sum.
            logits = causal.lm_head(hidden[labels != -100]).float()
            total += torch.nn.functional.cross_entropy(logits, labels[labels != -100], reduction="sum").item()
            count += int((labels != -100).sum())
    model.train(was_training)
    return total / count, count


def status_mib(key: str) -> float:
    """A figure of /proc/self/status in MiB: VmHWM is the peak resident set, RssAnon its private part now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) / 1024, 1)


class AnonymousPeak(transformers.TrainerCallback):
    """Largest private memory seen at the ends of steps."""

    mib = 0.0

    def on_step_end(self, args, state, control, **kwargs):
        self.mib = max(self.mib, status_mib("RssAnon"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--output", type=Path, help="where the adapter is saved; nowhere if left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--accumulation", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--group-by-length", action="store_true", help="rows of like length share a batch")
    parser.add_argument("--sequential", action="store_true", help="rows in the order of the file, no shuffling")
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.set_seed(options.seed)
    train, held_out = read_rows(options.rows / "train.jsonl"), read_rows(options.rows / "eval.jsonl")
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    # Padding never counts: it is masked and has no labels. This tokenizer has no pad token of its own.
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    lora = peft.LoraConfig(
        r=8, lora_alpha=16, lora_dropout=options.dropout, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    sampling = "sequential" if options.sequential else "group_by_length" if options.group_by_length else "random"
    memory = AnonymousPeak()
    with tempfile.TemporaryDirectory() as scratch:
        settings = trl.SFTConfig(
            output_dir=scratch,
            seed=options.seed,
            per_device_train_batch_size=options.batch,
            gradient_accumulation_steps=options.accumulation,
            num_train_epochs=options.epochs,
            learning_rate=options.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=0,
            weight_decay=0.0,
            max_grad_norm=1.0,
            max_length=256,
            bf16=False,
            fp16=False,
            gradient_checkpointing=False,
            logging_steps=10,
            save_strategy="no",
            eval_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            train_sampling_strategy=sampling,
        )
        trainer = trl.SFTTrainer(
            model=model,
            args=settings,
            train_dataset=datasets.Dataset.from_list(train),
            processing_class=tokenizer,
            peft_config=lora,
            callbacks=[memory],
        )
        assert len(trainer.train_dataset) == len(train), "TRL dropped rows"
        before, count = held_out_loss(trainer.model, held_out, options.batch)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
        after, _ = held_out_loss(trainer.model, held_out, options.batch)
        if options.output:
            trainer.model.save_pretrained(options.output)
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    tokens = sum(len(row["input_ids"]) for row in train) * options.epochs
    result = {
        "program": "trl",
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft, trl)},
        "seed": options.seed,
        "accumulation": options.accumulation,
        "sampling": sampling,
        "dropout": options.dropout,
        "threads": torch.get_num_threads(),
        "train_rows": len(train),
        "eval_rows": len(held_out),
        "eval_tokens": count,
        "trainable": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "steps": trainer.state.global_step,
        "eval_loss_before": before,
        "eval_loss_after": after,
        "train_seconds": round(seconds, 1),
        "tokens_per_second": round(tokens / seconds, 1),
        "peak_rss_mib": status_mib("VmHWM"),
        "peak_anonymous_mib": memory.mib,
        "train_loss": [[entry["step"], entry["loss"]] for entry in log],
        "grad_norm": [[entry["step"], entry["grad_norm"]] for entry in log],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
