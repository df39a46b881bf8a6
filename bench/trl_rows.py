"""A model folder and a file of Alpaca rows -> some steps of TRL's SFTTrainer with PEFT, as one JSON line: real tokens a second, memory.

    python bench/trl_rows.py --model DIR --data rows.json [--steps 6] [--setting defaults|best] [--targets q_proj,...]

`defaults` is what a user gets who sets nothing but the length: TRL loads the model, chooses the dtype, draws rows in
random order, pads each batch to its longest row, checkpoints, and trains on the answers (rows are prompt and
completion). `best` is the fastest that we found for a processor: weights in bfloat16, rows of like length together, no
checkpointing. r=8, 8 rows a batch, at most 512 tokens. The first step, which touches memory, does not count; a line
`first step` is printed when it is done. Padding does not count as a token.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from alpaca_rows import WITH_INPUT, WITHOUT_INPUT

os.environ.setdefault("HF_HUB_OFFLINE", "1")

def peak_rss_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--setting", choices=["defaults", "best"], default="defaults")
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--targets", default="q_proj,k_proj,v_proj,dense,fc1,fc2")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    import datasets
    import peft
    import torch
    import transformers
    import trl

    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    rows = [
        {
            "prompt": (WITH_INPUT if row.get("input") else WITHOUT_INPUT).format(**row),
            "completion": row["output"],
        }
        for row in json.loads(options.data.read_text())
    ]
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    class Clock(transformers.TrainerCallback):
        """Seconds and real tokens of each step after the first."""

        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_step_begin(self, args, state, control, **kwargs):
            self.started = time.perf_counter()

        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 1:
                print("first step", flush=True)
            self.seconds.append(time.perf_counter() - self.started)

    clock = Clock()
    chosen = (
        {}
        if options.setting == "defaults"
        else {
            "gradient_checkpointing": False,
            "train_sampling_strategy": "group_by_length",
            "model_init_kwargs": {"dtype": "bfloat16"},
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        trainer = trl.SFTTrainer(
            model=options.model,
            args=trl.SFTConfig(
                output_dir=scratch,
                max_length=options.max_length,
                max_steps=options.steps + 1,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=True,
                **chosen,
            ),
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=tokenizer,
            peft_config=peft.LoraConfig(
                r=8, lora_alpha=16, target_modules=options.targets.split(","), task_type="CAUSAL_LM"
            ),
            callbacks=[clock],
        )
        trainer.train()
    tokens = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry and "loss" in entry]
    counted = tokens[-1] - tokens[0]
    print(
        json.dumps(
            {
                "program": "trl",
                "setting": options.setting,
                "dtype": str(next(p for n, p in trainer.model.named_parameters() if "lora" not in n).dtype),
                "gradient_checkpointing": trainer.args.gradient_checkpointing,
                "bf16": trainer.args.bf16,
                "batch": trainer.args.per_device_train_batch_size,
                "real_tokens": counted,
                "seconds": round(sum(clock.seconds[1:]), 3),
                "tokens_per_second": counted / sum(clock.seconds[1:]),
                "peak_rss_mib": peak_rss_mib(),
            }
        )
    )


if __name__ == "__main__":
    main()
